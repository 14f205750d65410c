# SPDX-License-Identifier: Apache-2.0
"""``openeie sweep``: its table, and that a killed sweep loses nothing."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from openeie.cli.console import PlainConsole
from openeie.core.host.journal import dump_lines
from support.commands import run, run_json
from pyarrow import parquet
from support.targets import full

SMALL = ("--grid", "pes=1,2,4,8", "--grid", "queue_depth=1,8", "--layer", "a:300x200:0.1:0.4",
         "--layer", "b:100x400:0.05:1")
FILES = ("points.csv", "points.parquet", "sweep.json", "cycles-pes.svg", "cycles-queue_depth.svg",
         "cycles-pes-queue_depth.svg", "front.svg")


def test_table_on_disk_is_the_one_printed(tmp_path):
    result = run_json("sweep", *SMALL, "-o", tmp_path)
    rows = parquet.read_table(tmp_path / "points.parquet").to_pylist()
    assert rows == result["points"] and len(rows) == 16
    assert [row["name"] for row in rows] == ["a"] * 8 + ["b"] * 8
    assert (tmp_path / "points.csv").read_text().count("\n") == 17
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {"points.lock"} == {*FILES, "points.jsonl"}


def test_two_processes_give_the_same_bytes(tmp_path):
    run("sweep", *SMALL, "-o", tmp_path / "one")
    run("sweep", *SMALL, "-o", tmp_path / "two", "-j", "2")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_killed_sweep_goes_on_and_ends_in_the_same_bytes(tmp_path):
    """SIGKILL while points are on their way; a torn line, too, as a crash of the machine leaves."""
    grid = ("--grid", "pes=" + ",".join(map(str, range(1, 65))), "--grid", "queue_depth=1,2",
            "--layer", "a:4096x1024:0.1:1", "--layer", "b:2048x2048:0.1:1")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "openeie", "sweep", *grid, "-o", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = killed / "points.jsonl"
    for _ in range(6000):
        if journal.exists() and journal.read_bytes().count(b"\n") > 5:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = journal.read_bytes()
    count = done.count(b"\n") - 1
    assert 5 <= count < 128 and not (killed / "points.csv").exists()
    journal.write_bytes(done + b'[[77, {"name": "a", "pes"')
    run("sweep", *grid, "-o", killed)
    assert journal.read_bytes().startswith(done.split(b"\n")[0])
    run("sweep", *grid, "-o", whole)
    for name in ("points.csv", "points.parquet", "sweep.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_a_finished_sweep_is_read_and_not_worked_out_again(tmp_path):
    first = run_json("sweep", *SMALL, "-o", tmp_path)
    journal = tmp_path / "points.jsonl"
    head, line, *lines = (json.loads(line) for line in journal.read_text().splitlines())
    line["line"][0][1]["cycles"] = 1                    # by its owner: the check is right
    owner = head["line"]["owner"]
    journal.write_text(dump_lines(owner, (one["line"] for one in (line, *lines))))
    again = run_json("sweep", *SMALL, "-o", tmp_path)
    assert again["points"][0]["cycles"] == 1 != first["points"][0]["cycles"]
    assert run_json("sweep", *SMALL, "-o", tmp_path, "--restart")["points"] == first["points"]


def test_a_damaged_line_is_told_and_worked_out_again(tmp_path):
    """A digit of a number, which stays a number."""
    first = run_json("sweep", *SMALL, "-o", tmp_path)
    journal = tmp_path / "points.jsonl"
    text = journal.read_text()
    cycles = f'"cycles": {first["points"][0]["cycles"]}'
    journal.write_text(text.replace(cycles, cycles[:-1] + str(9 - int(cycles[-1])), 1))
    done = run("sweep", *SMALL, "-o", tmp_path, "--json")
    assert json.loads(done.stdout)["points"] == first["points"]
    assert "the journal had a damaged line, now dropped; what was in it is worked" in done.stderr
    assert "the journal had" not in run("sweep", *SMALL, "-o", tmp_path, "--json").stderr


def test_a_journal_of_lines_without_checks_is_another_versions(tmp_path):
    run("sweep", *SMALL, "-o", tmp_path)
    journal = tmp_path / "points.jsonl"
    lines = [json.loads(line)["line"] for line in journal.read_text().splitlines()]
    old = [{"sweep": lines[0]["owner"]}, *lines[1:]]
    journal.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert "of another version; choose another" in run("sweep", *SMALL, "-o", tmp_path,
                                                       code=2).stderr
    run("sweep", *SMALL, "-o", tmp_path, "--restart")


def test_another_sweep_is_not_mixed_in(tmp_path):
    run("sweep", *SMALL, "-o", tmp_path)
    before = (tmp_path / "points.csv").read_bytes()
    done = run("sweep", *SMALL, "--seed", "2", "-o", tmp_path, code=2)
    assert "has the points of another sweep" in done.stderr and "--restart" in done.stderr
    assert (tmp_path / "points.csv").read_bytes() == before


def test_networks_are_the_engines(tmp_path):
    rows = run_json("sweep", "--network", "lenet-300-100", "-c", "EIE16", "--images", "3",
                    "--grid", "queue_depth=1,16", "--grid", "pes=1,16")["points"]
    assert [row["status"][:8] for row in rows] == ["refused:", "ok", "refused:", "ok"]
    ran = run_json("sim", "lenet-300-100", "-c", "EIE16", "--images", "3")
    assert rows[3]["cycles"] == ran["cycles"] / 3


@pytest.mark.parametrize("words, message", [
    (("--layer", "a:3x3:1:1"), "the grid is empty"),
    (("--grid", "pes=1"), "there is nothing to run"),
    (("--grid", "pse=1", "--layer", "a:3x3:1:1"), "key 'pse'; did you mean pes? the keys are"),
    (("--set", "quue_depth=1", "--grid", "pes=1", "--layer", "a:3x3:1:1"), "mean queue_depth"),
    (("--grid", "pes=1", "--layer", "a:3x3:1:1", "--input", "x.npy"), "the sweep has none"),
    (("--grid", "pes=1", "--network", "lenet-5", "--input", "x.npy"), "cannot read inputs from"),
    (("--grid", "pes=1", "--network", "lenet-5", "--input", "x.npy", "--images", "3"),
     "images 3 counts MNIST's images or drawn inputs, but input x.npy brings others"),
    (("--grid", "pes=1", "--network", "lenet-5", "--images", "10001"), "--images must be in 1 .. "),
    (("--grid", "pes=", "--layer", "a:3x3:1:1"), "--grid takes FIELD=VALUE,VALUE,..., not 'pes='"),
    (("--grid", "pes=a", "--layer", "a:3x3:1:1"), "pes takes integers, not 'a'"),
    (("--grid", "pes=1,1", "--layer", "a:3x3:1:1"), "a value twice"),
    (("--grid", "pes=1", "--set", "pes=2", "--layer", "a:3x3:1:1"), "choose one"),
    (("--grid", "pes=1", "--layer", "a:3:1:1"), "--layer takes NAME:INPUTSxOUTPUTS"),
    (("--grid", "pes=1", "--layer", "a:3x3:2:1"), "weight_density: Input should be less than or "
                                                  "equal to 1, not 2.0"),
    (("--grid", "pes=1", "--grid", "pes=2", "--layer", "a:3x3:1:1"), "--grid pes is given twice"),
    (("--grid", "pes=1,99999999999999999999", "--layer", "a:3x3:1:1"), "grid.pes takes integers"),
    (("--grid", "pes=1", "--layer", "a:16777216x16777216:1:1"), "281,474,976,710,656 weights"),
    (("--grid", "pes=1", "--set", "queue_depth=0", "--layer", "a:3x3:1:1"), "queue_depth must be"),
    (("--grid", "pes=1", "--layer", "a:3x3:1:1", "--scheduler", ""), "like tcp://host:8786"),
    (("--grid", "pes=0", "--layer", "a:3x3:1:1"), "no point of the sweep has an array; the first "
                                                  "is refused: pes must be in 1 .. 1024, not 0"),
    (("--grid", "pes=1", "--layer", "a:3x3:1:1", "-c", "EIE1"), "unknown preset 'EIE1'"),
    (("--grid", "pes=1", "--network", "lenet"), "lenet"),
    (("--grid", "pes=1", "--layer", "a:3x3:1:1", "--restart"), "name it with -o"),
    (("--grid", "pes=1", "--layer", "a:3x3:1:1", "-o", "/dev/null/x"), "cannot make the folder"),
    (("/nowhere.toml",), "cannot read the sweep /nowhere.toml")])
def test_bad_requests_end_in_one_error(words, message):
    assert message in run("sweep", *words, code=2).stderr


@pytest.mark.parametrize("table", ["grid", "set"])
def test_an_unknown_field_is_refused_alike_in_a_file_and_in_an_option(tmp_path, table):
    file = tmp_path / "s.toml"
    file.write_text(f"[{table}]\nquue_depth = {'[1]' if table == 'grid' else '1'}\n")
    in_file = run("sweep", file, "--grid", "pes=1", "--layer", "a:3x3:1:1", code=2).stderr
    in_option = run("sweep", f"--{table}", "quue_depth=1", "--layer", "a:3x3:1:1", code=2).stderr
    assert in_file == in_option and "did you mean queue_depth or" in in_file


def test_unknown_keys_of_a_file_are_refused(tmp_path):
    file = tmp_path / "s.toml"
    for text, message in (("gird = 1", "unknown key 'gird'; did you mean grid? the keys are base"),
                          ("[[layer]]\nname = 'a'\nsize = 3", "unknown key 'layer.0.size'; the "
                                                                "keys are name, inputs"),
                          ("grid = 5", "grid: Input should be a valid dictionary"),
                          ("[layer]", "layer: Input should be a valid list"),
                          ("[grid]\npes = [1979-05-27]", "grid.pes takes integers"),
                          ("[grid]\npes = [1, nan]", "s.toml: a number must be finite, not nan"),
                          ("[grid]\nencodings = [['csr'], 'csr']", "takes lists of names out of"),
                          ("mhz = 'fast'", "mhz: Input should be a valid number")):
        file.write_text(text)
        assert message in " ".join(run("sweep", file, "--grid", "queue_depth=1", "--layer",
                                       "a:3x3:1:1", code=2).stderr.split())


def test_an_earlier_sweeps_pictures_do_not_stay(tmp_path):
    run("sweep", *SMALL, "-o", tmp_path)
    (tmp_path / "cycles-of-mine.svg").write_text("<svg/>")
    run("sweep", "--grid", "acc_banks=1,2", "--layer", "a:30x20:0.1:0.4", "-o", tmp_path,
        "--restart")
    assert {path.name for path in tmp_path.glob("*.svg")} == {
        "cycles-acc_banks.svg", "front.svg", "cycles-of-mine.svg"}


def test_a_scheduler_that_is_not_there():
    done = run("sweep", *SMALL, "--scheduler", "tcp://127.0.0.1:9", code=3)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr


def test_a_full_disk_is_one_error(tmp_path):
    (tmp_path / "disk").mkdir()
    with full(tmp_path / "disk" / "points.csv"):
        done = run("sweep", *SMALL, "-o", tmp_path / "disk", code=2)
    assert "cannot write the journal" in done.stderr and "No space left" in done.stderr


def test_the_journal_is_a_file_or_a_link_to_one(tmp_path):
    """A pipe in its place would be waited for."""
    (tmp_path / "points.jsonl").symlink_to(tmp_path / "elsewhere")
    run("sweep", *SMALL, "-o", tmp_path)
    assert (tmp_path / "elsewhere").read_text().count("\n") > 1
    run("sweep", *SMALL, "-o", tmp_path, "--restart")
    assert (tmp_path / "points.jsonl").is_symlink()
    (tmp_path / "points.jsonl").unlink()
    os.mkfifo(tmp_path / "points.jsonl")
    assert "is a device or a pipe" in run("sweep", *SMALL, "-o", tmp_path, code=2).stderr


def test_folders_in_the_place_of_results(tmp_path):
    """One that is sure to be in the way is told before the work, and is not removed."""
    (tmp_path / "points.csv").mkdir()
    assert "points.csv: it is a folder" in run("sweep", *SMALL, "-o", tmp_path, code=2).stderr
    assert {path.name for path in tmp_path.iterdir()} == {"points.csv"}
    (tmp_path / "points.csv").rmdir()
    (tmp_path / "cycles-pes.svg").mkdir()
    assert "cannot remove" in run("sweep", *SMALL, "-o", tmp_path, code=2).stderr
    assert (tmp_path / "cycles-pes.svg").is_dir()


def test_a_picture_behind_a_link_stays_behind_it(tmp_path):
    (tmp_path / "cycles-pes.svg").symlink_to(tmp_path / "elsewhere.svg")
    (tmp_path / "elsewhere.svg").write_text("old")
    run("sweep", *SMALL, "-o", tmp_path)
    assert (tmp_path / "cycles-pes.svg").is_symlink()
    assert "<svg" in (tmp_path / "elsewhere.svg").read_text()


def test_a_narrow_terminal_cuts_no_digit_off(monkeypatch):
    """A number without its last digits would be another one."""
    monkeypatch.setattr("openeie.cli.common._console", lambda: PlainConsole(
        width=40, color_system=None, highlight=False))
    rows = run_json("sweep", *SMALL)["points"]
    printed = run("sweep", *SMALL).stdout
    for row in rows:
        assert f"{row['memory_bits']:,}" in printed and f"{row['luts']:,}" in printed
