# SPDX-License-Identifier: Apache-2.0
"""Journals: files of JSON lines, each with a check that says what it is and whose it is.

A line is believed only if its SHA-256 over the owner and its own text is right, so that a changed
digit, and a line of another journal, are seen. Swapped or doubled lines are the same lines.
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

#: Larger journals are refused unread.
_MOST_BYTES = 1 << 30
_LINE = re.compile(rb'\{"check": "([0-9a-f]{16})", "line": (.*)\}', re.DOTALL)


@dataclass(frozen=True)
class Lines:
    """What a journal holds.

    Attributes
    ----------
    ours : whether it is the owner's: a line of it checks, or it is empty.
    values : of the lines that check, without the first.
    dropped : how many lines do not; one without an end, as a killed process leaves, is not counted.
    """
    ours: bool
    values: list[Any]
    dropped: int


def _check(owner: str, text: bytes) -> str:
    """64 bits, hex: damage is not seen once in 1.8e19 times."""
    return hashlib.sha256(owner.encode() + b"\0" + text).hexdigest()[:16]


def dump_line(owner: str, value: Any) -> str:
    """A line of the owner's journal, with its end."""
    text = json.dumps(value)
    return f'{{"check": "{_check(owner, text.encode())}", "line": {text}}}\n'


def dump_lines(owner: str, values: Iterable[Any]) -> str:
    """A whole journal: a first line that names its owner, and one for each value."""
    return "".join(dump_line(owner, value) for value in ({"owner": owner}, *values))


def read_lines(path: Path, owner: str) -> Lines:
    """The lines of a journal that check; none if there is no file.

    A journal whose first line is damaged is still the owner's if another line is.

    Raises
    ------
    UntrustedError : the file cannot be read, or is no regular one, or has more than 1 GiB.
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
    last = _read_line(owner, rest)              # whole, but for its end; or torn
    found += [last] if last is not None else []
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
    match = _LINE.fullmatch(line)
    if match is None or match[1].decode() != _check(owner, match[2]):
        return None
    try:
        return (parse_json(match[2], "line"),)
    except UntrustedError:                      # a number that is not finite
        return None


def damage_text(dropped: int, done: str) -> str:
    """What to tell a person of lines that were dropped; what was in them is ``done`` again."""
    lines, them = ("a damaged line", "it") if dropped == 1 else (f"{dropped:,} damaged lines",
                                                                 "them")
    return f"the journal had {lines}, now dropped; what was in {them} is {done} again"
