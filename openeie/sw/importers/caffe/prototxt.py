# SPDX-License-Identifier: Apache-2.0
"""Parser of protocol-buffer text as Caffe's network descriptions use it: nested ``key: value``."""
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

from ....core.errors import InputError, UntrustedError
from ....core.host.untrusted import read_regular

__all__ = ["Message", "parse", "read"]

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 16
_MAX_DIGITS = 100
_TOKEN = re.compile(r"""
    (?P<space>[ \t\r\n,;]+|\#[^\n]*)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark>[{}:])
""", re.VERBOSE)

Value = Union[str, int, float, bool, "Message"]


class Message:
    """The fields of a message, in order; a name may occur more than once.

    Attributes
    ----------
    line : number of its first line, for error messages.
    fields : (name, value) pairs; an enumeration's value is its name.
    """
    def __init__(self, line: int) -> None:
        self.line = line
        self.fields: list[tuple[str, Value]] = []

    def all(self, name: str) -> list[Any]:
        """All values of a repeated field."""
        return [value for key, value in self.fields if key == name]

    def one(self, name: str, default: Any = None) -> Any:
        """The value of a field that may occur once, or the default.

        Raises
        ------
        InputError : it occurs more than once.
        """
        values = self.all(name)
        if len(values) > 1:
            raise InputError(f"line {self.line}: {name} is given {len(values)} times, not once")
        return values[0] if values else default

    def text(self, name: str) -> str:
        """The value of a required field of text.

        Raises
        ------
        InputError : it is missing, or no text.
        """
        value = self.one(name)
        if not isinstance(value, str):
            raise InputError(f"line {self.line}: {name} must be a text, not {reprlib.repr(value)}")
        return value

    def integers(self, name: str, default: list[int] | None = None) -> list[int]:
        """All values of a field of integers; ``default`` if there are none.

        Raises
        ------
        InputError : a value is no integer.
        """
        values = self.all(name)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int):
                raise InputError(f"line {self.line}: {name} must be an integer, not "
                                 f"{reprlib.repr(value)}")
        return values or (default or [])

    def message(self, name: str) -> "Message":
        """A nested message; an empty one if it is missing.

        Raises
        ------
        InputError : it is no message, or occurs more than once.
        """
        value = self.one(name, Message(self.line))
        if not isinstance(value, Message):
            raise InputError(f"line {self.line}: {name} must be a {{ }} block, not "
                             f"{reprlib.repr(value)}")
        return value


def read(path: Path) -> Message:
    """Parse a file.

    Raises
    ------
    InputError : it cannot be read, is no text in UTF-8, or is malformed; names the line.
    """
    try:
        text = read_regular(path, _MAX_BYTES).decode()
    except (UntrustedError, UnicodeDecodeError) as error:
        reason = error.reason if isinstance(error, UntrustedError) else error
        raise InputError(f"cannot read a network's description from {path}: {reason}") from error
    try:
        return parse(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def parse(text: str) -> Message:
    """Parse a description.

    Raises
    ------
    InputError : it is malformed; names the line.
    """
    stack = [Message(1)]
    tokens = _tokens(text)
    for kind, token, line in tokens:
        if token == "}" and kind == "mark":
            if len(stack) == 1:
                raise InputError(f"line {line}: a }} without its {{")
            stack.pop()
            continue
        if kind != "word":
            raise InputError(f"line {line}: expected a field's name, not {reprlib.repr(token)}")
        kind, value, line = next(tokens, ("end", "the end", line))
        colon = (kind, value) == ("mark", ":")
        if colon:
            kind, value, line = next(tokens, ("end", "the end", line))
        if (kind, value) == ("mark", "{"):
            if len(stack) == _MAX_DEPTH:
                raise InputError(f"line {line}: more than {_MAX_DEPTH} blocks inside each other")
            inner = Message(line)
            stack[-1].fields.append((token, inner))
            stack.append(inner)
        elif colon and kind in ("text", "number", "word"):
            stack[-1].fields.append((token, _value(kind, value, line)))
        else:
            raise InputError(f"line {line}: expected a value for {token}, not "
                             f"{reprlib.repr(value)}")
    if len(stack) > 1:
        raise InputError(f"line {stack[-1].line}: a {{ without its }}")
    return stack[0]


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, token, line) of everything except space and comments."""
    place = 0
    line = 1
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise InputError(f"line {line}: cannot read {text[place:place + 20]!r}")
        if found.lastgroup != "space":
            yield found.lastgroup, found[0], line
        line += found[0].count("\n")
        place = found.end()


def _value(kind: str, token: str, line: int) -> Value:
    """The value of a token of text, a number or a word."""
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    if kind == "number":
        if len(token) > _MAX_DIGITS:
            raise InputError(f"line {line}: a number must have at most {_MAX_DIGITS} digits, "
                             f"not the {len(token):,} of {reprlib.repr(token)}")
        return int(token) if re.fullmatch(r"[-+]?\d+", token) else float(token)
    return {"true": True, "false": False}.get(token, token)
