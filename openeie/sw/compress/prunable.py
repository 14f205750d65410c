# SPDX-License-Identifier: Apache-2.0
"""Check that the weights to be pruned are really used, unmodified, by the forward pass."""
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
    """Refuse layers whose weights the network does not use, or not unmodified.

    In a copy of the module each layer's weights become ones and zeros in a random pattern; the
    copy's graph must have these zeros in its nodes.

    Parameters
    ----------
    example : float inputs [batch, ...].
    names : the layers to prune. None: all layers, and then the network must use no other weights.

    Raises
    ------
    InputError : there is no layer to prune; the network does not use a layer's weights, or
        modifies them; it uses other weights.
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
        if node.weight is None:
            continue
        here = [name for name, mask in zeros.items()
                if mask.shape == node.weight.shape and not node.weight[mask].any()]
        used.update(here)
        if not here:
            others.append(node.name)
    idle = [name for name in (layers if names is None else names) if name not in used]
    if idle or (others and names is None):
        message = (f"{source.title} must use the weights of its Conv2d and Linear layers "
                   f"unmodified, to be pruned")
        if idle:
            message += f"; it does not use those of {', '.join(idle)}"
        if others:
            message += f"; others, or modified ones, are used in {', '.join(others)}"
        raise InputError(message)
