# SPDX-License-Identifier: Apache-2.0
"""Magnitude pruning of any module's layers with weights: masks that training cannot undo."""
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["WEIGHTED", "weighted_layers", "top_magnitudes", "prune", "kept", "keep_schedule"]

#: Modules whose ``weight`` is pruned and shared.
WEIGHTED = (nn.Conv2d, nn.Linear)


class _Mask(nn.Module):
    """``weight * mask``: a pruned weight is zero and receives no gradient."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def weighted_layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Every convolution and linear layer inside ``model`` by its dotted name, in the order of
    definition."""
    return {name: module for name, module in model.named_modules()
            if isinstance(module, WEIGHTED)}


def top_magnitudes(weight: Tensor, count: int) -> Tensor:
    """Boolean mask of exactly the ``count`` largest magnitudes; of equals the first are kept."""
    if not 0 <= count <= weight.numel():
        raise ValueError(f"count must be in 0 .. {weight.numel()}, not {count!r}")
    order = torch.argsort(weight.detach().abs().reshape(-1), descending=True, stable=True)
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[order[:count]] = True
    return mask.reshape(weight.shape)


def prune(model: nn.Module, keep: Mapping[str, float]) -> None:
    """Keep the largest weights of the named layers, in place; call again to keep fewer.

    A weight once pruned stays pruned: its magnitude is zero from then on.

    Parameters
    ----------
    keep : layer name -> fraction of its weights to keep, rounded to a count.

    Raises
    ------
    ValueError : an unknown layer, or a fraction outside 0 .. 1.
    """
    layers = weighted_layers(model)
    for name, fraction in keep.items():
        if name not in layers:
            raise ValueError(f"layer to prune must be one of {', '.join(layers)}, not {name!r}")
        if not 0 <= fraction <= 1:
            raise ValueError(f"fraction kept of layer {name!r} must be in 0 .. 1, "
                             f"not {fraction!r}")
    for name, fraction in keep.items():
        layer = layers[name]
        mask = top_magnitudes(layer.weight, round(fraction * layer.weight.numel()))
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
        parametrize.register_parametrization(layer, "weight", _Mask(mask.to(layer.weight.dtype)))


def kept(model: nn.Module) -> dict[str, int]:
    """Number of non-zero weights of each layer."""
    return {name: int(torch.count_nonzero(layer.weight.detach()))
            for name, layer in weighted_layers(model).items()}


def keep_schedule(final: float, rounds: int) -> list[float]:
    """Fractions kept after each round: a geometric descent from 1 to ``final``.

    Each round removes the same share of what is left, so that the last and most harmful rounds
    take the fewest weights.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, not {rounds!r}")
    if not 0 < final <= 1:
        raise ValueError(f"final must be in 0 .. 1 and above 0, not {final!r}")
    return [math.exp(math.log(final) * (step + 1) / rounds) for step in range(rounds)]
