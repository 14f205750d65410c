# SPDX-License-Identifier: Apache-2.0
"""The journal of a sweep: finished points are appended to a file and synced at once, so that none
is lost."""
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...core.errors import InputError
from ...core.host.files import is_stream, remove_file, replace_file
from ...core.host.journal import dump_line, dump_lines, read_journal

__all__ = ["SweepJournal", "open_journal"]

#: Rows by the numbers of their points.
Rows = list[tuple[int, dict[str, Any]]]
#: Whether a row that was read is one of the sweep's.
Valid = Callable[[int, dict[str, Any]], bool]


class SweepJournal:
    """A file of rows after a first line that names their owner; every line has a checksum
    (:mod:`openeie.core.host.journal`).

    Attributes
    ----------
    rows : of the finished points, by their numbers.
    dropped : number of damaged lines; their points are computed again.
    """

    def __init__(self, path: Path | None, owner: str, valid: Valid) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.dropped = 0
        self._path = path
        self._owner = owner
        self._valid = valid
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        lines = read_journal(path, self._owner)
        if not lines.ours:
            raise InputError(f"{path} has the points of another sweep, of networks that have "
                             f"changed since, or of another version; choose another folder with "
                             f"-o, or give these up with --restart")
        self.dropped = lines.dropped
        for line in lines.values:
            try:
                rows = {number: row for number, row in line if self._valid(number, row)}
            except (ValueError, TypeError):     # the checksum is right, but it holds no points
                self.dropped += 1
                continue
            self.rows |= rows

    def start(self) -> None:
        """Rewrite the file without its damaged lines."""
        if self._path is not None:
            text = dump_lines(self._owner, ([item] for item in self.rows.items()))
            with _kept(self._path):
                replace_file(self._path, text.encode())

    def add(self, rows: Rows) -> None:
        """Append rows and sync the file.

        Raises
        ------
        InputError : the journal cannot be written.
        """
        self.rows |= dict(rows)
        if self._path is not None:
            with _kept(self._path), open(self._path, "a") as file:
                file.write(dump_line(self._owner, rows))
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Turn an error of the file into one that says that nothing in it is lost."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write the journal {path}: {error.strerror}; what is in it is "
                         f"kept: make room and give the same command again") from error


@contextmanager
def open_journal(path: Path | None, owner: str, valid: Valid, *,
                 restart: bool = False) -> Iterator[SweepJournal]:
    """Open the journal of a sweep; while it is open, no other process can open it.

    Parameters
    ----------
    path : of the file; None: rows are kept in memory only.
    owner : digest of everything that the rows depend on.
    valid : whether a row that was read is one of the sweep's; others are computed again.
    restart : remove what is in the file.

    Raises
    ------
    InputError : the rows belong to another owner, the file cannot be read or written, or another
        process has it open.
    """
    if path is None:
        yield SweepJournal(None, owner, valid)
        return
    if is_stream(path):
        raise InputError(f"{path} is a device or a pipe, which keeps no points; choose another "
                         f"folder with -o")
    lock = FileLock(path.with_suffix(".lock"), blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"another sweep is writing {path}; wait for it, or choose another folder "
                         f"with -o") from None
    except OSError as error:
        raise InputError(f"cannot write the journal {path}: {error.strerror}") from error
    with lock:
        lock.release()          # `with` took it a second time
        if restart:
            remove_file(path)
        journal = SweepJournal(path, owner, valid)
        journal.start()
        yield journal
