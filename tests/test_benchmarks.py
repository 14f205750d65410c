# SPDX-License-Identifier: Apache-2.0
"""Benchmarks refuse bad input in a line, and take saved weights for what they are."""
import json
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from openeie.core.errors import InputError, ToolError
from openeie.sw.binary.train import Task
from openeie.sw.compress.methods.train import Schedule
from torch import nn

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a benchmark as ``__main__`` does: exit code, stderr."""
    threads = torch.get_num_threads()

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        monkeypatch.syspath_prepend(FOLDER)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(FOLDER / name), run_name="__main__")
        return ended.value.code, capsys.readouterr().err
    yield run
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("words", "message"), [
    (("binary.py", "mnist", "/nope"), "MNIST file .* cannot be read from /nope"),
    (("binary.py", "mnist", "/nope", "--modes", "bwn,foo"),
     "--modes: a mode must be one of float, bwn, xnor, not 'foo'"),
    (("binary.py", "mnist", "/nope", "-o", "/proc/there"), "cannot make the folder /proc/there"),
    (("cifar.py", "/nope", "-o", "{}/net.safetensors"), "CIFAR-10 train set .*/nope"),
    (("cifar.py", "/nope", "-o", "{}/no/net.safetensors"), "there is no folder .*/no; make it"),
    (("distill.py", "--mnist", "/nope"), "MNIST file .* cannot be read from /nope"),
    (("distill.py", "--mnist", "/nope", "-o", "{}"), "cannot write .*: it is a folder"),
    (("first_minute.py", "--case", "simm"), "--case must be one of --help, .*; did you mean sim"),
    (("first_minute.py", "--repeat", "0"), "--repeat must be at least 1, not 0"),
    (("first_minute.py", "--baseline", "/nope"), "there is no /nope/.venv/bin/python; check out"),
    (("ratios.py", "/nope"), "MNIST file .* cannot be read from /nope"),
    (("clustering.py", "--part", "clustering"),
     "--case of --part clustering must be one of linear, density, random, not None"),
    (("clustering.py", "--part", "encoding", "--case", "linear"), "one of 0.09, 1, not linear"),
    (("clustering.py", "--rows", "0"), "--rows and --columns must be at least 1, not 0 and 9216")])
def test_bad_input_is_refused_in_a_line(script, tmp_path, words, message):
    code, err = script(*(word.replace("{}", str(tmp_path)) for word in words))
    assert code == 2 and "Traceback" not in err
    assert re.search(f"error: .*{message}", err.splitlines()[-1])
    assert not list(tmp_path.iterdir())


def test_the_first_minute_is_measured(tmp_path, monkeypatch):
    """Two commands as a user types them, and one that fails."""
    monkeypatch.syspath_prepend(FOLDER)
    names = runpy.run_path(str(FOLDER / "first_minute.py"))
    here = (Path(sys.executable), FOLDER.parent)
    one, two = names["light"]([here, here], ("--version",), 1)
    for run in (one, two):
        assert run["cpu_s"] > 0 and 5 < run["peak_mb"] < 2000
    with pytest.raises(ToolError, match="-m openeie sim nowhere .* exit code 2: error: .*nowhere"):
        names["measure"](*here, ("sim", "nowhere"), tmp_path)


def test_the_commands_of_readme_are_found(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    names = runpy.run_path(str(FOLDER / "first_minute.py"))
    found = names["readme_commands"]((FOLDER.parent / "README.md").read_text())
    assert len(found) >= 7 and ("doctor",) in found.values()
    assert found["openeie inspect lenet-300-100"] == ("inspect", "lenet-300-100")


def rtl_speed(*words):
    """``rtl_speed.py`` in a process of its own, as it compares commits."""
    return subprocess.run([sys.executable, FOLDER / "rtl_speed.py", *words], capture_output=True,
                          text=True)


def test_the_speed_of_rtl_and_of_another_checkout():
    done = rtl_speed("--config", "TINY", "--sizes", "16,16", "--large", "30,16", "--seconds", "0",
                     "--baseline", FOLDER.parent)
    result = json.loads(done.stdout)
    assert set(result["rtl"]["encodings"]) == {"csr", "codebook", "huffman"}
    assert result["rtl"]["load"]["records"] == result["baseline"]["load"]["records"] > 100
    assert result["ratios"]["load"]["records"] == 1 and result["ratios"]["idle"] > 0


@pytest.mark.parametrize(("words", "message"), [
    (("--sizes", "16"), "sizes must be two numbers N,M, not '16'"),
    (("--large", "0,4"), "sizes must be at least 1, not '0,4'"),
    (("--baseline", "/nope"), "--baseline /nope: there is no openeie in this folder"),
    (("--config", "TINNY"), "unknown preset 'TINNY'")])
def test_the_speed_of_rtl_refuses_bad_input(words, message):
    done = rtl_speed(*words)
    assert done.returncode == 2 and not done.stdout and message in done.stderr


def small(mode):
    """A network of one layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


def test_weights_are_taken_again_only_if_trained_alike(tmp_path):
    weights_of = runpy.run_path(str(FOLDER / "binary.py"))["weights_of"]
    task = Task(name="small", build=small, shape=(1, 2, 2), schedule=Schedule(epochs=2, batch=8))
    pictures = torch.rand(32, 1, 2, 2), torch.randint(0, 2, (32,))
    model, seconds = weights_of(task, "float", pictures, 1, tmp_path)
    again, none = weights_of(task, "float", pictures, 1, tmp_path)
    assert seconds > none == 0 and torch.equal(model[1].weight, again[1].weight)
    path, = tmp_path.iterdir()
    before = path.read_bytes()
    longer = replace(task, schedule=Schedule(epochs=3, batch=8))
    with pytest.raises(InputError, match=r'small-float-1.safetensors must have the schedule .*'
                                         r'"epochs": 3.*, but has .*"epochs": 2'):
        weights_of(longer, "float", pictures, 1, tmp_path)
    assert path.read_bytes() == before
    path.write_bytes(before[:-3])
    with pytest.raises(InputError, match="cannot read weights from"):
        weights_of(task, "float", pictures, 1, tmp_path)
