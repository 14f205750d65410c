# SPDX-License-Identifier: Apache-2.0
"""Compiles the C++ files of this folder to a shared library, once, and keeps it on disk."""
import hashlib
import os
import platform
import tempfile
from pathlib import Path

from ....core.errors import ToolError
from ....core.host.cache import cache_folder
from ...compiler import compiler
from ...processes import ended_by_signals, run_all

__all__ = ["build"]

_SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
# -fwrapv: 32-bit cycles that do not suffice wrap around, which is noticed afterwards.
_OPTIONS = ["-std=c++20", "-O3", "-fwrapv", "-fPIC", "-shared", "-w"]
_X86 = ("x86_64", "AMD64")


def build() -> Path:
    """The library for this machine's processor; it is compiled if the cache does not have it.

    Raises
    ------
    ToolError : there is no C++ compiler, it fails, or the cache cannot be written.
    """
    options = [*_OPTIONS, "-march=native"] if platform.machine() in _X86 else _OPTIONS
    program = compiler()
    folder = cache_folder() / "fast"
    final = folder / f"{_digest([program, *options, _processor()])}.so"
    if final.is_file():
        return final
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ended_by_signals(), tempfile.TemporaryDirectory(prefix="building-",
                                                             dir=folder) as scratch:
            made = Path(scratch, "fast.so")
            _compile([program, *options, *map(str, _SOURCES), "-o", str(made)])
            os.replace(made, final)         # whoever builds it at the same time makes the same
    except OSError as error:
        raise ToolError(f"cannot write the cache folder {folder}: {error.strerror}; name another "
                        f"one in OPENEIE_CACHE") from error
    return final


def _compile(command: list[str]) -> None:
    (code, output), = run_all([command])
    if code:
        lines = " | ".join(output.strip().splitlines()[:5])
        raise ToolError(f"{command[0]} failed with exit code {code}: {lines}; name another "
                        f"compiler in CXX")


def _digest(words: list[str]) -> str:
    """Of the sources and of all that the library depends on besides them."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in _SOURCES:
        digest.update(b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]


def _processor() -> str:
    """What distinguishes this machine's processor from those that share the cache with it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("flags")), platform.machine())
