# SPDX-License-Identifier: Apache-2.0
"""numba's compiler as this package uses it, with its cache in the folder of all our caches."""
from collections.abc import Callable
from typing import Any, TypeVar

import numba

from ...core.errors import ToolError
from ...core.host.cache import cache_folder

__all__ = ["compiled"]

# numba's own types do not say that what it returns is called like the function.
_config: Any = numba.config
_njit: Any = numba.njit
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Decorator: ``function`` in machine code, which is compiled once and kept.

    numba asks where to keep it when a function is decorated. ``$NUMBA_CACHE_DIR`` is the user's to
    set, and where functions of their own are kept does not change.
    """
    theirs = _config.CACHE_DIR
    try:
        _config.CACHE_DIR = theirs or str(cache_folder() / "numba")
        return _njit(cache=True, nogil=True)(function)
    except (ToolError, RuntimeError):   # no room for any file, or not where the user wants them
        return _njit(nogil=True)(function)
    finally:
        _config.CACHE_DIR = theirs
