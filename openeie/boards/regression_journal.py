# SPDX-License-Identifier: Apache-2.0
"""What checks of a board found, and the journal of those that have passed."""
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError, UntrustedError
from ..core.host.files import replace_file
from ..core.host.journal import dump_lines, read_lines

__all__ = ["Journal", "Outcome"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one check found: ``result`` is passed, failed or skipped."""
    name: str
    result: str
    message: str = ""
    seconds: float = 0.0


class Journal:
    """Checks that have passed, a line each (:mod:`openeie.core.host.journal`); without a path, of
    nothing.

    Parameters
    ----------
    owner : everything that an outcome follows from, as text. Another owner's journal is begun
        anew.

    Raises
    ------
    InputError : the file is there and cannot be read.

    Attributes
    ----------
    passed : outcomes by the checks' names.
    dropped : damaged lines.
    """
    def __init__(self, path: Path | None, owner: str) -> None:
        self._path, self._owner = path, owner
        self.passed: dict[str, Outcome] = {}
        self.dropped = 0
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            lines = read_lines(path, self._owner)
        except UntrustedError as error:
            raise InputError(f"cannot read the journal {error}; move it away") from error
        if lines.ours:
            outcomes = [_outcome(line) for line in lines.values]
            self.passed = {one.name: one for one in outcomes if one is not None}
            self.dropped = lines.dropped + outcomes.count(None)

    def add(self, outcome: Outcome) -> None:
        """Keep it, whatever happens next.

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
    """The outcome that :func:`dataclasses.asdict` made such fields of."""
    try:
        outcome = Outcome(**fields)
    except TypeError:
        return None
    texts = (outcome.name, outcome.message)
    sound = outcome.result == "passed" and all(isinstance(one, str) for one in texts) \
        and isinstance(outcome.seconds, (int, float))
    return outcome if sound else None
