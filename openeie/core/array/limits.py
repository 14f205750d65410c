# SPDX-License-Identifier: Apache-2.0
"""What a field of the array's configuration may hold: how it is declared, and how it is checked.

A field carries its own limit in its metadata, so that :mod:`openeie.core.array.config` states each
parameter once: name, default and permitted values.
"""
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError, did_you_mean

__all__ = ["CLUSTERS", "ENCODINGS", "NAMES", "OPERATIONS", "check_fields", "choice", "names",
           "ranged"]

#: Weight encodings; a descriptor holds the index.
ENCODINGS = ("csr", "codebook", "huffman")
#: Kinds of layers that an array can run.
OPERATIONS = ("linear", "conv", "pool")
#: Possible numbers of clusters. They take turns within the cycles of one row's writeback, so
#: there can be at most as many as it has cycles.
CLUSTERS = (1, 2, 4, 8)
#: Fields that are tuples of names, each with the names to choose from.
NAMES = {"encodings": ENCODINGS, "operations": OPERATIONS}


def ranged(default: int, low: int, high: int) -> int:
    """Declare a dataclass field that holds an integer in ``low`` .. ``high``, both included."""
    return dataclasses.field(default=default, metadata={"range": (low, high)})


def choice(default: int, choices: tuple[int, ...]) -> int:
    """Declare a dataclass field that holds one of several integers."""
    return dataclasses.field(default=default, metadata={"choices": choices})


def names(default: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Declare a dataclass field that holds a tuple of names out of ``known``, each at most once."""
    return dataclasses.field(default=default, metadata={"names": known})


def check_fields(fields: Iterable[dataclasses.Field[Any]], values: Mapping[str, Any]) -> None:
    """Check every value against the limit that its field declares.

    Raises
    ------
    TypeError : a value of the wrong type.
    ConfigError : a value that its field does not permit.
    """
    limits = {field.name: field.metadata for field in fields}
    for name, limit in limits.items():
        if "names" not in limit:
            _check_integer(name, values[name])
    for name, limit in limits.items():
        if "range" in limit:
            _check_range(name, values[name], *limit["range"])
    for name, limit in limits.items():
        if "choices" in limit:
            _check_choice(name, values[name], limit["choices"])
    for name, limit in limits.items():
        if "names" in limit:
            _check_names(name, values[name], limit["names"])


def _check_integer(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} must be in {low} .. {high}, not {value!r}")


def _check_choice(name: str, value: int, choices: tuple[int, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be {', '.join(map(str, choices[:-1]))} or "
                          f"{choices[-1]}, not {value!r}")


def _check_names(name: str, value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"{name} must be a tuple of names, not {value!r}")
    if not value or len(set(value)) != len(value) or not set(value) <= set(known):
        unknown = next((one for one in value if one not in known), "")
        raise ConfigError(f"{name} must be one or more of {', '.join(known)}, each once, not "
                          f"{value!r}{did_you_mean(unknown, known, '; {}')}")
