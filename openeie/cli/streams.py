# SPDX-License-Identifier: Apache-2.0
"""Standard output that may be closed or full, or whose reader may end early."""
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["BROKEN_PIPE", "guarded_streams", "is_stdout", "write_stdout"]

#: Exit code if the reader of standard output has ended: that of a program ended by SIGPIPE.
BROKEN_PIPE = 128 + 13


class _StdoutError(Exception):
    """Standard output cannot be written. Of its own class, so that no verb catches it."""


@contextmanager
def guarded_streams() -> Iterator[None]:
    """End the block with one line and exit code 2 if standard output cannot be written.

    If the reader of a pipe has ended, the exit code is :data:`BROKEN_PIPE`, without a line.
    Errors of standard error are ignored.
    """
    _open_closed()
    if sys.stdout in (None, sys.__stdout__):
        sys.stdout = _guarded(1, sys.__stdout__)
    if sys.stderr in (None, sys.__stderr__):
        sys.stderr = _guarded(2, sys.__stderr__)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except _StdoutError as error:
        print(f"error: cannot write standard output: {error}", file=sys.stderr)
        sys.exit(2)


def is_stdout(path: Path | None) -> bool:
    """True if a path means standard output: ``-``, or one of the system's names for it."""
    return path is not None and str(path) in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def write_stdout(data: bytes) -> None:
    """Write bytes to standard output, after the text printed so far."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(data)
    else:                                       # redirected to a text stream in this process
        sys.stdout.write(data.decode())
    sys.stdout.flush()


def _open_closed() -> None:
    """Open standard streams that were closed at the start, so that no other file gets their
    descriptors. They cannot be read, and standard output cannot be written."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)           # gets the lowest free number, which is this one


def _guarded(number: int, old: io.TextIOWrapper | None) -> io.TextIOWrapper:
    """A text stream on a descriptor, with the encoding of the one it replaces."""
    encoding = "utf-8"
    errors = "backslashreplace"
    if old is not None:
        old.flush()
        encoding = old.encoding
        errors = old.errors
    buffer = io.BufferedWriter(_Guarded(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=encoding, errors=errors,
                            line_buffering=number == 2 or os.isatty(number))


class _Guarded(io.FileIO):
    """A standard stream's descriptor; errors end the program as :func:`guarded_streams` says."""
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            number = self.fileno()
            # Python flushes again when it ends, which must not fail.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
            if isinstance(error, BrokenPipeError):
                sys.exit(BROKEN_PIPE)
            if number == 2:
                return len(data)
            what = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise _StdoutError(what) from error
