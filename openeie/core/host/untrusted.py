# SPDX-License-Identifier: Apache-2.0
"""JSON and TOML that others wrote: read within limits, refused in one way.

Depth is counted before parsing, for the parsers go down a level by calling themselves. What comes
back holds only finite numbers, whole characters and keys that stand once.
"""
import json
import math
import os
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UntrustedError

__all__ = ["Limits", "TOOLS", "parse_json", "parse_toml", "read_json", "read_toml",
           "read_regular", "check_regular"]

#: Digits of an integer: with them, every one is a finite float, too.
_MOST_DIGITS = 300
_SHOWN = 60


@dataclass(frozen=True)
class Limits:
    """What is read at most.

    Attributes
    ----------
    bytes : of the text in UTF-8.
    depth : of lists and tables in each other.
    values : in all of them.
    """
    bytes: int = 1 << 20
    depth: int = 64
    values: int = 1 << 17


_USUAL = Limits()
#: For what the machine's own tools wrote.
TOOLS = Limits(bytes=1 << 29, values=1 << 26)

# A string, which may hold brackets, or what opens and closes a level. An unclosed string ends with
# the text, and nothing in a pattern can fail once it has begun: no place is looked at twice. (That
# needs no possessive groups, of which Python 3.11.2 makes other things than later ones.)
_JSON = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)
# TOML has four kinds of strings, comments, and levels that dots open: a.b.c = 1.
_TOML = re.compile(r'''"""(?:[^"\\]|\\.|"(?!""))*(?:"{3,5})?|\'\'\'(?:(?!\'\'\').)*(?:'{3,5})?'''
                   r'''|"(?:[^"\\\n]|\\[^\n])*"?|'[^'\n]*'?|\#[^\n]*|[\[{\]}.=,\n]''', re.DOTALL)


class _Broken(ValueError):
    """A rule, and the value that breaks it."""


def parse_json(text: str | bytes, source: str, limits: Limits = _USUAL) -> Any:
    """The value in a JSON text.

    Parameters
    ----------
    source : what the text is, for messages: a file's name.

    Raises
    ------
    UntrustedError : it is damaged or beyond the limits, has a number that is not finite, an
        integer of more than 300 digits, half a character, or a key twice.
    """
    def parse(text: str) -> Any:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_finite,
                          parse_float=_finite, parse_int=_integer)
    return _parse(text, source, limits, _JSON, parse)


def parse_toml(text: str | bytes, source: str, limits: Limits = _USUAL) -> dict[str, Any]:
    """The table in a TOML text; parameters and errors as :func:`parse_json`."""
    def parse(text: str) -> Any:
        return tomllib.loads(text, parse_float=_finite)
    return _parse(text, source, limits, _TOML, parse)


def read_json(path: str | Path, limits: Limits = _USUAL) -> Any:
    """The value in a JSON file.

    Raises
    ------
    UntrustedError : as :func:`parse_json` and :func:`read_regular`.
    """
    return parse_json(read_regular(path, limits.bytes), str(path), limits)


def read_toml(path: str | Path, limits: Limits = _USUAL) -> dict[str, Any]:
    """The table in a TOML file; errors as :func:`read_json`."""
    return parse_toml(read_regular(path, limits.bytes), str(path), limits)


def read_regular(path: str | os.PathLike, most: int) -> bytes:
    """The bytes of a regular file; a pipe or device, which may never end, is not even opened.

    Raises
    ------
    UntrustedError : it cannot be read, is of another kind, or has more than ``most`` bytes;
        the cause is the OSError if there is one.
    """
    try:
        check_regular(path)
        # Should a pipe have taken the file's place since, opening it does not wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            _check_kind(path, status.st_mode)
            data = file.read(min(status.st_size, most) + 1)     # as much memory is taken
    except UntrustedError:
        raise
    except OSError as error:
        raise UntrustedError(str(path), error.strerror or str(error)) from error
    except ValueError as error:                         # a zero byte in the name
        raise UntrustedError(repr(str(path)), str(error)) from error
    if len(data) > most:
        raise UntrustedError(str(path), f"it has more than the {most:,} bytes that are read")
    return data


def check_regular(path: str | os.PathLike) -> None:
    """Refuse what is no regular file before a library opens it.

    Raises
    ------
    UntrustedError, OSError
    """
    _check_kind(path, os.stat(path).st_mode)


def _check_kind(path: str | os.PathLike, mode: int) -> None:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device",
             stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
    if not stat.S_ISREG(mode):
        raise UntrustedError(str(path), "it must be a regular file",
                             kinds.get(stat.S_IFMT(mode), "something else"))


def _parse(text: str | bytes, source: str, limits: Limits, tokens: re.Pattern,
           parse: Callable[[str], Any]) -> Any:
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > limits.bytes:
            raise _Broken(f"it has {len(data):,} bytes, and {limits.bytes:,} are read")
        text = data.decode()
        _check_depth(text, tokens, limits.depth)
        value = parse(text)
        _check_values(value, limits)
    except _Broken as error:
        raise UntrustedError(source, *error.args) from None
    except UnicodeError as error:
        raise UntrustedError(source, f"it is no text in UTF-8: {error}") from error
    except RecursionError as error:     # the caller is deep itself
        raise UntrustedError(source, "it is nested too deeply") from error
    except ValueError as error:
        if "integer string conversion" in str(error):   # of TOML; JSON's are looked at first
            raise UntrustedError(source, f"an integer may have {_MOST_DIGITS} digits",
                                 "thousands") from error
        raise UntrustedError(source, str(error)) from error
    return value


def _check_depth(text: str, tokens: re.Pattern, most: int) -> None:
    depth = dots = 0
    for token in tokens.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth = max(depth - 1, 0)
        if mark not in "\"'":           # quoted keys stand between dots, too
            dots = dots + 1 if mark == "." else 0
        if max(depth, dots) > most:
            line = text.count("\n", 0, token.start()) + 1
            raise _Broken(f"lists and tables may be {most} deep", f"more (line {line})")


def _check_values(value: Any, limits: Limits) -> None:
    """All values, without going down by calls."""
    waiting, count = [(value, 1)], 0
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, dict):
            for key in one:
                key.encode()
            inner = list(one.values())
        elif isinstance(one, list):
            inner = one
        else:
            _check_value(one)
            continue
        count += len(inner)
        if depth > limits.depth:
            raise _Broken(f"lists and tables may be {limits.depth} deep", "more")
        if count > limits.values:
            raise _Broken(f"it may have {limits.values:,} values", "more")
        waiting += [(part, depth + 1) for part in inner]


def _check_value(value: Any) -> None:
    if isinstance(value, str):
        value.encode()                  # half a character has no bytes
    elif isinstance(value, int) and abs(value) >= 10 ** _MOST_DIGITS:   # hexadecimal, in TOML
        raise _Broken(f"an integer may have {_MOST_DIGITS} digits", "more")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Broken("a number must be finite", f"{text:.{_SHOWN}}")
    return value


def _integer(text: str) -> int:
    if len(text.removeprefix("-")) > _MOST_DIGITS:
        raise _Broken(f"an integer may have {_MOST_DIGITS} digits", f"{len(text):,}")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table; the same key twice would mean different things to different readers."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _Broken(f"key {name!r:.{_SHOWN}} stands twice")
    return fields
