# SPDX-License-Identifier: Apache-2.0
"""Journals: files of JSON lines, each with a check of its text and its owner.

A line is accepted only if its SHA-256 over the owner and its own text is right. So a changed digit
is noticed, and so is a line of another journal. Swapped or repeated lines are not.
"""
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, UntrustedError
from .untrusted import parse_json, read_regular

__all__ = ["Lines", "dump_line", "dump_lines", "read_lines", "read_journal", "damage_text"]

#: Larger journals are refused without reading them.
_MOST_BYTES = 1 << 30
_LINE = re.compile(rb'\{"check": "([0-9a-f]{16})", "line": (.*)\}', re.DOTALL)


@dataclass(frozen=True)
class Lines:
    """Contents of a journal.

    Attributes
    ----------
    ours : whether it is the owner's: one of its lines has the right check, or it is empty.
    values : of the lines with the right check, without the first line.
    dropped : number of lines with a wrong check. A last line without a line end, as a killed
        process leaves it, is not counted.
    """
    ours: bool
    values: list[Any]
    dropped: int


def _check(owner: str, text: bytes) -> str:
    """64 bits, hex: one in 1.8e19 damaged lines goes unnoticed."""
    return hashlib.sha256(owner.encode() + b"\0" + text).hexdigest()[:16]


def dump_line(owner: str, value: Any) -> str:
    """A line of the owner's journal, with its line end."""
    text = json.dumps(value)
    return f'{{"check": "{_check(owner, text.encode())}", "line": {text}}}\n'


def dump_lines(owner: str, values: Iterable[Any]) -> str:
    """A whole journal: a first line that names the owner, and one line for each value."""
    return "".join(dump_line(owner, value) for value in ({"owner": owner}, *values))


def read_lines(path: Path, owner: str) -> Lines:
    """The lines of a journal with the right check; none if there is no file.

    A journal whose first line is damaged is still the owner's if another line is.

    Raises
    ------
    UntrustedError : the file cannot be read, is not a regular file, or has more than 1 GiB.
    """
    try:
        data = read_regular(path, _MOST_BYTES)
    except UntrustedError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        data = b""
    head = dump_line(owner, {"owner": owner}).encode()
    *lines, rest = data.split(b"\n")
    found = [_read_line(owner, line) for line in lines]
    last = _read_line(owner, rest)              # complete but for its line end, or torn
    if last is not None:
        found.append(last)
    values = [value[0] for value in found if value is not None]
    return Lines(ours=bool(values) or head.startswith(data),
                 values=[value for value in values if value != {"owner": owner}],
                 dropped=found.count(None))


def read_journal(path: Path, owner: str) -> Lines:
    """The lines of a journal that a command continues; as :func:`read_lines`.

    Raises
    ------
    InputError : the file cannot be read; the message tells the user to move it away.
    """
    try:
        return read_lines(path, owner)
    except UntrustedError as error:
        raise InputError(f"cannot read the journal {error}; move it away") from error


def _read_line(owner: str, line: bytes) -> tuple[Any] | None:
    """The value of a line, in a tuple because it may be None; None if the check is wrong."""
    match = _LINE.fullmatch(line)
    if match is None or match[1].decode() != _check(owner, match[2]):
        return None
    try:
        return (parse_json(match[2], "line"),)
    except UntrustedError:                      # a number that is not finite
        return None


def damage_text(dropped: int, done: str) -> str:
    """Message about damaged lines that were dropped; what was in them is ``done`` again."""
    if dropped == 1:
        return f"the journal had a damaged line, now dropped; what was in it is {done} again"
    return (f"the journal had {dropped:,} damaged lines, now dropped; what was in them is "
            f"{done} again")
