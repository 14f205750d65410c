# SPDX-License-Identifier: Apache-2.0
"""Rules for a recipe's keys that take several kinds of values, with one message each."""
from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

__all__ = ["AUTO", "keep_rule", "slots_rule", "integers_rule"]

#: The value of keys that the pipeline is to choose, on the held-out images.
AUTO = "auto"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _parts(value: Any) -> list[Any]:
    """The values of a table, or the one value."""
    return list(value.values()) if isinstance(value, Mapping) else [value]


def keep_rule(value: Any) -> Any:
    """A share of the weights, a table of shares by layer, or ``"auto"``."""
    parts = _parts(value)
    if value == AUTO or (parts and all(_number(one) and 0 < one <= 1 for one in parts)):
        return value
    raise ValueError("must be \"auto\", a number above 0 and at most 1 (of the whole network), or "
                     "a table of such numbers by layer")


def slots_rule(least: int, most: int) -> BeforeValidator:
    """An integer in ``least .. most``, a table of such integers by layer, ``"auto"``, or None."""
    def check(value: Any) -> Any:
        parts = _parts(value)
        if value == AUTO or value is None:
            return value
        if parts and all(_integer(one) and least <= one <= most for one in parts):
            return value
        raise ValueError(f"must be \"auto\", an integer in {least} .. {most}, or a table of such "
                         f"integers by layer")
    return BeforeValidator(check)


def integers_rule(rule: str, *, alone: bool) -> BeforeValidator:
    """A list or tuple of integers, which becomes a list, or None; with ``alone`` also a single
    integer. ``rule`` is the message."""
    def check(value: Any) -> Any:
        if value is None or (alone and _integer(value)):
            return value
        if isinstance(value, (list, tuple)) and value and all(map(_integer, value)):
            return list(value)
        raise ValueError(rule)
    return BeforeValidator(check)
