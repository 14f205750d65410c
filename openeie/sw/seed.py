# SPDX-License-Identifier: Apache-2.0
"""Checks of seeds and of integers in general."""
from numbers import Integral
from typing import Any

from ..core.errors import InputError

__all__ = ["check_seed", "is_integer"]


def check_seed(seed: Any, name: str = "seed") -> int:
    """The seed as a Python integer, as the generators of torch and numpy take it.

    Parameters
    ----------
    seed : an integer in 0 .. 2**63 - 1, Python's or numpy's.
    name : name of the option, for the message.

    Raises
    ------
    InputError : anything else; True and False are no integers.
    """
    if not is_integer(seed) or not 0 <= seed < 1 << 63:
        raise InputError(f"{name} must be an integer in 0 .. 2**63 - 1, not {seed!r}")
    return int(seed)


def is_integer(value: Any) -> bool:
    """True for an integer, Python's or numpy's, but not for a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)
