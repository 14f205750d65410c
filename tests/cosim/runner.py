# SPDX-License-Identifier: Apache-2.0
"""pytest's side of the cocotb benches: builds, cached by content, and runs."""
import contextlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from openeie.sim.rtl.toolchain import cached_build, verilator as find_verilator
from openeie.sim.rtl.verilog import PE_MODULE

SIMULATORS = pytest.mark.parametrize("simulator", ["verilator", "icarus"])

# Registers and memories start from random values: there are no power-up values in the Verilog.
_VERILATE = ("--x-initial", "unique", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style",
             "-O3")
# The wheel's verilated.mk was configured without these.
_MAKEFLAGS = ("CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread "
              "CFG_CXXFLAGS_STD_NEWEST=-std=c++20 CFG_CXXFLAGS_COROUTINES=-fcoroutines "
              "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1")


def build(simulator: str, verilog: str, top: str) -> Path:
    """The folder of a compiled simulation, made once for the same Verilog and tools."""
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not on PATH (Debian: apt install iverilog)")
    return cached_build(_key(simulator, verilog, top),
                        lambda folder: _build(folder, simulator, verilog, top))


def _key(*what: str) -> str:
    return "\0".join(["cocotb", importlib.metadata.version("cocotb"), *what, *_VERILATE,
                      _MAKEFLAGS])


def _build(folder: Path, simulator: str, verilog: str, top: str) -> None:
    source, hints = folder / f"{top}.v", folder / "hints.vlt"
    source.write_text(verilog)
    hints.write_text(f'`verilator_config\nno_inline -module "{PE_MODULE}"\n')
    verilator, tool = simulator == "verilator", find_verilator()
    # The makefile calls `python`: let it be this one.
    path = os.pathsep.join([str(tool.program.parent), str(Path(sys.executable).parent),
                            os.environ["PATH"]])
    environment = tool.environment | {"PATH": path, "MAKEFLAGS": _MAKEFLAGS}
    if verilator:
        _take_runtime(folder)
    with mock.patch.dict(os.environ, environment if verilator else {}):
        get_runner(simulator).build(
            sources=[hints, source] if verilator and PE_MODULE in verilog else [source],
            hdl_toplevel=top, build_dir=folder, timescale=("1ns", "1ps"),
            build_args=list(_VERILATE) if verilator else [])
    if verilator:
        cached_build(_key("runtime"), lambda kept: _copy_runtime(folder, kept))
    for path in folder.iterdir():           # objects and precompiled headers are large
        if path.name not in (top, "sim.vvp", source.name):
            path.unlink()


def _take_runtime(folder: Path) -> None:
    """Put the objects of Verilator's runtime where make finds them, if there are any yet: they
    are the same in all benches, and take half of a build."""
    class _NoneYet(Exception):
        pass

    def refuse(_: Path) -> None:
        raise _NoneYet
    with contextlib.suppress(_NoneYet):
        _copy_runtime(cached_build(_key("runtime"), refuse), folder)


def _copy_runtime(source: Path, target: Path) -> None:
    for path in source.glob("verilated*.o"):
        shutil.copyfile(path, target / path.name)       # newer than its source


def run(simulator: str, verilog: str, top: str, bench: str, *, seed: int, tests: str | None = None,
        **parameters) -> None:
    """Run the cocotb tests of module ``cosim.<bench>``, one or all; any failure is a failure.

    The bench finds ``seed`` and ``parameters`` in :data:`cosim.ports.PARAMETERS`.
    """
    folder = build(simulator, verilog, top)
    options = {"test_args": ["+verilator+rand+reset+2",
                             f"+verilator+seed+{seed % (2**31 - 2) + 1}"]} \
        if simulator == "verilator" else {}
    with tempfile.TemporaryDirectory() as work:
        results = Path(work) / "results.xml"
        try:
            get_runner(simulator).test(
                hdl_toplevel=top, hdl_toplevel_lang="verilog", test_module=f"cosim.{bench}",
                testcase=tests, build_dir=folder, test_dir=work, results_xml=str(results),
                seed=seed % 2**31,
                extra_env={"OPENEIE_COSIM": json.dumps(parameters | {"seed": seed})}, **options)
        except SystemExit:
            pytest.fail(f"cocotb tests of {bench} failed, see the log; seed {seed}")
        total, failed = get_results(results)
    assert total and not failed, f"{failed} of {total} cocotb tests failed, seed {seed}"
