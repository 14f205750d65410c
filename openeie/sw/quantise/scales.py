# SPDX-License-Identifier: Apache-2.0
"""Scales: of activations, of what must have one scale together, and of a requantisation."""
import math
from collections.abc import Callable, Iterable, Mapping

from ...core.errors import InputError
from ...core.network.graph import INPUT
from ...core.numbers.fixed import int_range, quantise_scale

__all__ = ["activation_scale", "rescaling", "joined", "group_scales"]


def activation_scale(largest: float, act_width: int, where: str) -> float:
    """A power of two at which ``largest`` uses at most half of the activation's range.

    Raises
    ------
    InputError : ``largest`` is not finite; ``where`` names the layer.
    """
    if not math.isfinite(largest):
        raise InputError(f"{where}: its outputs on the calibration inputs must be finite numbers, "
                         f"not {largest}; its weights are too large, or not finite themselves")
    return 2.0 ** (math.ceil(math.log2(largest or 1.0)) + 2 - act_width)


def rescaling(scale: float, where: str) -> tuple[int, int]:
    """``quantise_scale`` of :mod:`~openeie.core.numbers.fixed`, its error with the layer ``where``.

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
    """``names`` in groups, such that the members of every set are in one group."""
    group = {name: [name] for name in names}
    for first, *others in sets:
        for other in others:
            if group[other] is not group[first]:
                group[first] += group[other]
                group |= dict.fromkeys(group[other], group[first])
    return list({id(members): members for members in group.values()}.values())


def group_scales(groups: list[list[str]], largest: Mapping[str, float], *, input_scale: float,
                 act_width: int, where: Callable[[str], str]) -> dict[str, float]:
    """One scale for each group: the largest that a member asks for, or the input's.

    Parameters
    ----------
    largest : magnitudes on the calibration inputs, of the layers that ask for a scale; one that
        passes on what it reads asks for none.
    where : how messages call a layer.

    Raises
    ------
    InputError : a layer has the input's scale, and needs a larger one.
    """
    scales: dict[str, float] = {}
    for members in groups:
        asked = {name: activation_scale(largest[name], act_width, where(name))
                 for name in members if name in largest}
        if INPUT in members:
            room = int_range(act_width)[1] * input_scale / 2
            for name in asked:
                if largest[name] > room:
                    raise InputError(
                        f"{where(name)}: it shares the input's scale {input_scale:g}, because they "
                        f"are concatenated, and so must not exceed {room:g} on the calibration "
                        f"inputs, half of what {act_width} bits hold, but reaches "
                        f"{largest[name]:g}; put a convolution between input and concatenation")
        scales |= dict.fromkeys(members, input_scale if INPUT in members else max(asked.values()))
    return scales
