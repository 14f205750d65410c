# SPDX-License-Identifier: Apache-2.0
"""Fractions of weights that pruning in several rounds keeps after each round."""
import math

from ....core.errors import InputError

__all__ = ["keep_schedule", "gradual_schedule"]


def keep_schedule(final: float, rounds: int) -> list[float]:
    """Fractions kept after each of ``rounds``: a geometric descent from 1 to ``final``.

    Each round removes the same share of the remaining weights, so that the last and most harmful
    rounds remove the fewest.

    Raises
    ------
    InputError : no round, or ``final`` not above 0 and at most 1.
    """
    _check_schedule(final, rounds)
    return [math.exp(math.log(final) * (step + 1) / rounds) for step in range(rounds)]


def gradual_schedule(final: float, rounds: int) -> list[float]:
    """Fractions kept after each of ``rounds``: after a part t of them, the share
    ``(1 - final) (1 - (1 - t)^3)`` is removed (Zhu and Gupta, 2017, equation 1).

    The first rounds remove most, while there are many weights to choose from.

    Raises
    ------
    InputError : no round, or ``final`` not above 0 and at most 1.
    """
    _check_schedule(final, rounds)
    return [final + (1 - final) * (1 - (step + 1) / rounds) ** 3 for step in range(rounds)]


def _check_schedule(final: float, rounds: int) -> None:
    if rounds < 1:
        raise InputError(f"rounds must be at least 1, not {rounds!r}")
    if not 0 < final <= 1:
        raise InputError(f"final must be in 0 .. 1 and above 0, not {final!r}")
