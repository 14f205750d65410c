# SPDX-License-Identifier: Apache-2.0
"""Reading JSON and TOML from elsewhere, within limits, and with one kind of error.

Depth is counted before parsing, because the parsers are recursive. The result holds only finite
numbers and complete characters, and no key twice.
"""
import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UntrustedError

__all__ = ["Limits", "TOOLS", "parse_json", "parse_toml", "read_json", "read_toml",
           "read_regular", "check_regular"]

#: Most digits of an integer, so that every integer is also a finite float.
_MOST_DIGITS = 300
_SHOWN = 60             # characters of a value that a message quotes


@dataclass(frozen=True)
class Limits:
    """Limits of what is read.

    Attributes
    ----------
    bytes : most bytes of the text in UTF-8.
    depth : most lists and tables inside each other.
    values : most values in all of them together.
    """
    bytes: int = 1 << 20
    depth: int = 64
    values: int = 1 << 17


_USUAL = Limits()
#: For what tools on this machine wrote.
TOOLS = Limits(bytes=1 << 29, values=1 << 26)

# Strings, which may contain brackets, and the brackets that open and close a level. An unclosed
# string ends with the text. No pattern can fail once it has begun to match, so no character is
# looked at twice. (Possessive groups would say so, but Python 3.11.2 treats them differently.)
_JSON = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)
# TOML has four kinds of strings, comments, and dots that open levels: a.b.c = 1.
_TOML = re.compile(r'''"""(?:[^"\\]|\\.|"(?!""))*(?:"{3,5})?|\'\'\'(?:(?!\'\'\').)*(?:'{3,5})?'''
                   r'''|"(?:[^"\\\n]|\\[^\n])*"?|'[^'\n]*'?|\#[^\n]*|[\[{\]}.=,\n]''', re.DOTALL)


class _Broken(ValueError):
    """Carries a rule and the value that breaks it."""


def parse_json(text: str | bytes, source: str, limits: Limits = _USUAL) -> Any:
    """The value in a JSON text.

    Parameters
    ----------
    source : name of the file, or what the text is, for messages.

    Raises
    ------
    UntrustedError : the text is damaged or beyond the limits, or has a number that is not finite,
        an integer of more than 300 digits, half a character, or a key twice.
    """
    def parse(text: str) -> Any:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_finite,
                          parse_float=_finite, parse_int=_integer)
    return _parse(text, source, limits, _JSON, parse)


def parse_toml(text: str | bytes, source: str, limits: Limits = _USUAL) -> dict[str, Any]:
    """The table in a TOML text; parameters and errors as for :func:`parse_json`."""
    import tomllib                      # only a few verbs read TOML

    def parse(text: str) -> Any:
        return tomllib.loads(text, parse_float=_finite)
    table: dict[str, Any] = _parse(text, source, limits, _TOML, parse)
    return table


def read_json(path: str | Path, limits: Limits = _USUAL) -> Any:
    """The value in a JSON file.

    Raises
    ------
    UntrustedError : as :func:`parse_json` and :func:`read_regular`.
    """
    return parse_json(read_regular(path, limits.bytes), str(path), limits)


def read_toml(path: str | Path, limits: Limits = _USUAL) -> dict[str, Any]:
    """The table in a TOML file; errors as for :func:`read_json`."""
    return parse_toml(read_regular(path, limits.bytes), str(path), limits)


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a regular file. Pipes and devices may never end and are not opened.

    Raises
    ------
    UntrustedError : the path cannot be read, is not a regular file, or has more than ``most``
        bytes; its cause is the OSError, if there is one.
    """
    try:
        check_regular(path)
        # If a pipe has just taken the file's place, opening it must not wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            _check_kind(path, status.st_mode)
            data = file.read(min(status.st_size, most) + 1)     # allocates this much memory
    except UntrustedError:
        raise
    except OSError as error:
        raise UntrustedError(str(path), error.strerror or str(error)) from error
    except ValueError as error:                         # the name contains a zero byte
        raise UntrustedError(repr(str(path)), str(error)) from error
    if len(data) > most:
        raise UntrustedError(str(path), f"it has more than the {most:,} bytes that are read")
    return data


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse a path that is not a regular file, before a library opens it.

    Raises
    ------
    UntrustedError : it is something else.
    OSError : there is nothing, or it is not accessible.
    """
    _check_kind(path, os.stat(path).st_mode)


def _check_kind(path: str | os.PathLike[str], mode: int) -> None:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device",
             stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
    if not stat.S_ISREG(mode):
        raise UntrustedError(str(path), "it must be a regular file",
                             kinds.get(stat.S_IFMT(mode), "something else"))


def _parse(text: str | bytes, source: str, limits: Limits, tokens: re.Pattern[str],
           parse: Callable[[str], Any]) -> Any:
    """The value in a text, parsed by ``parse``, whose levels ``tokens`` finds."""
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
        raise UntrustedError(source, f"it is not text in UTF-8: {error}") from error
    except RecursionError as error:     # the caller was already deep in recursion
        raise UntrustedError(source, "it is nested too deeply") from error
    except ValueError as error:
        if "integer string conversion" in str(error):   # in TOML; for JSON, _integer checks it
            raise UntrustedError(source, f"an integer may have {_MOST_DIGITS} digits",
                                 "thousands") from error
        raise UntrustedError(source, str(error)) from error
    return value


def _check_depth(text: str, tokens: re.Pattern[str], most: int) -> None:
    """Refuse a text with more than ``most`` levels."""
    depth = 0
    dots = 0
    for token in tokens.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth = max(depth - 1, 0)
        if mark not in "\"'":           # quoted keys may stand between dots
            dots = dots + 1 if mark == "." else 0
        if max(depth, dots) > most:
            line = text.count("\n", 0, token.start()) + 1
            raise _Broken(f"lists and tables may be {most} deep", f"more (line {line})")


def _check_values(value: Any, limits: Limits) -> None:
    """Refuse values that are too many, too deep or not allowed; without recursion."""
    waiting = [(value, 1)]
    count = 0
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
        value.encode()                  # fails for half a character
    elif isinstance(value, int) and abs(value) >= 10 ** _MOST_DIGITS:   # TOML has hexadecimal
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
    """A table without repeated keys, which would mean different things to different readers."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _Broken(f"key {name!r:.{_SHOWN}} occurs twice")
    return fields
