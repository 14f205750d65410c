# SPDX-License-Identifier: Apache-2.0
"""Files of numpy arrays that a user brings, ``.npy`` and ``.npz``. numpy only."""
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.errors import InputError

__all__ = ["read_arrays"]

# What numpy, zipfile and zlib raise for a file that is truncated, damaged or another thing.
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, MemoryError, SyntaxError, LookupError,
               tokenize.TokenError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: str | Path, what: str,
                names: Sequence[str] | None = None) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an ``.npy`` file, or those of an ``.npz`` file's arrays that are in ``names``,
    or all.

    Parameters
    ----------
    what : the file should hold, for messages.
    names : the first one must be there.

    Raises
    ------
    InputError : the file cannot be read, or lacks the first array.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded as file:
            there = list(file.files)
            arrays = {name: file[name] for name in there
                      if names is None or name in names}
    except _UNREADABLE as error:
        raise InputError(f"cannot read {what} from {path}: {error}") from error
    if names and names[0] not in arrays:
        raise InputError(f"{path} has no array {names[0]!r}; it has: "
                         f"{', '.join(there) or 'nothing'}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):       # numpy gives other files of an archive as bytes
            raise InputError(f"cannot read {what} from {path}: {name!r} is no array")
    return arrays
