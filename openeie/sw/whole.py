# SPDX-License-Identifier: Apache-2.0
"""Which values count as integers."""
from numbers import Integral
from typing import Any

__all__ = ["is_whole"]


def is_whole(value: Any) -> bool:
    """Whether it is an integer, Python's or numpy's; a truth value is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)
