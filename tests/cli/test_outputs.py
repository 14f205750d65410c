# SPDX-License-Identifier: Apache-2.0
"""Every verb that writes x every kind of target: as the table of docs/files.md says."""
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from openeie.boards import build
from openeie.cli import compress
from openeie.cli.outputs import check_writable
from openeie.core.artefact.artefact import load, save
from openeie.core.errors import InputError, OpenEIEError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sw.compress.recipe_file import read_recipe
from support.commands import run
from support.targets import KINDS

import openeie

LENET = "lenet-300-100"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "files.md"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A network of one small layer, and an input."""
    folder = tmp_path_factory.mktemp("small")
    dense = np.arange(-6, 6).reshape(3, 4)
    one = np.ones(3, int)
    save(Network(name="n", input_range=(-9, 9), layers=(Linear(
        name="a", weights=SparseWeights.from_dense(dense), encoding="csr", bias=0 * one,
        multiplier=one, shift=0 * one),)), folder / "n.eie")
    np.save(folder / "x.npy", np.array([[1, 2, 3, 4]]))
    return folder


# Of each verb: the file that is looked at, and what writes it.
def _verb(*arguments):
    return lambda path, small, code: run(*arguments, "-o", path, "-q", code=code)


def _wave(path, small, code):
    run("wave", small / "n.eie", "-c", "TINY", "--input", small / "x.npy", "-o", path, "-q",
        code=code)


def _sweep(path, small, code):
    pytest.importorskip("pyarrow")
    run("sweep", "--grid", "pes=1", "--layer", "a:30x20:0.1:0.4", "-o", path.parent, "-q",
        code=code)


def _compress(path, small, code):
    """What it does with what minutes of training made."""
    pytest.importorskip("torch")
    result = SimpleNamespace(network=load(openeie.shipped(LENET)), chosen={},
                             recipe=read_recipe(LENET))
    _call(lambda: compress._write(result, path), code)


def _build(path, small, code):
    """What it does with what minutes of place-and-route made."""
    def write():
        try:
            build._write(path, "{}")
        except OSError as error:            # as build() itself
            raise InputError(error.strerror) from error
    _call(write, code)


def _call(write, code):
    try:
        write()
        ended = 0
    except OpenEIEError as error:
        ended = error.exit_code
    assert ended == code


VERBS = {
    "sim": ("run.npz", _verb("sim", LENET, "--images", 1)),
    "compress": ("net.eie", _compress),
    "compile": ("program.npz", _verb("compile", LENET)),
    "report": ("page.html", _verb("report", LENET, "--images", 1)),
    "sweep": ("points.csv", _sweep),
    "wave": ("wave.vcd", _wave),
    "build": ("report.json", _build),
}


def table():
    """Verb and kind of target, and what the page says of them."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in PAGE.read_text().splitlines() if line.startswith("|")]
    kinds = rows[0][1:]
    return {(row[0].split("`")[1].split()[0], kind): cell
            for row in rows[2:] for kind, cell in zip(kinds, row[1:])}


def test_the_page_has_every_verb_and_kind():
    assert set(table()) == {(verb, kind) for verb in VERBS for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_what_becomes_of_a_target(verb, kind, tmp_path, small):
    name, write = VERBS[verb]
    said = table()[verb, kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / name
    with KINDS[kind](path) as became:
        write(path, small, 2 if said == "refused" else 0)
        assert became() == ("left" if said == "refused" else said)
        assert not [one for one in folder.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize(("arguments", "message"), [
    (("sim", LENET, "-o", "run.csv"), "must end in .npz or .json, not 'run.csv'"),
    (("sim", LENET, "-o", "run"), "must end in .npz or .json, not 'run'"),
    (("compile", LENET, "-o", "p.bin"), "must end in .npz, not 'p.bin'"),
    (("report", LENET, "-o", "-", "--json"), "standard output takes one result, not --json and -"),
    (("report", LENET, "-o", "-", "--timeline", "/dev/stdout"),
     "standard output takes one result, not - and /dev/stdout"),
    (("demo", "--json", "-o", "-"), "standard output takes one result"),
    (("sweep", "--grid", "pes=1", "--layer", "a:30x20:0.1:0.4", "-o", "-"), "name a folder (./-"),
    (("build", "-b", "icebreaker", "-o", "-"), "name a folder (./-"),
    (("bench", "eie", "--layer", "NT-We", "-o", "-"), "name a folder (./-"),
    (("sim", LENET, "-o", "no/run.npz"), "cannot write no/run.npz: there is no folder"),
    (("compile", LENET, "-o", "taken.npz"), "cannot write taken.npz: it is a folder"),
    (("test", "-b", "icebreaker", "--junitxml", "no/x.xml"), "cannot write no/x.xml: there is no"),
    (("demo", "-o", "taken.npz"), "cannot write taken.npz: it is a folder")])
def test_what_is_refused_before_the_work(arguments, message, tmp_path):
    (tmp_path / "taken.npz").mkdir()
    done = run(*arguments, code=2, cwd=tmp_path)
    assert message in " ".join(done.stderr.split())
    assert not done.stdout or "--json" in arguments
    assert [path.name for path in tmp_path.iterdir()] == ["taken.npz"]


def test_a_run_as_json_has_what_the_npz_has(tmp_path):
    for name in ("r.npz", "r.json"):
        run("sim", LENET, "--images", 2, "-o", tmp_path / name)
    text = json.loads((tmp_path / "r.json").read_text())
    with np.load(tmp_path / "r.npz") as arrays:
        assert json.loads(arrays["result"].item()).items() <= text.items()
        assert set(text["arrays"]) == set(arrays) - {"result"}
        for key, values in text["arrays"].items():
            assert np.array_equal(values, arrays[key])


def test_an_early_check_neither_opens_a_pipe_nor_changes_anything(tmp_path):
    """A pipe without a reader would wait for one."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    names = sorted(tmp_path.iterdir())
    check_writable(*names, tmp_path / "new", None, Path("-"))
    assert sorted(tmp_path.iterdir()) == names and (tmp_path / "file").read_bytes() == b"old"


def test_names_are_not_too_long_for_their_temporary_files(tmp_path):
    path = tmp_path / f"{'n' * 251}.npz"
    run("sim", LENET, "--images", 1, "-o", path, "-q")
    assert path.is_file() and re.fullmatch(r"n{251}\.npz", next(tmp_path.iterdir()).name)
