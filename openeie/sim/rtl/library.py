# SPDX-License-Identifier: Apache-2.0
"""A shared library that was built here, with the types of its C functions."""
import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import ToolError

__all__ = ["BYTES", "INT", "POINTER", "U32", "U64", "load_library"]

#: Types of arguments and results; a pointer is to a simulation, or to memory of numpy's.
POINTER = ctypes.c_void_p
U32 = ctypes.c_uint32
U64 = ctypes.c_uint64
INT = ctypes.c_int
BYTES = ctypes.c_char_p


def load_library(folder: Path, functions: Mapping[str, tuple[Any, ...]]) -> ctypes.CDLL:
    """The library ``folder/array.so``, as :func:`~.toolchain.build_library` leaves it.

    Parameters
    ----------
    functions : of each function, named without its ``openeie_``, the type of the result (None if
        it has none) and of each argument. Without them ctypes would cut pointers to 32 bits.

    Raises
    ------
    ToolError : it cannot be loaded.
    AttributeError : it has no function of this name.
    """
    path = folder / "array.so"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"cannot load the array's library: {error}; remove {folder}, and it is "
                        f"built again") from error
    for name, (result, *arguments) in functions.items():
        function = getattr(library, f"openeie_{name}")
        function.restype = result
        function.argtypes = arguments
    return library
