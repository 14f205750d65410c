# SPDX-License-Identifier: Apache-2.0
"""Reordering of a chain's units, so that the weights of a column are close together."""
from collections import Counter
from typing import cast

import torch
from torch import Tensor, nn

from ....core.errors import InputError
from ..graph_module import GraphModule, chain_of
from .prune import WEIGHTED, weight_parts

__all__ = ["unorderable", "order_units"]

#: Modules that keep the order of channels, or flatten them in order.
_BETWEEN = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Unflatten,
            nn.Dropout, nn.Identity)


def unorderable(model: nn.Module) -> list[str]:
    """The modules that prevent a network's units from being ordered, as "name (type)"; the network
    itself if it is no chain."""
    chain = _chain(model)
    readers: Counter[int] = Counter()
    for _, module in chain:
        readers.update(_storages(module))
    wrong = []
    for number, (name, module) in enumerate(chain):
        known = isinstance(module, (*WEIGHTED, *_BETWEEN))
        grouped = isinstance(module, nn.Conv2d) and module.groups != 1
        inside = isinstance(module, nn.Unflatten) and number > 0
        tied = any(readers[address] > 1 for address in _storages(module))
        if not known or grouped or inside or tied:
            wrong.append(f"{name} ({type(module).__name__})")
    return wrong


def _storages(module: nn.Module) -> set[int]:
    """Addresses of a layer's parameters. Parameters of two layers, or of one that runs twice,
    cannot be reordered for one of them alone."""
    return {one.untyped_storage().data_ptr() for one in module.parameters() if one.numel()}


def _chain(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules that a model runs one after another; the model itself if it is no such chain."""
    if isinstance(model, nn.Sequential) and type(model).forward is nn.Sequential.forward:
        return list(model._modules.items())
    chain = chain_of(model) if isinstance(model, GraphModule) else []
    return chain or [("the network", model)]


def order_units(model: nn.Module, *, balance: int | None = None) -> None:
    """Reorder hidden units and channels by their number of remaining weights, most first, in place.

    The network's function does not change. The weights of a column move closer together, so that
    the file needs fewer fillers and shorter runs; and because PE k owns the units k, k + N, ...,
    each PE gets a share of the heavy ones. Call between pruning and sharing.

    Parameters
    ----------
    balance : number of PEs for which the network was pruned evenly. Units are then ordered within
        each PE, so that each keeps its weights.

    Raises
    ------
    InputError : names all modules that cannot be between the layers, grouped convolutions, and
        layers that run twice or share weights with others.
    """
    wrong = unorderable(model)
    if wrong:
        raise InputError(f"units can be ordered in a chain of ungrouped convolutions, linear "
                         f"layers, ReLUs, pools and flattening, each with its own weights, "
                         f"not {', '.join(wrong)}")
    layers = [module for _, module in _chain(model) if isinstance(module, WEIGHTED)]
    for before, after in zip(layers, layers[1:]):
        weights = torch.count_nonzero(before.weight.detach().flatten(1), dim=1)
        order = _heaviest_first(weights, balance or 1)
        # After a flattened map, each channel is a block of columns.
        block = after.weight.shape[1] // len(order)
        columns = (order[:, None] * block + torch.arange(block)).reshape(-1)
        with torch.no_grad():
            if before.bias is not None:
                before.bias.copy_(before.bias[order].clone())
            _permute(before, order, dim=0)
            _permute(after, columns, dim=1)


def _heaviest_first(weights: Tensor, pes: int) -> Tensor:
    """Order of the units; the units of PE k stay among k, k + pes, ..."""
    order = torch.empty_like(weights)
    for pe in range(min(pes, len(weights))):
        order[pe::pes] = pe + pes * torch.argsort(weights[pe::pes], descending=True, stable=True)
    return order


def _permute(layer: nn.Conv2d | nn.Linear, order: Tensor, *, dim: int) -> None:
    """Reorder rows or columns of the weight, and of the tensors it is computed from."""
    tensors: list[Tensor] = [layer.weight]
    if hasattr(layer, "parametrizations"):
        parts = weight_parts(layer)
        tensors = [cast(Tensor, parts.original)]
        for part in parts:
            tensors += part.buffers()
    for tensor in tensors:
        if tensor.shape != layer.weight.shape:
            raise ValueError("units must be ordered before their weights are shared")
        tensor.copy_(tensor.index_select(dim, order))
