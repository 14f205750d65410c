# SPDX-License-Identifier: Apache-2.0
"""The C++ compiler of this machine."""
import os
import shutil

from ..core.errors import ToolError

__all__ = ["compiler"]


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
