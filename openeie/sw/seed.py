# SPDX-License-Identifier: Apache-2.0
"""The number that random choices start from."""
from numbers import Integral
from typing import Any

from ..core.errors import InputError

__all__ = ["check_seed", "is_integer"]


def check_seed(seed: Any, name: str = "seed") -> int:
    """The seed as Python's own integer, which any generator of torch's or numpy's takes.

    Parameters
    ----------
    seed : an integer in 0 .. 2**63 - 1, numpy's too.
    name : of the option, for the message.

    Raises
    ------
    InputError : anything else, truth values among it.
    """
    if not is_integer(seed) or not 0 <= seed < 1 << 63:
        raise InputError(f"{name} must be an integer in 0 .. 2**63 - 1, not {seed!r}")
    return int(seed)


def is_integer(value: Any) -> bool:
    """Whether it is an integer, Python's or numpy's; a truth value is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)
