# SPDX-License-Identifier: Apache-2.0
"""A chain of float operators as torch modules to train, and back: shared weights as codes."""
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from ..core.errors import InputError
from .float_graph import FloatGraph, Node
from .compress.prune import weighted_layers
from .compress.share import shared

__all__ = ["to_module", "with_weights"]


def to_module(graph: FloatGraph) -> nn.Sequential:
    """The graph as modules called as its nodes, with its weights, which are copied.

    The module takes float32 [batch, n], each input flat in the order of the graph's shape.

    Raises
    ------
    InputError : the graph is no chain, or has an operator that reads several inputs; all such
        nodes are named.
    """
    wrong = [f"{node.name!r} ({node.op})" for before, node in zip(graph.nodes, graph.nodes[1:])
             if node.inputs != (before.name,)]
    if wrong or graph.nodes[0].op != "input":
        raise InputError(f"network {graph.name!r} must be a chain to be trained; these do not read "
                         f"the node before them, and it alone: {', '.join(wrong) or 'the input'}")
    return nn.Sequential(OrderedDict(
        (node.name, _MODULES[node.op](node)) for node in graph.nodes))


def with_weights(graph: FloatGraph, model: nn.Module) -> FloatGraph:
    """The graph with the weights of modules called as its nodes, shared ones as codes and
    codebook.

    Raises
    ------
    InputError : a node with weights has no module, or the shapes of its weights do not fit.
    """
    layers = weighted_layers(model)
    missing = [node.name for node in graph.nodes if node.weight is not None
               and node.name not in layers]
    if missing:
        raise InputError(f"network {graph.name!r}: no module is called {', '.join(missing)}; "
                         f"there are {', '.join(layers)}")
    return replace(graph, nodes=tuple(
        node if node.weight is None else replace(node, **_weights(layers[node.name]))
        for node in graph.nodes))


def _weights(layer: nn.Conv2d | nn.Linear) -> dict:
    """Weight and bias; codes and codebook where they are shared."""
    bias = None if layer.bias is None else layer.bias.detach().numpy().copy()
    if not parametrize.is_parametrized(layer, "weight"):
        return {"weight": layer.weight.detach().numpy().copy(), "bias": bias,
                "codes": None, "codebook": None}
    codes, codebook = shared(layer)
    table = codebook.astype(np.float32)
    return {"weight": table[codes], "bias": bias, "codes": codes.astype(np.uint8),
            "codebook": table}


def _filled(layer: nn.Conv2d | nn.Linear, node: Node) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(node.weight))
        if node.bias is not None:
            layer.bias.copy_(torch.tensor(node.bias))
    return layer


def _conv(node: Node) -> nn.Module:
    out, in_ = node.weight.shape[:2]
    return _filled(nn.Conv2d(in_ * node.groups, out, node.kernel, node.stride, node.pad,
                             groups=node.groups, bias=node.bias is not None), node)


_MODULES = {
    "input": lambda node: nn.Unflatten(1, node.shape),
    "conv": _conv,
    "linear": lambda node: _filled(nn.Linear(node.weight.shape[1], len(node.weight),
                                             bias=node.bias is not None), node),
    "max_pool": lambda node: nn.MaxPool2d(node.kernel, node.stride, node.pad,
                                          ceil_mode=node.ceil),
    "avg_pool": lambda node: nn.AvgPool2d(node.kernel, node.stride, node.pad, ceil_mode=node.ceil,
                                          count_include_pad=node.pad_counts),
    "global_avg_pool": lambda node: nn.AdaptiveAvgPool2d(1),
    "relu": lambda node: nn.ReLU(),
    "flatten": lambda node: nn.Flatten(),
}
