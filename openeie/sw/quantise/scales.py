# SPDX-License-Identifier: Apache-2.0
"""Scales of activations, of groups of layers that share one, and of requantisation."""
import math
from collections.abc import Callable, Iterable, Mapping

from ...core.errors import InputError
from ...core.network.graph import INPUT
from ...core.numbers.fixed import int_range, quantise_scale

__all__ = ["activation_scale", "rescaling", "joined", "group_scales"]


def activation_scale(largest: float, act_width: int, where: str) -> float:
    """The smallest power of two at which ``largest`` uses at most half of the activation's range.

    Parameters
    ----------
    largest : largest magnitude of the outputs.
    act_width : bits of an activation.
    where : the layer, for messages.

    Raises
    ------
    InputError : ``largest`` is not finite.
    """
    if not math.isfinite(largest):
        raise InputError(f"{where}: its outputs on the calibration inputs must be finite numbers, "
                         f"not {largest}; its weights are too large, or not finite themselves")
    return 2.0 ** (math.ceil(math.log2(largest or 1.0)) + 2 - act_width)


def rescaling(scale: float, where: str) -> tuple[int, int]:
    """Multiplier and shift for a scale, as :func:`~openeie.core.numbers.fixed.quantise_scale`
    gives them; errors name the layer, ``where``.

    Raises
    ------
    InputError : no multiplier and shift are near the scale.
    """
    try:
        return quantise_scale(scale)
    except ValueError as error:
        raise InputError(f"{where}: sums cannot be turned into outputs, whose {error}; its weights "
                         f"are too large or too small for what it computes on the calibration "
                         f"inputs") from error


def joined(names: Iterable[str], sets: Iterable[Iterable[str]]) -> list[list[str]]:
    """``names`` in the smallest groups that hold all members of each set together."""
    group = {name: [name] for name in names}
    for first, *others in sets:
        for other in others:
            if group[other] is not group[first]:
                group[first] += group[other]
                group |= dict.fromkeys(group[other], group[first])
    return list({id(members): members for members in group.values()}.values())


def group_scales(groups: list[list[str]], largest: Mapping[str, float], *, input_scale: float,
                 act_width: int, where: Callable[[str], str]) -> dict[str, float]:
    """One scale for each group: the largest that a member needs, or the input's if it is one.

    Parameters
    ----------
    groups : names of layers that share a scale, as :func:`joined` gives them.
    largest : largest magnitude on the calibration inputs, of the layers that need a scale; a max
        pool, which passes on values that it reads, needs none.
    input_scale : of the network's input.
    where : gives a layer's name for messages.

    Raises
    ------
    InputError : a layer would need a larger scale than the input's, which it must share.
    """
    scales: dict[str, float] = {}
    for members in groups:
        needed = {name: activation_scale(largest[name], act_width, where(name))
                  for name in members if name in largest}
        if INPUT in members:
            for name in needed:
                _check_room(largest[name], act_width, input_scale, where(name))
            scale = input_scale
        else:
            scale = max(needed.values())
        scales |= dict.fromkeys(members, scale)
    return scales


def _check_room(largest: float, act_width: int, input_scale: float, where: str) -> None:
    """Refuse a layer whose outputs need more than half of the range at the input's scale."""
    room = int_range(act_width)[1] * input_scale / 2
    if largest > room:
        raise InputError(
            f"{where}: it shares the input's scale {input_scale:g}, because they are "
            f"concatenated, and so must not exceed {room:g} on the calibration inputs, half of "
            f"what {act_width} bits hold, but reaches {largest:g}; put a convolution between "
            f"input and concatenation")
