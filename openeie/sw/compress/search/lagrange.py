# SPDX-License-Identifier: Apache-2.0
"""What each layer should give up so that all together become small at the least loss."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....core.errors import InputError

__all__ = ["Choice", "choices"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One option for each layer.

    Attributes
    ----------
    multiplier : the price of a bit, in loss, from which on this choice is best.
    option : layer name -> number of its option.
    bits : of all layers.
    loss : sum of the layers' losses.
    """
    multiplier: float
    option: Mapping[str, int]
    bits: float
    loss: float


def choices(loss: Mapping[str, Sequence[float]], bits: Mapping[str, Sequence[float]]
            ) -> list[Choice]:
    """Every best choice ``argmin loss + multiplier * bits``, from multiplier 0 on, ever smaller.

    The losses of layers are taken to add up; then for one price of a bit each layer chooses by
    itself, and what is chosen lies on the lower convex hull of its options (Shoham and Gersho,
    1988). So the choices of all prices are the layers' steps along their hulls, cheapest first.

    Parameters
    ----------
    loss, bits : layer name -> of each of its options, as many in both.

    Raises
    ------
    InputError : no layer, or one without options or with different numbers of them.
    """
    if not loss or any(not len(loss[name]) == len(bits[name]) >= 1 for name in loss):
        raise InputError("each layer must have at least one option, with its loss and its bits")
    option, steps = {}, []
    for order, name in enumerate(loss):
        option[name], moves = _hull(loss[name], bits[name])
        steps += [(price, order, place, name, to) for place, (price, to) in enumerate(moves)]
    found = [_choice(0.0, option, loss, bits)]
    for price, _, _, name, to in sorted(steps):
        option = option | {name: to}
        found.append(_choice(price, option, loss, bits))
    return found


def _choice(multiplier: float, option: Mapping[str, int], loss, bits) -> Choice:
    return Choice(multiplier=multiplier, option=dict(option),
                  bits=float(sum(bits[name][at] for name, at in option.items())),
                  loss=float(sum(loss[name][at] for name, at in option.items())))


def _hull(loss: Sequence[float], bits: Sequence[float]) -> tuple[int, list[tuple[float, int]]]:
    """The option of least loss, then ``(price, option)`` of each step to fewer bits."""
    at = min(range(len(loss)), key=lambda one: (loss[one], bits[one]))
    first, steps = at, []
    while smaller := [one for one in range(len(loss)) if bits[one] < bits[at]]:
        def price(one: int, here: int = at) -> float:
            return (loss[one] - loss[here]) / (bits[here] - bits[one])
        here = at
        at = min(smaller, key=lambda one: (price(one), bits[one]))
        steps.append((price(at, here), at))
    return first, steps
