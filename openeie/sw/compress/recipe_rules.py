# SPDX-License-Identifier: Apache-2.0
"""Rules of a recipe's keys that take several kinds of values: one message for all of them."""
from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

__all__ = ["AUTO", "keep_rule", "slots_rule", "integers_rule"]

#: Where the pipeline chooses by itself, from the held-out images.
AUTO = "auto"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def keep_rule(value: Any) -> Any:
    """A share of the weights, or one for each of some layers, or ``"auto"``."""
    rule = "must be \"auto\", a number above 0 and at most 1 (of the whole network), or a table " \
           "of such numbers by layer"
    parts = list(value.values()) if isinstance(value, Mapping) else [value]
    if value == AUTO or (parts and all(_number(one) and 0 < one <= 1 for one in parts)):
        return value
    raise ValueError(rule)


def slots_rule(least: int, most: int) -> BeforeValidator:
    """Whole numbers in a range, as :func:`keep_rule` has shares."""
    def check(value: Any) -> Any:
        parts = list(value.values()) if isinstance(value, Mapping) else [value]
        if value == AUTO or value is None or (parts and all(
                isinstance(one, int) and not isinstance(one, bool) and least <= one <= most
                for one in parts)):
            return value
        raise ValueError(f"must be \"auto\", an integer in {least} .. {most}, or a table of such "
                         f"integers by layer")
    return BeforeValidator(check)


def integers_rule(rule: str, *, alone: bool) -> BeforeValidator:
    """One rule for a list of integers, and one integer ``alone``; a tuple is taken for a list."""
    def check(value: Any) -> Any:
        parts = value if isinstance(value, (list, tuple)) else [value] if alone else []
        if value is None or (parts and all(isinstance(one, int) and not isinstance(one, bool)
                                           for one in parts)):
            return list(value) if isinstance(value, tuple) else value
        raise ValueError(rule)
    return BeforeValidator(check)
