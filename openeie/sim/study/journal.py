# SPDX-License-Identifier: Apache-2.0
"""A sweep's finished points on disk: appended and synced as they come, so that none is lost."""
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

Rows = list[tuple[int, dict[str, Any]]]
Valid = Callable[[int, dict[str, Any]], bool]


class SweepJournal:
    """Points as lines of a file behind a first line that says whose they are; every line has its
    own check (:mod:`openeie.core.host.journal`).

    Attributes
    ----------
    rows : of the points that are finished, by their numbers.
    dropped : how many lines were damaged; their points are worked out again.
    """

    def __init__(self, path: Path | None, owner: str, valid: Valid):
        self._path, self._owner, self._valid = path, owner, valid
        self.rows, self.dropped = dict[int, dict[str, Any]](), 0
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
            except (ValueError, TypeError):     # right by its check, and yet no points
                self.dropped += 1
                continue
            self.rows |= rows

    def start(self) -> None:
        """Make the file end in a whole line."""
        if self._path is not None:
            text = dump_lines(self._owner, ([item] for item in self.rows.items()))
            with _kept(self._path):
                replace_file(self._path, text.encode())

    def add(self, rows: Rows) -> None:
        """Keep them, whatever happens next."""
        self.rows |= dict(rows)
        if self._path is not None:
            with _kept(self._path), open(self._path, "a") as file:
                file.write(dump_line(self._owner, rows))
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Say of a journal that cannot be written that nothing in it is lost."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write the journal {path}: {error.strerror}; what is in it is "
                         f"kept: make room and give the same command again") from error


@contextmanager
def open_journal(path: Path | None, owner: str, valid: Valid, *,
                 restart: bool = False) -> Iterator[SweepJournal]:
    """The journal of a sweep, this process's alone while it is open; without a path, of nothing.

    Parameters
    ----------
    owner : what the points in it depend on, as text: a digest.
    valid : whether a row that was read is one of the sweep's; others are worked out again.
    restart : forget what is in it.

    Raises
    ------
    InputError : it has another owner's points, cannot be read or written, or is open already.
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
        lock.release()          # entering took it once more
        if restart:
            remove_file(path)
        journal = SweepJournal(path, owner, valid)
        journal.start()
        yield journal
