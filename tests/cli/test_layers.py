# SPDX-License-Identifier: Apache-2.0
"""``sim --layers`` and ``--picture``, and what ``compile`` predicts; the JSON's keys are pinned."""
import re

import numpy as np
import pytest
from support.commands import run, run_json

LENET = "lenet-300-100"

COUNTERS = ["filler", "empty_column", "starved", "blocked", "writeback", "drain"]
ROW = ["name", "kind", "pes", "macs", "weights", "kept", "activations", "nonzero", "cycles",
       "dense_cycles", "outputs", "saturated", "spent", "weight_density", "activation_density",
       "saturated_share", "entries", "mac_utilisation", "speedup", "shares"]


def test_sim_layers_as_json():
    result = run_json("sim", LENET, "-c", "EIE16", "--images", 20, "--layers")
    summary = result["summary"]
    assert list(summary) == ["network", "engine", "pes", "inputs", "layers", "total"]
    assert (summary["network"], summary["engine"], summary["inputs"]) == (LENET, "fast", 20)
    for row, layer in zip(summary["layers"], result["layers"], strict=True):
        assert list(row) == ROW
        assert list(row["spent"]) == list(row["shares"]) == ["mac", "pool", *COUNTERS]
        assert row["cycles"] == layer["cycles"]
        assert row["spent"] == {"mac": layer["counters"].pop("busy"), "pool": 0} \
            | layer["counters"]
        assert row["mac_utilisation"] == layer["utilisation"]
    assert list(summary["total"]) == ROW
    assert summary["total"]["cycles"] == result["cycles"]
    assert summary["total"]["macs"] == 20 * 266_200


def test_sim_layers_as_text_and_picture(tmp_path):
    file = tmp_path / "run.svg"
    text = run("sim", LENET, "-c", "EIE16", "--images", 5, "--layers", "--picture", file).stdout
    assert "235,200" in text and "speed-" in text and "error rate" in text
    assert f"picture: {file}" in " ".join(text.split())
    assert f"{LENET} on 16 PEs" in file.read_text()
    lines = [line.split() for line in text.splitlines() if line.split()[:1] in (["ip1"], ["all"])]
    for row in lines[2:]:               # the second table's: shares that add up
        assert sum(float(share.rstrip("%")) for share in row[1:]) == pytest.approx(100, abs=0.5)
    result = run_json("sim", LENET, "-c", "EIE16", "--images", 5, "--picture", file)
    assert result["picture"] == str(file) and "summary" not in result


def test_a_pictures_name_in_capitals(tmp_path):
    file = tmp_path / "RUN.SVG"
    run("sim", LENET, "-c", "EIE16", "--images", 2, "--picture", file, "-q")
    assert "<svg" in file.read_text()


def test_compile_predicts():
    result = run_json("compile", LENET, "-c", "EIE16", "--density", 0.25, "--input-density", 0.1,
                      "--seed", 3, "--clock", 50)
    predicted = result["predicted"]
    assert list(predicted) == ["of", "density", "input_density", "seed", "cycles", "dense_cycles",
                               "utilisation", "vectors", "latency_cycles", "cycles_an_input",
                               "clock_mhz", "seconds"]
    assert (predicted["of"], predicted["density"], predicted["seed"]) == ("drawn", 0.25, 3)
    assert predicted["seconds"] == predicted["cycles"] / 50e6
    assert predicted["cycles"] == sum(layer["predicted"]["cycles"] for layer in result["layers"])
    first = result["layers"][0]
    assert list(first["predicted"]) == ["density", "cycles", "dense_cycles", "utilisation"]
    assert first["predicted"]["density"] == pytest.approx(0.1, abs=0.05)
    assert (first["kind"], first["window"], first["source_rows"]) == ("linear", None, [0, 48])
    assert first["destination_rows"][1] - first["destination_rows"][0] == 18


def test_compile_measures_what_sim_does(tmp_path):
    measured = run_json("compile", LENET, "-c", "EIE16", "--images", 10)["predicted"]
    simulated = run_json("sim", LENET, "-c", "EIE16", "--images", 10, "--layers")
    assert (measured["of"], measured["inputs"]) == ("measured", 10)
    assert measured["cycles"] == pytest.approx(simulated["cycles"] / 10, rel=1e-12)
    assert measured["dense_cycles"] == simulated["summary"]["total"]["dense_cycles"] / 10
    np.save(tmp_path / "x.npy", np.zeros((1, 784), int))
    nothing = run_json("compile", LENET, "-c", "EIE16", "--input", tmp_path / "x.npy")
    assert nothing["layers"][0]["predicted"]["utilisation"] == 0


def test_compile_as_text():
    text = run("compile", LENET, "-c", "EIE16", "--clock", 100).stdout
    for words in ("most entries", "reads rows", "A 0 .. 48", "785 .. 1,085", "memories of each PE"):
        assert words in text
    assert re.search(r"ip1 +linear +784 +- +300 +huffman", text)
    assert "activations of seed 1: non-zero are 50% after a ReLU, all without a ReLU, and 50%" \
        in " ".join(text.split())


@pytest.mark.parametrize(("arguments", "message"), [
    (["sim", LENET, "-e", "golden", "--layers"], "which the engine golden does not have"),
    (["sim", LENET, "--picture", "a.gif"], "must end in .svg, .png, .pdf, not 'a.gif'"),
    (["sim", LENET, "-c", "EIE16", "--images", "2", "--picture", "no/a.svg"],
     "cannot write no/a.svg"),
    (["compile", LENET, "--density", "2"], "density must be in 0 .. 1, not 2.0"),
    (["compile", LENET, "--clock", "0"], "--clock must be a positive number of MHz, not 0.0"),
    (["compile", LENET, "--images", "0"], "--images must be in 1 .. 5000, not 0"),
    (["compile", LENET, "--images", "3", "--density", "0.3", "--seed", "2"],
     "--density, --seed: for random activations"),
    (["compile", LENET, "--input", "x.npy", "--input-density", "0.3"], "--input-density: for ran"),
    (["compile", LENET, "--input", "x.npy", "--images", "7"], "give one of the two"),
    (["sim", LENET, "--input", "x.npy", "--images", "7"],
     "--images 7 asks for the demo's images, but --input x.npy for others"),
    (["verify", LENET, "--input", "x.npy", "--images", "4"], "give one of the two"),
])
def test_bad_input(arguments, message):
    done = run(*arguments, code=2)
    assert message in " ".join(done.stderr.split())
    assert not done.stdout
