# SPDX-License-Identifier: Apache-2.0
"""Files of numpy arrays that a user brings, ``.npy`` and ``.npz``: every one is read here. numpy
only."""
import math
import os
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ...core.errors import InputError, UntrustedError
from ...core.host.untrusted import check_regular
from ..host_memory import memory_bytes

__all__ = ["Archive", "open_archive", "read_arrays"]

# What numpy, zipfile and zlib raise for a file that is truncated, damaged or another thing.
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, MemoryError, SyntaxError, LookupError,
               TypeError, OverflowError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)
_MOST_MEMBERS = 10_000
#: Bytes that one byte of a deflated stream can become, at most.
_MOST_INFLATED = 1032
#: Signature of the record that ends a zip file, and most bytes from there to the file's end.
_END = b"PK\5\6"
_MOST_END = 22 + (1 << 16)
#: Bytes of the two records before it in a zip64 file.
_ZIP64_BYTES = 56 + 20
#: Later ones, for arrays of named fields, have headers of any length.
_VERSION = (1, 0)
_SUFFIX = ".npy"


def read_arrays(path: str | Path, what: str,
                names: Sequence[str] | None = None) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an ``.npy`` file, or those of an ``.npz`` file's arrays that are in ``names``,
    or all. Nothing is unpickled, and no memory taken before headers and sizes fit each other.

    Parameters
    ----------
    what : the file should hold, for messages.
    names : the first one must be there.

    Raises
    ------
    InputError : the file cannot be read, or lacks the first array.
    """
    with _one_error(path, what), _regular(path) as file:
        if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            file.seek(0)
            return _array(file, os.fstat(file.fileno()).st_size)
    with open_archive(path, what) as archive:
        if names and names[0] not in archive.names:
            raise InputError(f"{path} has no array {names[0]!r}; it has: "
                             f"{', '.join(archive.names) or 'nothing'}")
        return archive.read([name for name in archive.names if names is None or name in names])


class Archive:
    """An ``.npz`` file that is open, as :func:`open_archive` gives it.

    Attributes
    ----------
    names : of its arrays.
    """
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        members = file.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"it has {len(members):,} members; at most {_MOST_MEMBERS:,} are "
                             f"taken")
        self._members = {member.filename.removesuffix(_SUFFIX): member for member in members}
        if len(self._members) < len(members):
            raise ValueError("each of its arrays must have a name of its own")
        promised = _promised_members(file.fp)
        if len(members) != promised:
            raise ValueError(f"its last record promises {promised:,} arrays, and "
                             f"{len(members):,} are listed")
        for member in members:          # a damaged name differs from the one beside the bytes
            file.open(member).close()
        self.names = tuple(self._members)

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and type of an array, of which nothing else is read."""
        with self._open(name) as file:
            return _header(file)

    def read(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some of the arrays, by name."""
        size = sum(self._members[name].file_size for name in names)
        if size > memory_bytes():
            raise ValueError(f"its arrays take {size:,} bytes, more than the {memory_bytes():,} "
                             f"of this machine's memory")
        arrays = {}
        for name in names:
            with self._open(name) as file:
                arrays[name] = _array(file, self._members[name].file_size)
        return arrays

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        """A member's bytes; what is wrong with them is told with its name."""
        member = self._members[name]
        try:
            if not member.filename.endswith(_SUFFIX):
                raise ValueError("it is no array")
            if member.file_size > _MOST_INFLATED * (member.compress_size + 1):
                raise ValueError(f"{member.compress_size:,} bytes cannot become "
                                 f"{member.file_size:,}")
            with self._file.open(member) as file:
                yield file
        except _UNREADABLE as error:
            raise ValueError(f"array {name!r}: {_reason(error)}") from error


@contextmanager
def open_archive(path: str | Path, what: str) -> Iterator[Archive]:
    """An ``.npz`` file, of which arrays are read while it is open.

    Raises
    ------
    InputError : the file cannot be read, now or then.
    """
    with _one_error(path, what), _regular(path) as file, zipfile.ZipFile(file) as members:
        yield Archive(members)


def _regular(path: str | Path) -> IO[bytes]:
    check_regular(path)
    return Path(path).open("rb")


@contextmanager
def _one_error(path: str | Path, what: str) -> Iterator[None]:
    try:
        yield
    except UntrustedError as error:
        raise InputError(f"cannot read {what} from {path}: {error.reason}") from error
    except InputError:                  # of one who reads from an open file
        raise
    except _UNREADABLE as error:
        raise InputError(f"cannot read {what} from {path}: {_reason(error)}") from error


def _promised_members(file: IO[bytes]) -> int:
    """How many members the last record of a zip file promises. zipfile does not look at it, and a
    damaged length in the list of members hides those that follow."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_END - _ZIP64_BYTES))
    tail = file.read()
    at = tail.rfind(_END)
    count = int.from_bytes(tail[at + 10:at + 12], "little")
    if count < 0xffff:
        return count
    return int.from_bytes(tail[at - 44:at - 36], "little")      # of the zip64 record before it


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array that begins here; the file then stands at its values."""
    version = npy.read_magic(file)
    if version != _VERSION:
        raise ValueError(f"its npy format must be 1.0, as numpy.save writes numbers, "
                         f"not {version[0]}.{version[1]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # of numpy about old and damaged type names
        shape, _, dtype = npy.read_array_header_1_0(file)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"it must hold numbers, not {dtype}")
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape must not be negative, {list(shape)}")
    return shape, dtype


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """The one array of a file of ``size`` bytes; memory is taken once they fit its header."""
    shape, dtype = _header(file)
    promised = file.tell() + math.prod(shape) * dtype.itemsize
    if promised != size:
        raise ValueError(f"its header, {dtype} {list(shape)}, needs {promised:,} bytes in all, "
                         f"and there are {size:,}")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return npy.read_array(file, allow_pickle=False)
