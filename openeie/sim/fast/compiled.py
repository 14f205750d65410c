# SPDX-License-Identifier: Apache-2.0
"""Numba's compiler as this package uses it, with its cache in the folder of all our caches."""
from collections.abc import Callable
from typing import Any, TypeVar

import numba

from ...core.errors import ToolError
from ...core.host.cache import cache_folder

__all__ = ["compiled"]

# Numba's own types do not say that a compiled function is called like the original.
_config: Any = numba.config
_njit: Any = numba.njit
#: Numba's index files name the modules of our types, and fail to load when one has moved: since
#: then the folder has another name.
_FOLDER = "numba-2"
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Decorator: compile ``function`` to machine code, once, and keep that on disk.

    If it cannot be kept, it is compiled in every process. Numba reads its setting for the folder
    when a function is decorated; the setting is restored afterwards, so the user's own functions
    stay where they were. ``$NUMBA_CACHE_DIR`` comes first if it is set.
    """
    users = _config.CACHE_DIR
    try:
        _config.CACHE_DIR = users or str(cache_folder() / _FOLDER)
        return _njit(cache=True, nogil=True)(function)
    except (ToolError, RuntimeError):   # no folder can be written, or not the one the user named
        return _njit(nogil=True)(function)
    finally:
        _config.CACHE_DIR = users
