# SPDX-License-Identifier: Apache-2.0
"""The compiled loops as functions of Python, or None where they cannot be compiled."""
import ctypes
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....core.errors import ToolError
from .build import build

__all__ = ["library"]


class _Array:
    """A parameter that is an array of one type, in one piece; None is a null pointer."""

    def __init__(self, *dtypes: Any) -> None:
        self.dtypes = tuple(map(np.dtype, dtypes))

    def from_param(self, array: np.ndarray | None) -> ctypes.c_void_p:
        """What ctypes passes; it keeps the array itself alive until the function returns."""
        if array is None:
            return ctypes.c_void_p()
        if not array.flags.c_contiguous or array.dtype not in self.dtypes:
            raise TypeError(f"an array of {array.dtype} with strides {array.strides} is not one "
                            f"piece of {self.dtypes}")
        return ctypes.c_void_p(array.__array_interface__["data"][0])


_BOOL = _Array(np.bool_)
_I16 = _Array(np.int16)
_I32 = _Array(np.int32)
_I64 = _Array(np.int64)
_U32 = _Array(np.uint32)
_U64 = _Array(np.uint64)
_ROWS = _Array(np.uint16, np.int32)
_INT = ctypes.c_int64
_FLAG = ctypes.c_int

#: The result of each function, without its ``openeie_``, and its arguments.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "items": (_INT, _BOOL, _INT, _INT, _I32),
    "launches": (_FLAG, _I32, _INT, _INT, _I32, _I32, _INT, _INT, _INT, _I64, _I64, _U64, _FLAG,
                 _I64, _I64),
    "count_words": (_INT, _U64, _INT, _U32, _INT, _INT, _I16, _I64, _I32, _I32),
    "fill_words": (None, _U64, _INT, _U32, _INT, _INT, _I16, _I64, _FLAG, _ROWS, _I16),
    "accumulate": (None, _I32, _INT, _I32, _INT, _I64, _ROWS, _FLAG, _I16, _I64, _INT),
    "occupancy": (None, _I64, _I32, _INT, _INT, _INT, _I32, _I32),
    "words": (_INT, _I32, _INT, _I32, _INT, _INT),
    "authors": (_INT, _I32, _INT, _I32, _INT, _INT),
}


def _loaded(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"cannot load {path}: {error}; remove {path.parent}, and it is compiled "
                        f"again") from error


@cache
def library() -> SimpleNamespace | None:
    """The compiled loops by name; None, with one warning, if they cannot be compiled or loaded."""
    try:
        loaded = _loaded(build())
    except ToolError as error:
        print(f"warning: the engine fast runs in NumPy, many times slower: {error}",
              file=sys.stderr)
        return None
    functions = SimpleNamespace()
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(loaded, f"openeie_{name}")
        function.restype = result
        function.argtypes = arguments
        setattr(functions, name, function)
    return functions
