# SPDX-License-Identifier: Apache-2.0
"""A float graph as a torch module to train, and the trained weights back in the graph."""
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...core.errors import InputError
from ..float.graph import FloatGraph, Node
from .methods.prune import weighted_layers
from .methods.share import shared

__all__ = ["GraphModule", "chain_of", "with_weights"]


class GraphModule(nn.Module):
    """A float graph as a module, with a copy of the graph's weights. Its layers have the names of
    the graph's nodes.

    Takes float32 [batch, ...] of the graph's input, and returns the last node's output.

    Raises
    ------
    InputError : a node has a name that torch does not allow.
    """
    def __init__(self, graph: FloatGraph) -> None:
        super().__init__()
        self._steps: list[tuple[Node, list[nn.Module]]] = []
        for node in graph.nodes:
            plain = replace(node, weight=None, bias=None, codes=None, codebook=None)
            made = [_MODULES[node.op](node)] if node.op in _MODULES else []
            if node.weight is not None:
                self._place(node.name, made[0])
            self._steps.append((plain, made))       # in a list, torch does not see it as a child
        self._last_reader: dict[str, int] = {}
        for number, (node, _) in enumerate(self._steps):
            self._last_reader |= dict.fromkeys(node.inputs, number)

    def _place(self, name: str, layer: nn.Module) -> None:
        """Add the layer as a child at its dotted path, where the original module had it."""
        *path, last = name.split(".")
        parent: nn.Module = self
        for part in path:
            child = parent._modules.get(part)
            if child is None:
                child = nn.Module()
                _add(parent, part, child)
            parent = child
        _add(parent, last, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Output of the last node."""
        values: dict[str, Tensor] = {}
        value = x
        for number, (node, made) in enumerate(self._steps):
            inputs = [values[name] for name in node.inputs]
            if node.op == "input":
                value = x
            elif node.op == "concat":
                value = torch.cat(inputs, dim=1)
            elif node.op == "add":
                value = inputs[0] + inputs[1]
            else:
                value = made[0](inputs[0])
            values[node.name] = value
            for name in node.inputs:
                if self._last_reader[name] == number:
                    values.pop(name, None)
        return value


def chain_of(module: GraphModule) -> list[tuple[str, nn.Module]]:
    """The module's layers in order, by name; an empty list if a node reads anything but the one
    before it. Not a method, because a layer might have the method's name."""
    steps = module._steps
    if any(node.inputs != (before.name,) for (before, _), (node, _) in zip(steps, steps[1:])):
        return []
    return [(node.name, made[0]) for node, made in steps[1:]]


def _add(parent: nn.Module, name: str, child: nn.Module) -> None:
    """Add a child; torch refuses empty names and those of a module's attributes."""
    try:
        parent.add_module(name, child)
    except KeyError as error:
        raise InputError(f"a layer of a network to train must not be called {name!r}, a name that "
                         f"torch uses; rename it") from error


def with_weights(graph: FloatGraph, model: nn.Module) -> FloatGraph:
    """The graph with the weights of a model's layers, found by the nodes' names; shared weights as
    codes and codebook.

    Raises
    ------
    InputError : a node with weights has no layer, or the shapes of its weights do not fit.
    """
    layers = weighted_layers(model)
    missing = [node.name for node in graph.nodes if node.weight is not None
               and node.name not in layers]
    if missing:
        raise InputError(f"network {graph.name!r}: no module is called {', '.join(missing)}; "
                         f"there are {', '.join(layers)}")
    nodes = [node if node.weight is None else replace(node, **_weights(layers[node.name]))
             for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


def _weights(layer: nn.Conv2d | nn.Linear) -> dict[str, Any]:
    """Weight, bias, codes and codebook of a layer as a node has them."""
    bias = None if layer.bias is None else layer.bias.detach().cpu().numpy().copy()
    if not parametrize.is_parametrized(layer, "weight"):
        return {"weight": layer.weight.detach().cpu().numpy().copy(), "bias": bias,
                "codes": None, "codebook": None}
    codes, codebook = shared(layer)
    table = codebook.astype(np.float32)
    return {"weight": table[codes], "bias": bias, "codes": codes.astype(np.uint8),
            "codebook": table}


def _filled(layer: nn.Conv2d | nn.Linear, node: Node) -> nn.Module:
    """The layer with a node's weights."""
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(node.weight))
        if node.bias is not None:
            layer.bias.copy_(torch.tensor(node.bias))
    return layer


def _conv(node: Node) -> nn.Module:
    out, in_ = node.weight.shape[:2]
    return _filled(nn.Conv2d(in_ * node.groups, out, node.kernel, node.stride, node.pad,
                             groups=node.groups, bias=node.bias is not None), node)


def _linear(node: Node) -> nn.Module:
    out, in_ = node.weight.shape
    return _filled(nn.Linear(in_, out, bias=node.bias is not None), node)


#: Modules by operator.
_MODULES: dict[str, Callable[[Node], nn.Module]] = {
    "conv": _conv,
    "linear": _linear,
    "max_pool": lambda node: nn.MaxPool2d(node.kernel, node.stride, node.pad,
                                          ceil_mode=node.ceil),
    "avg_pool": lambda node: nn.AvgPool2d(node.kernel, node.stride, node.pad, ceil_mode=node.ceil,
                                          count_include_pad=node.pad_counts),
    "global_avg_pool": lambda node: nn.AdaptiveAvgPool2d(1),
    "relu": lambda node: nn.ReLU(),
    "flatten": lambda node: nn.Flatten(),
}
