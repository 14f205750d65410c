# SPDX-License-Identifier: Apache-2.0
"""Low-rank approximation by the truncated singular value decomposition, with which Deep Compression
compares pruning."""
import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["ranks_for", "factorise", "low_rank"]


def ranks_for(model: nn.Sequential, rate: float) -> dict[str, int | None]:
    """Ranks of a chain's linear layers with which all factors together have about ``rate`` times
    as many numbers as the weights.

    Singular values are added in the order of their benefit: their share of their layer's sum of
    squares, divided by the numbers in their two vectors. Each layer has at least rank 1. A layer
    whose factors would have as many numbers as its weights is not factorised: None.
    """
    layers = {name: layer.weight.detach().double() for name, layer in model.named_children()
              if isinstance(layer, nn.Linear)}
    budget = rate * sum(weight.numel() for weight in layers.values())
    ranks = dict.fromkeys(layers, 1)
    gains = []
    for name, weight in layers.items():
        energy = torch.linalg.svdvals(weight).square()
        gains += [(float(-share) / sum(weight.shape), name)
                  for share in (energy / energy.sum())[1:]]
    for _, name in sorted(gains):
        more = ranks | {name: ranks[name] + 1}
        if sum(_numbers(layers[one], rank) for one, rank in more.items()) <= budget:
            ranks = more
    return {name: rank if _numbers(layers[name], rank) < layers[name].numel() else None
            for name, rank in ranks.items()}


def _numbers(weight: Tensor, rank: int) -> int:
    """Numbers in the factors of a weight [m, n], or in the weight if that has fewer."""
    return min(rank * sum(weight.shape), weight.numel())


def factorise(layer: nn.Linear, rank: int) -> nn.Sequential:
    """Two linear layers whose product is the nearest matrix of a rank (Eckart and Young, 1936).

    Each factor gets the square roots of the singular values; the bias goes to the second.

    Raises
    ------
    ValueError : a rank outside 1 .. min(m, n).
    """
    weight = layer.weight.detach()
    if not 1 <= rank <= min(weight.shape):
        raise ValueError(f"rank must be in 1 .. {min(weight.shape)}, not {rank!r}")
    left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
    root = values[:rank].sqrt()
    inner = nn.Linear(layer.in_features, rank, bias=False)
    outer = nn.Linear(rank, layer.out_features, bias=layer.bias is not None)
    with torch.no_grad():
        inner.weight.copy_(root[:, None] * right[:rank])
        outer.weight.copy_(left[:, :rank] * root)
        if layer.bias is not None:
            outer.bias.copy_(layer.bias)
    return nn.Sequential(inner, outer)


def low_rank(model: nn.Sequential, ranks: Mapping[str, int | None]) -> nn.Sequential:
    """A copy of a chain with linear layers factorised to the given ranks; None leaves a layer
    unchanged."""
    made = copy.deepcopy(model)
    for name, layer in model.named_children():
        rank = ranks.get(name)
        if rank is not None:
            setattr(made, name, factorise(cast(nn.Linear, layer), rank))
    return made
