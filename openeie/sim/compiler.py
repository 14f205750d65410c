# SPDX-License-Identifier: Apache-2.0
"""The C++ compiler of this machine."""
import os
import platform
import shutil
import subprocess
import sys
from functools import cache

from ..core.errors import ToolError

__all__ = ["compiler", "toolchain_texts"]


def compiler() -> str:
    """Path of the C++ compiler: ``$CXX`` or ``g++``.

    Raises
    ------
    ToolError : it is not on PATH.
    """
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"no C++ compiler {name!r} on PATH: the rtl engine needs one, and fast is "
                        f"much slower without; install g++ (Debian: apt install g++), or name "
                        f"yours in CXX")
    return path


def toolchain_texts() -> list[str]:
    """What tells one machine's libraries from another's that shares its cache: system, machine, C
    library and compiler.

    Raises
    ------
    ToolError : there is no compiler.
    """
    return [sys.platform, platform.machine(), *platform.libc_ver(), _version(compiler())]


@cache
def _version(program: str) -> str:
    """What a compiler says of itself; nothing if it does not run, which building then tells."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
