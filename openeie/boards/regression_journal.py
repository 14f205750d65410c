# SPDX-License-Identifier: Apache-2.0
"""Results of a board's checks, and the journal of those that have passed."""
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.host.files import replace_file
from ..core.host.journal import dump_lines, read_journal

__all__ = ["RegressionJournal", "Outcome"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of one check.

    Attributes
    ----------
    name : the check's name.
    result : ``passed``, ``failed`` or ``skipped``.
    message : what was checked, or why it failed or was skipped.
    seconds : duration.
    """
    name: str
    result: str
    message: str = ""
    seconds: float = 0.0


class RegressionJournal:
    """Checks that have passed, one line each (:mod:`openeie.core.host.journal`).

    Parameters
    ----------
    path : the file; None keeps nothing.
    owner : text with everything that an outcome depends on. A journal of another owner is
        overwritten.

    Raises
    ------
    InputError : the file exists and cannot be read.

    Attributes
    ----------
    passed : outcomes under the names of the checks.
    dropped : number of damaged lines.
    """
    def __init__(self, path: Path | None, owner: str) -> None:
        self._path = path
        self._owner = owner
        self.passed: dict[str, Outcome] = {}
        self.dropped = 0
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        lines = read_journal(path, self._owner)
        if lines.ours:
            outcomes = [_outcome(line) for line in lines.values]
            self.passed = {one.name: one for one in outcomes if one is not None}
            self.dropped = lines.dropped + outcomes.count(None)

    def add(self, outcome: Outcome) -> None:
        """Write the outcome to the file at once.

        Raises
        ------
        InputError : the file cannot be written.
        """
        self.passed[outcome.name] = outcome
        if self._path is None:
            return

        text = dump_lines(self._owner, map(asdict, self.passed.values()))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, text.encode())
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror}") from error


def _outcome(fields: Any) -> Outcome | None:
    """The outcome with these fields; None if they are not those of a passed check."""
    try:
        outcome = Outcome(**fields)
    except TypeError:
        return None
    texts = (outcome.name, outcome.message)
    sound = outcome.result == "passed" and all(isinstance(one, str) for one in texts) \
        and isinstance(outcome.seconds, (int, float))
    return outcome if sound else None
