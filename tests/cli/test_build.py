# SPDX-License-Identifier: Apache-2.0
"""``openeie boards``, ``build`` and ``program`` as a user types them."""
import contextlib
import json
import shlex

import pytest
from openeie.boards import BOARDS, board as find_board
from openeie.cli.invocation import invocation
from support.commands import run

#: What a build says, besides its clock and its array.
RESULT = {"critical_path": {"delay_ns": 10.0, "blocks": []}, "seeds": {"1": 1.0},
          "failed_seeds": {},
          "resources": {}, "bitstream": "top.bin", "sha256": "0"}


def test_boards():
    done = run("boards")
    table = [line for line in done.stdout.splitlines() if line.split()[:1] != []
             and line.split()[0] in BOARDS]
    assert len(table) == len(BOARDS)
    assert max(len(line.rstrip()) for line in table) <= 80
    rows = json.loads(run("boards", "--json").stdout)["boards"]
    assert [row["name"] for row in rows] == list(BOARDS)
    for row in rows:
        assert bool(row["fits"]) != bool(row["reason"])
        assert row["memory_bits"] > sum(row["memory_budget"].values())
    assert {row["name"]: row["fits"] for row in rows}["ulx3s-85f"] is not None


def test_build_refuses_what_it_does_not_know(tmp_path):
    for arguments, message in (
            (["-b", "de10"], "unknown board 'de10'; the boards are icebreaker, hx8k"),
            (["-b", "hx8k", "--set", "pes"], "--set takes FIELD=VALUE, not 'pes'"),
            (["-b", "hx8k", "--set", "pes=two"], "--set pes takes an integer, not 'two'"),
            (["-b", "hx8k", "--pes", "2000"], "pes must be in 1 .. 1024, not 2000"),
            (["-b", "hx8k", "-c", "EIE7"], "unknown preset 'EIE7'"),
            (["-b", "hx8k", "--clock", "1000"], "no PLL setting makes 1000 MHz")):
        done = run("build", *arguments, "-o", tmp_path / "out", code=2)
        assert message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_build_that_does_not_fit(tmp_path):
    """Numbered steps on stderr, one error, as JSON too; nothing that looks like a result."""
    done = run("build", "-b", "icebreaker", "--pes", 2, "--json",
               cwd=tmp_path, code=2)
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "CapacityError" and "do not fit icebreaker" in error["message"]
    assert "[1/5] write Verilog" in done.stderr and "[3/5] place and route" in done.stderr
    folder = tmp_path / "build" / "icebreaker"
    assert (folder / "seed-1.log").is_file() and not (folder / "report.json").exists()


def test_program_without_a_bitstream(tmp_path):
    done = run("program", "-b", "hx8k", cwd=tmp_path, code=2)
    with contextlib.chdir(tmp_path):
        command = f"{invocation()} build -b hx8k"
    assert f"there is no bitstream build/hx8k/top.bin; build it: {command}" in done.stderr


@pytest.mark.parametrize("name", BOARDS)
def test_a_missed_clock_names_the_command_that_works(monkeypatch, tmp_path, name):
    """Whatever a build reaches, the command that its error prints meets its clock."""
    def build(board, *, folder, seeds, cached, progress):
        return RESULT | {"target_mhz": board.clock_out_hz / 1e6, "fmax_mhz": fmax,
                         "met": board.clock_out_hz / 1e6 <= fmax, "config": board.config.to_dict()}
    fmax = find_board(name).clock_out_hz / 1e6 * 0.93
    monkeypatch.setattr("openeie.boards.build.build", build)
    done = run("build", "-b", name, "--set", "queue_depth=4", "-o", tmp_path / "a b", code=3)
    command = done.stderr.strip().splitlines()[-1].partition("slower clock: ")[2]
    assert command.startswith(f"{invocation()} build ")
    words = shlex.split(command.removeprefix(invocation()))
    assert str(tmp_path / "a b") in words
    done = json.loads(run(*words, "--json").stdout)
    assert done["met"] and done["config"]["queue_depth"] == 4
    assert done["target_mhz"] <= fmax * 0.95


@pytest.mark.parametrize(("option", "cached"), [([], True), (["--no-cache"], False)])
def test_every_tool_is_run_on_request(monkeypatch, option, cached):
    asked = []

    def build(board, *, cached, **_):
        asked.append(cached)
        return RESULT | {"target_mhz": 24.0, "fmax_mhz": 30.0, "met": True,
                         "config": board.config.to_dict()}
    monkeypatch.setattr("openeie.boards.build.build", build)
    run("build", "-b", "hx8k", *option)
    assert asked == [cached]


def test_a_seed_that_failed_is_told(monkeypatch):
    monkeypatch.setattr("openeie.boards.build.build", lambda board, **_: RESULT | {
        "target_mhz": 24.0, "fmax_mhz": 30.0, "met": True, "config": board.config.to_dict(),
        "failed_seeds": {"2": "place and route does not converge"}})
    assert "seed 2 failed: place and route does not converge" in run("build", "-b", "hx8k").stdout


def test_a_missed_clock_below_all_that_the_pll_makes(monkeypatch):
    monkeypatch.setattr("openeie.boards.build.build", lambda board, **_: RESULT | {
        "target_mhz": 24.0, "fmax_mhz": 3.0, "met": False, "config": board.config.to_dict()})
    done = run("build", "-b", "icebreaker", code=3)
    assert "the board's PLL makes no clock that slow; build fewer PEs, with --pes" in done.stderr
