# SPDX-License-Identifier: Apache-2.0
"""Input files: a pipe would keep its reader waiting for ever, and a device never end."""
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_regular", "read_regular"]

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def open_regular(path: str | os.PathLike) -> BinaryIO:
    """A regular file, links resolved, opened to be read.

    Raises
    ------
    OSError : it cannot be opened, or is another thing; never a wait for one who writes.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:         # a name with a zero byte
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "a device")
        raise OSError(errno.EINVAL, f"it must be a regular file, and is {kind}", str(path))
    return Path(path).open("rb")


def read_regular(path: str | os.PathLike, most: int) -> bytes:
    """The bytes of a regular file that has no more than ``most``.

    Raises
    ------
    OSError : as :func:`open_regular`, or it is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most else file.read(most + 1)      # it may grow meanwhile
    if max(size, len(data)) > most:
        raise OSError(errno.EFBIG, f"it has more than the {most:,} bytes that are read", str(path))
    return data
