# SPDX-License-Identifier: Apache-2.0
"""Reordering of a chain's units, so that weights of a column lie together."""
from collections import Counter

import torch
from torch import Tensor, nn

from ....core.errors import InputError
from ..graph_module import GraphModule, chain_of
from .prune import WEIGHTED

__all__ = ["unorderable", "order_units"]

#: What keeps the order of channels, or flattens them in order.
_BETWEEN = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Unflatten,
            nn.Dropout, nn.Identity)


def unorderable(model: nn.Module) -> list[str]:
    """The modules for which a network's units cannot be ordered; the network itself if it is no
    chain."""
    chain = _chain(model)
    readers = Counter(where for _, module in chain for where in _storages(module))
    return [f"{name} ({type(module).__name__})" for number, (name, module) in enumerate(chain)
            if not isinstance(module, (*WEIGHTED, *_BETWEEN))
            or (isinstance(module, nn.Conv2d) and module.groups != 1)
            or (isinstance(module, nn.Unflatten) and number > 0)
            or any(readers[where] > 1 for where in _storages(module))]


def _storages(module: nn.Module) -> set[int]:
    """Where the parameters of a layer lie; those of two layers, or of one that runs twice, cannot
    be moved for one of them alone."""
    return {one.untyped_storage().data_ptr() for one in module.parameters() if one.numel()}


def _chain(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """What a model calls one after the other; the model itself unless it is such a chain."""
    if isinstance(model, nn.Sequential) and type(model).forward is nn.Sequential.forward:
        return list(model._modules.items())
    chain = chain_of(model) if isinstance(model, GraphModule) else []
    return chain or [("the network", model)]


def order_units(model: nn.Module, *, balance: int | None = None) -> None:
    """Reorder hidden units and channels by how many weights they have left, most first, in place.

    The function computed stays the same. Weights of a column move closer together, so the file
    needs fewer fillers and shorter runs; and since PE k owns the units k, k + N, ..., every PE
    gets its share of the heavy ones. Call between pruning and sharing.

    Parameters
    ----------
    balance : of a network that was pruned evenly for so many PEs: units are ordered inside each
        PE alone, which leaves every PE the weights it has.

    Raises
    ------
    InputError : a module that cannot stand between the layers, a grouped convolution, a layer
        that runs twice or whose weights are another's, too; all of them are named.
    """
    wrong = unorderable(model)
    if wrong:
        raise InputError(f"units can be ordered in a chain of ungrouped convolutions, linear "
                         f"layers, ReLUs, pools and flattening, each with weights of its own, "
                         f"not {', '.join(wrong)}")
    layers = [module for _, module in _chain(model) if isinstance(module, WEIGHTED)]
    for before, after in zip(layers, layers[1:]):
        weights = torch.count_nonzero(before.weight.detach().flatten(1), dim=1)
        order = _heaviest_first(weights, balance or 1)
        # Behind a flattened map, each channel is a block of columns.
        block = after.weight.shape[1] // len(order)
        columns = (order[:, None] * block + torch.arange(block)).reshape(-1)
        with torch.no_grad():
            if before.bias is not None:
                before.bias.copy_(before.bias[order].clone())
            _permute(before, order, dim=0)
            _permute(after, columns, dim=1)


def _heaviest_first(weights: Tensor, pes: int) -> Tensor:
    """Order of the units; those of PE k stay at k, k + pes, ..."""
    order = torch.empty_like(weights)
    for pe in range(min(pes, len(weights))):
        order[pe::pes] = pe + pes * torch.argsort(weights[pe::pes], descending=True, stable=True)
    return order


def _permute(layer: nn.Conv2d | nn.Linear, order: Tensor, *, dim: int) -> None:
    """Reorder rows or columns of the weight and of whatever parametrises it."""
    tensors = [layer.weight]
    if hasattr(layer, "parametrizations"):
        holder = layer.parametrizations.weight
        tensors = [holder.original] + [buffer for part in holder for buffer in part.buffers()]
    for tensor in tensors:
        if tensor.shape != layer.weight.shape:
            raise ValueError("units must be ordered before their weights are shared")
        tensor.copy_(tensor.index_select(dim, order))
