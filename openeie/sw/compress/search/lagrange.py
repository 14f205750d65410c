# SPDX-License-Identifier: Apache-2.0
"""Lagrangian bit allocation: the per-layer choice that minimises loss + multiplier * bits (Shoham
and Gersho, 1988)."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....core.errors import InputError

__all__ = ["Choice", "choices"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One option for each layer.

    Attributes
    ----------
    multiplier : price of a bit, in loss; this choice is the best from it up to the next choice's.
    option : layer name -> number of its option.
    bits : sum over all layers.
    loss : sum over all layers.
    """
    multiplier: float
    option: Mapping[str, int]
    bits: float
    loss: float


def choices(loss: Mapping[str, Sequence[float]], bits: Mapping[str, Sequence[float]]
            ) -> list[Choice]:
    """All choices that minimise ``loss + multiplier * bits`` for some multiplier, from 0 upwards,
    in order of falling bits.

    Losses are assumed to add up over layers. At a given price of a bit, each layer then chooses
    independently, and its choice is on the lower convex hull of its options (Shoham and Gersho,
    1988). The choices for all prices are therefore the layers' steps along their hulls, cheapest
    first.

    Parameters
    ----------
    loss, bits : layer name -> values of its options, the same number in both.

    Raises
    ------
    InputError : no layer, or a layer without options or with different numbers of them.
    """
    if not loss or any(not len(loss[name]) == len(bits[name]) >= 1 for name in loss):
        raise InputError("each layer must have at least one option, with its loss and its bits")
    option = {}
    steps = []
    for order, name in enumerate(loss):
        option[name], moves = _hull(loss[name], bits[name])
        steps += [(price, order, place, name, to) for place, (price, to) in enumerate(moves)]
    found = [_choice(0.0, option, loss, bits)]
    for price, _, _, name, to in sorted(steps):
        option = option | {name: to}
        found.append(_choice(price, option, loss, bits))
    return found


def _choice(multiplier: float, option: Mapping[str, int], loss: Mapping[str, Sequence[float]],
            bits: Mapping[str, Sequence[float]]) -> Choice:
    return Choice(multiplier=multiplier, option=dict(option),
                  bits=float(sum(bits[name][at] for name, at in option.items())),
                  loss=float(sum(loss[name][at] for name, at in option.items())))


def _hull(loss: Sequence[float], bits: Sequence[float]) -> tuple[int, list[tuple[float, int]]]:
    """The option of least loss, and ``(price, option)`` of each further step along the hull, to
    fewer bits."""
    first = min(range(len(loss)), key=lambda one: (loss[one], bits[one]))
    at = first
    steps = []
    while smaller := [one for one in range(len(loss)) if bits[one] < bits[at]]:
        def price(one: int, here: int = at) -> float:
            return (loss[one] - loss[here]) / (bits[here] - bits[one])
        here = at
        at = min(smaller, key=lambda one: (price(one), bits[one]))
        steps.append((price(at, here), at))
    return first, steps
