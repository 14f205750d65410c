# SPDX-License-Identifier: Apache-2.0
"""``openeie report``: the page, the timeline, and what is refused before any work."""
import json

import numpy as np
import pytest
from support.commands import run, run_json

LENET = "lenet-300-100"


def test_a_page_and_a_timeline(tmp_path):
    page, timeline = tmp_path / "r.html", tmp_path / "t.json"
    arguments = ("report", LENET, "-c", "EIE64", "--against", "EIE16", "--images", 3, "-o", page)
    result = run_json(*arguments, "--timeline", timeline)
    assert result["bytes"] == page.stat().st_size
    assert [each["array"] for each in result["runs"]] == ["EIE64", "EIE16"]
    for each, config in zip(result["runs"], ("EIE64", "EIE16")):
        simulated = run_json("sim", LENET, "-c", config, "--images", 3, "--layers")
        assert each["cycles"] == simulated["cycles"]
        assert each["summary"] == simulated["summary"]
        assert each["latency_us"] == simulated["cycles"] / 3 / 800
        assert f"{simulated['cycles'] / 3:,.1f}" in page.read_text()
    events = json.loads(timeline.read_bytes())["traceEvents"]
    assert result["timeline"]["events"] == sum(event["ph"] != "M" for event in events)
    assert result["timeline"]["left_out"] == []
    before = page.read_bytes()
    page.unlink()
    assert not run(*arguments, "-q").stdout
    assert page.read_bytes() == before


def test_as_text(tmp_path):
    page, timeline = tmp_path / "r.html", tmp_path / "t.json"
    np.save(tmp_path / "x.npy", np.zeros((2, 784), int))
    (tmp_path / "mine.toml").write_text("pes = 8\nact_depth = 128\nacc_depth = 128\n"
                                        "entry_depth = 4096\n")
    text = " ".join(run("report", LENET, "-c", tmp_path / "mine.toml", "--input",
                        tmp_path / "x.npy", "--set", "queue_depth=2", "-o", page, "--timeline",
                        timeline, "--most-events", 500).stdout.split())
    assert "open it with a browser" in text and "ui.perfetto.dev" in text
    assert "left out: PEs" in text and "more than 500 events" in text
    assert "mine, queue_depth=2: 8 PEs, engine fast, 2 inputs" in page.read_text()


@pytest.mark.parametrize(("arguments", "message"), [
    (["-e", "golden"], "which the engine golden does not have"),
    (["-e", "fpga"], "engine must be one of fast, rtl, not 'fpga'"),
    (["--mhz", "0"], "--mhz must be a positive number of MHz below 10000, not 0.0"),
    (["-o", "r.pdf"], "must end in .htm or .html, not 'r.pdf'"),
    (["-o", "no/r.html"], "cannot write no/r.html: there is no folder "),
    (["--timeline", "t.txt"], "must end in .json, not 't.txt'"),
    (["--timeline", "no/t.json"], "cannot write no/t.json"),
    (["--most-events", "5"], "give --timeline FILE.json, too"),
    (["--most-events", "0", "--timeline", "t.json"], "--most-events must be at least 1, not 0"),
    (["-c", "EIE9"], "unknown preset 'EIE9'"),
    (["--against", "EIE9"], "unknown preset 'EIE9'"),
    (["--against", "EIE64"], "--against EIE64 is the array of the run itself"),
    (["--against", "TINY"], "acc_depth: layer 'ip1' needs 75, the array has 16"),
    (["--images", "0"], "--images must be in 1 .. 5000, not 0"),
])
def test_bad_input(arguments, message, tmp_path):
    done = run("report", LENET, *arguments, code=2, cwd=tmp_path)
    assert message in " ".join(done.stderr.split())
    assert not done.stdout and not list(tmp_path.iterdir())


def test_no_network():
    done = run("report", "vgg", code=2)
    assert "no artefact 'vgg' comes with the package" in done.stderr
