# SPDX-License-Identifier: Apache-2.0
"""Low-rank approximation by the truncated singular value decomposition: what pruning is up
against in Deep Compression's comparison."""
import copy

import torch
from torch import nn

__all__ = ["factorise", "rank_for", "low_rank"]


def rank_for(shape: tuple[int, int], rate: float) -> int:
    """The rank, at least 1, at which both factors of a matrix [m, n] take ``rate`` of its size."""
    rows, columns = shape
    return max(1, round(rate * rows * columns / (rows + columns)))


def factorise(layer: nn.Linear, rank: int) -> nn.Sequential:
    """Two linear layers whose product is the nearest matrix of that rank (Eckart and Young).

    The singular values are split evenly between the factors; the bias goes with the second.

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


def low_rank(model: nn.Sequential, rate: float) -> tuple[nn.Sequential, dict[str, int]]:
    """A copy of a chain with every linear layer factorised to about ``rate`` of its size.

    Returns
    -------
    model : the copy.
    ranks : of each layer by name.
    """
    made, ranks = copy.deepcopy(model), {}
    for name, layer in model.named_children():
        if isinstance(layer, nn.Linear):
            ranks[name] = rank_for(tuple(layer.weight.shape), rate)
            setattr(made, name, factorise(layer, ranks[name]))
    return made, ranks
