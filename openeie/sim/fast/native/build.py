# SPDX-License-Identifier: Apache-2.0
"""Compiles the C++ files of this folder to a shared library, once, and keeps it in the cache."""
import platform
from pathlib import Path

from ....core.errors import ToolError
from ...build_cache import cached_folder
from ...compiler import compiler, toolchain_texts
from ...processes import run_all

__all__ = ["build"]

_SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
# -fwrapv: 32-bit cycles that do not suffice wrap around, which is noticed afterwards.
_OPTIONS = ["-std=c++20", "-O3", "-fwrapv", "-fPIC", "-shared", "-w"]
_LIBRARY = "fast.so"


def build() -> Path:
    """The library for this machine's processor; it is compiled if the cache does not have it.

    Raises
    ------
    ToolError : there is no C++ compiler, it fails, or the cache cannot be written.
    """
    program = compiler()
    flags = _processor_flags()
    options = [*_OPTIONS, "-march=native"] if flags else _OPTIONS
    texts = [path.read_text() for path in _SOURCES]

    def make(folder: Path) -> None:
        _compile([program, *options, *map(str, _SOURCES), "-o", str(folder / _LIBRARY)])
    return cached_folder("fast", [*texts, *options, flags, *toolchain_texts()], make) / _LIBRARY


def _compile(command: list[str]) -> None:
    (code, output), = run_all([command])
    if code:
        lines = " | ".join(output.strip().splitlines()[:5])
        raise ToolError(f"{command[0]} failed with exit code {code}: {lines}; name another "
                        f"compiler in CXX")


def _processor_flags() -> str:
    """What this machine's processor can do, by which builds of others in the same cache are told
    apart; empty if that is not known, or is the same for all of its kind."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")
