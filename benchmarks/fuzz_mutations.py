# SPDX-License-Identifier: Apache-2.0
"""Ways to damage a file: bits, bytes, pieces, numbers, nesting, lines and words."""
import re

import numpy as np

__all__ = ["mutate"]

_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(rb"[A-Za-z_]+|[0-9.]+|\"[^\"\n]*\"|[\[\]{}(),:=]")
#: Replacements for numbers and for words.
_NUMBERS = (b"0", b"-1", b"1", b"2", b"255", b"65536", b"2147483648", b"1e400", b"-1e400", b"1e308",
            b"NaN", b"nan", b"inf", b"-Infinity", b"1.5", b"1" * 30, b"9" * 400, b"9" * 5000,
            b"0x" + b"f" * 300, b"18446744073709551616", b"-9223372036854775809", b"1e-400")
_WORDS = (b"null", b"true", b"[]", b"{}", b'""', b"''", b'"\\ud800"', b'"' + b"x" * 300 + b'"',
          b'"[/x]"', b'"\\u0000"', b"1979-05-27", b"[[1]]", b'{"a":1}', b"\xff\xfe", b"\x00",
          b"-", b"#", b"\r")
_DEEP = ((b"[", b"]"), (b'{"a":', b"}"), (b"{a=", b"}"), (b"a.", b""), (b"(", b")"), (b"a{", b"}"))


def mutate(rng: np.random.Generator, data: bytes, others: list[bytes]) -> bytes:
    """``data`` with one to three kinds of damage; ``others`` are files to take pieces from."""
    count = int(rng.integers(1, 4)) if rng.random() < 0.5 else 1
    for _ in range(count):
        data = _KINDS[rng.integers(len(_KINDS))](rng, data or b"\0", others)
    return data


def _at(rng, data: bytes) -> int:
    return int(rng.integers(len(data)))


def _piece(rng, data: bytes, most: int = 64) -> bytes:
    at = _at(rng, data)
    return data[at:at + int(rng.integers(1, most))]


def _put(data: bytes, at: int, old: int, new: bytes) -> bytes:
    """``data`` with ``new`` instead of the ``old`` bytes at ``at``."""
    return data[:at] + new + data[at + old:]


def _flip(rng, data, others):
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        changed[_at(rng, data)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _byte(rng, data, others):
    value = rng.choice([0, 1, 9, 10, 34, 44, 45, 46, 48, 57, 91, 127, 128, 255])
    return _put(data, _at(rng, data), 1, bytes([int(value)]))


def _cut(rng, data, others):
    return _put(data, _at(rng, data), int(rng.integers(1, 64)), b"")


def _truncate(rng, data, others):
    return data[:_at(rng, data)]


def _double(rng, data, others):
    return _put(data, _at(rng, data), 0, _piece(rng, data, 200) * int(rng.integers(1, 4)))


def _splice(rng, data, others):
    other = others[rng.integers(len(others))] or b"\0"
    return _put(data, _at(rng, data), int(rng.integers(0, 40)), _piece(rng, other, 200))


def _noise(rng, data, others):
    return _put(data, _at(rng, data), int(rng.integers(0, 16)), rng.bytes(int(rng.integers(1, 16))))


def _length(rng, data, others):
    """Another integer of 1, 2, 4 or 8 bytes, such as the sizes in binary formats."""
    size = int(rng.choice([1, 2, 4, 8]))
    value = int(rng.choice([0, 1, 255, 65535, 1 << 31, (1 << 32) - 1, (1 << 62) - 1]))
    return _put(data, _at(rng, data), size, value.to_bytes(8, rng.choice(["little", "big"]))[:size])


def _one(rng, pattern, data, new):
    """``new`` instead of a random match of the pattern."""
    found = list(pattern.finditer(data))
    if not found:
        return _flip(rng, data, [])
    match = found[rng.integers(len(found))]
    return _put(data, match.start(), len(match[0]), new)


def _number(rng, data, others):
    return _one(rng, _NUMBER, data, _NUMBERS[rng.integers(len(_NUMBERS))])


def _digit(rng, data, others):
    return _one(rng, re.compile(rb"[0-9]"), data, b"%d" % rng.integers(10))


def _word(rng, data, others):
    return _one(rng, _WORD, data, _WORDS[rng.integers(len(_WORDS))])


def _nest(rng, data, others):
    opening, closing = _DEEP[rng.integers(len(_DEEP))]
    depth = int(rng.choice([1, 3, 63, 65, 500, 3000, 30_000]))
    inside = _piece(rng, data, 20) if rng.random() < 0.5 else b"1"
    closing *= depth if rng.random() < 0.7 else 0
    return _one(rng, _WORD, data, opening * depth + inside + closing)


def _swap(rng, data, others):
    """Exchange two words."""
    found = list(_WORD.finditer(data))
    if len(found) < 2:
        return _flip(rng, data, others)
    one, two = (found[k] for k in sorted(rng.choice(len(found), 2, replace=False)))
    return (data[:one.start()] + two[0] + data[one.end():two.start()] + one[0] + data[two.end():])


def _lines(rng, data, others):
    """Exchange two lines, double or remove one, or insert one of another file."""
    lines = data.splitlines(keepends=True)
    at = int(rng.integers(len(lines)))
    kind = rng.integers(4)
    if kind == 0:
        lines[at], lines[0] = lines[0], lines[at]
    elif kind == 1:
        lines.insert(at, lines[rng.integers(len(lines))])
    elif kind == 2:
        del lines[at]
    else:
        more = (others[rng.integers(len(others))] or b"\n").splitlines(keepends=True)
        lines.insert(at, more[rng.integers(len(more))])
    return b"".join(lines)


_KINDS = (_flip, _byte, _cut, _truncate, _double, _splice, _noise, _length, _number, _number,
          _digit, _digit, _word, _nest, _swap, _lines)
