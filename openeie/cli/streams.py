# SPDX-License-Identifier: Apache-2.0
"""Standard output that may be closed, full, or read by someone who goes away."""
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["BROKEN_PIPE", "guarded_streams", "is_stdout", "write_stdout"]

#: Exit code where the reader of standard output has gone, as of a program that SIGPIPE ends.
BROKEN_PIPE = 128 + 13


class _StdoutError(Exception):
    """Standard output takes no more; of no verb's own, so that none handles it."""


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Whatever fails on standard output ends the block in one line and exit code 2, not in a
    traceback; without a line where the reader of a pipe has gone. Standard error never fails."""
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
    """Whether it means standard output: ``-``, or a name of the system's for it."""
    return path is not None and str(path) in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def write_stdout(data: bytes) -> None:
    """Write bytes behind what has been printed."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(data)
    else:                                       # redirected in this process, into a text
        sys.stdout.write(data.decode())
    sys.stdout.flush()


def _open_closed() -> None:
    """Open what was closed when the program began, so that no file of ours takes its number:
    nothing can be read there, and on standard output nothing be written."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)           # takes the lowest number that is free: this one


def _guarded(number: int, old: io.TextIOWrapper | None) -> io.TextIOWrapper:
    """A text stream on a descriptor, with the encoding of the one it replaces."""
    if old is not None:
        old.flush()
    buffer = io.BufferedWriter(_Guarded(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=old.encoding if old else "utf-8",
                            errors=old.errors if old else "backslashreplace",
                            line_buffering=number == 2 or os.isatty(number))


class _Guarded(io.FileIO):
    """A descriptor whose failures say that they are those of a standard stream."""
    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError as error:
            number = self.fileno()
            # Python flushes once more when it ends, and it may not fail again.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
            if isinstance(error, BrokenPipeError):
                sys.exit(BROKEN_PIPE)
            if number == 2:
                return len(data)
            what = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise _StdoutError(what) from error
