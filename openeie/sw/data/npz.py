# SPDX-License-Identifier: Apache-2.0
"""The one reader of numpy files that a user brings, ``.npy`` and ``.npz``. Needs numpy only."""
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

__all__ = ["Archive", "open_archive", "read_arrays", "read_named"]

# What numpy, zipfile and zlib raise for a file that is truncated, damaged or of another kind.
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, MemoryError, SyntaxError, LookupError,
               TypeError, OverflowError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)
_MOST_MEMBERS = 10_000
#: The largest expansion that deflate allows.
_MOST_INFLATED = 1032
#: Signature of the record at the end of a zip file.
_END = b"PK\5\6"
#: Most bytes from that signature to the end of the file.
_MOST_END = 22 + (1 << 16)
#: Bytes of the two records before it in a zip64 file.
_ZIP64_BYTES = 56 + 20
#: The npy version read; later ones, for arrays of named fields, have headers of any length.
_VERSION = (1, 0)
_SUFFIX = ".npy"


def read_arrays(path: str | Path, what: str,
                names: Sequence[str] | None = None) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an ``.npy`` file, or arrays of an ``.npz`` file by name.

    Nothing is unpickled, and memory is allocated only after headers and sizes agree.

    Parameters
    ----------
    what : what the file should hold, for messages.
    names : arrays to read from an ``.npz``, all if None. The first must be there, the others are
        optional.

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


def read_named(path: str | Path, what: str,
               names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` file by name; parameters as of :func:`read_arrays`.

    Raises
    ------
    InputError : the file cannot be read, is an ``.npy`` file, or lacks the first array.
    """
    arrays = read_arrays(path, what, names)
    if isinstance(arrays, np.ndarray):
        needed = f"with an array {names[0]!r}" if names else "of several arrays"
        raise InputError(f"{path} must be an .npz {needed}, not one array")
    return arrays


class Archive:
    """An open ``.npz`` file; made by :func:`open_archive`.

    Attributes
    ----------
    names : names of its arrays.

    Raises
    ------
    ValueError : too many arrays, two of the same name, or a list of arrays that is damaged.
    """
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        members = file.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"it has {len(members):,} members; at most {_MOST_MEMBERS:,} are "
                             f"read")
        self._members = {member.filename.removesuffix(_SUFFIX): member for member in members}
        if len(self._members) < len(members):
            raise ValueError("each of its arrays must have its own name")
        promised = _promised_members(file.fp)
        if len(members) != promised:
            raise ValueError(f"its last record promises {promised:,} arrays, and "
                             f"{len(members):,} are listed")
        # Opening compares the listed name with the one stored beside the bytes.
        for member in members:
            file.open(member).close()
        self.names = tuple(self._members)

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and type of an array; its values are not read."""
        with self._open(name) as file:
            return _header(file)

    def read(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The arrays called ``names``.

        Raises
        ------
        ValueError : an array is damaged, or together they exceed this machine's memory.
        """
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
        """A member's bytes; errors name the array."""
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
    """An ``.npz`` file, open inside the ``with`` block; ``what`` it should hold, for messages.

    Raises
    ------
    InputError : the file cannot be read, when it is opened or later inside the block.
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
    except InputError:                  # raised by the caller's code inside the block
        raise
    except _UNREADABLE as error:
        raise InputError(f"cannot read {what} from {path}: {_reason(error)}") from error


def _promised_members(file: IO[bytes]) -> int:
    """How many members the last record of a zip file promises.

    zipfile ignores this number, so a damaged length in the list of members would silently hide
    the members behind it.
    """
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
    """Shape and type of the array that begins here; leaves the file at the array's values."""
    version = npy.read_magic(file)
    if version != _VERSION:
        raise ValueError(f"its npy format must be 1.0, as numpy.save writes numbers, "
                         f"not {version[0]}.{version[1]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # numpy warns of old and damaged type names
        shape, _, dtype = npy.read_array_header_1_0(file)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"it must hold numbers, not {dtype}")
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape must not be negative, {list(shape)}")
    return shape, dtype


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """The one array of a file of ``size`` bytes; memory is allocated once they fit its header."""
    shape, dtype = _header(file)
    promised = file.tell() + math.prod(shape) * dtype.itemsize
    if promised != size:
        raise ValueError(f"its header, {dtype} {list(shape)}, needs {promised:,} bytes in all, "
                         f"and there are {size:,}")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return npy.read_array(file, allow_pickle=False)
