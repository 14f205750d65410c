# SPDX-License-Identifier: Apache-2.0
"""Whether what pruning takes from a module is what the network computes with."""
import copy

import numpy as np
import torch
from torch import nn

from ...core.errors import InputError
from .prune import weighted_layers
from .source import Source

__all__ = ["check_prunable"]


def check_prunable(source: Source, module: nn.Module, example: np.ndarray) -> None:
    """Refuse a module whose weights cannot be pruned, or would be in vain.

    Every second weight of each layer becomes zero in a copy; then the copy's graph must have no
    fewer zeros, and no fewer weights than the layers have together.

    Parameters
    ----------
    example : float inputs [batch, ...].

    Raises
    ------
    InputError : there is no layer to prune; the network computes with weights that are no
        layer's, or not as they are; a layer never runs.
    """
    layers = weighted_layers(module)
    if not layers:
        raise InputError(f"{source.title} must have a torch.nn.Conv2d or Linear to be pruned, and "
                         f"has none; leave out the section [prune]")
    weights = {node.name: node.weight for node in source.graph(_half_pruned(module), example).nodes
               if node.weight is not None}
    wrong = [name for name, weight in weights.items()
             if np.count_nonzero(weight) > weight.size // 2]
    if wrong:
        raise InputError(f"{source.title} must compute with the weights of its Conv2d and Linear "
                         f"layers as they are, to be pruned; others, or what is made from these, "
                         f"are used in {', '.join(wrong)}")
    if sum(layer.weight.numel() for layer in layers.values()) > sum(
            weight.size for weight in weights.values()):
        idle = _idle(module, example)
        raise InputError(f"every layer of {source.title} must be used, to be pruned with the "
                         f"others; remove what is not: {', '.join(idle or layers)}")


def _half_pruned(module: nn.Module) -> nn.Module:
    """A copy whose layers have ones and zeros in turn for weights."""
    half = copy.deepcopy(module)
    with torch.no_grad():
        for layer in weighted_layers(half).values():
            flat = torch.arange(layer.weight.numel()) % 2
            layer.weight.copy_(flat.reshape(layer.weight.shape))
    return half.eval()


def _idle(module: nn.Module, example: np.ndarray) -> list[str]:
    """Layers that do not run."""
    ran: set[str] = set()
    watched = copy.deepcopy(module).eval()
    for name, layer in weighted_layers(watched).items():
        layer.register_forward_hook(lambda *_, name=name: ran.add(name))
    with torch.no_grad():
        watched(torch.from_numpy(example))
    return [name for name in weighted_layers(module) if name not in ran]
