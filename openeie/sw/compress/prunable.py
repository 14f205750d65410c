# SPDX-License-Identifier: Apache-2.0
"""Whether what pruning takes from a module is what the network computes with."""
import copy
from collections.abc import Collection

import numpy as np
import torch
from torch import nn

from ...core.errors import InputError
from .methods.prune import weighted_layers
from .source import Source

__all__ = ["check_prunable"]


def check_prunable(source: Source, module: nn.Module, example: np.ndarray,
                   names: Collection[str] | None = None) -> None:
    """Refuse layers whose weights are not those that the network computes with.

    In a copy each layer gets ones and zeros in a pattern of its own for weights; the copy's graph
    must have these zeros in its nodes.

    Parameters
    ----------
    example : float inputs [batch, ...].
    names : the layers to be pruned; None: all of the network, so that there must be no other
        weights.

    Raises
    ------
    InputError : there is no layer to prune; the network does not use a layer's weights, or not as
        they are; it uses others.
    """
    layers = weighted_layers(module)
    if not layers:
        raise InputError(f"{source.title} must have a torch.nn.Conv2d or Linear to be pruned, and "
                         f"has none; leave out the section [prune]")
    rng = np.random.default_rng(0)
    zeros = {name: rng.random(tuple(layer.weight.shape)) < 0.5 for name, layer in layers.items()}
    marked = copy.deepcopy(module).eval()
    with torch.no_grad():
        for name, layer in weighted_layers(marked).items():
            layer.weight.copy_(torch.from_numpy(~zeros[name]))
    used: set[str] = set()
    others = []
    for node in source.graph(marked, example).nodes:
        if node.weight is not None:
            here = [name for name, mask in zeros.items()
                    if mask.shape == node.weight.shape and not node.weight[mask].any()]
            used.update(here)
            others += [] if here else [node.name]
    idle = [name for name in (layers if names is None else names) if name not in used]
    if idle or (others and names is None):
        raise InputError(
            f"{source.title} must compute with the weights of its Conv2d and Linear layers as "
            f"they are, to be pruned"
            + (f"; it does not with those of {', '.join(idle)}" if idle else "")
            + (f"; others, or what is made from these, are used in {', '.join(others)}"
               if others else ""))
