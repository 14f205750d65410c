# SPDX-License-Identifier: Apache-2.0
"""Float operators as torch modules to train, and back: shared weights as codes."""
from dataclasses import replace

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
    """A float graph as a module with its weights, which are copied: its layers are called as the
    graph's nodes.

    Takes float32 [batch, ...] of the graph's input, gives the last node's output.

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
            self._steps.append((plain, made))       # a list, so that it is no child
        self._readers = {name: number for number, (node, _) in enumerate(self._steps)
                         for name in node.inputs}

    def _place(self, name: str, layer: nn.Module) -> None:
        """Makes the layer a child at a dotted path, as it was in the module it comes from."""
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
                if self._readers[name] == number:
                    values.pop(name, None)
        return value


def chain_of(module: GraphModule) -> list[tuple[str, nn.Module]]:
    """Its modules in order, by their nodes' names; none where nodes do not read the one before
    them, and it alone. No method: a layer may be called as one likes."""
    steps = module._steps
    if any(node.inputs != (before.name,) for (before, _), (node, _) in zip(steps, steps[1:])):
        return []
    return [(node.name, made[0]) for node, made in steps[1:]]


def _add(parent: nn.Module, name: str, child: nn.Module) -> None:
    """Adds a child; torch refuses names that a module has already, or that are empty."""
    try:
        parent.add_module(name, child)
    except KeyError as error:
        raise InputError(f"a layer of a network to train must not be called {name!r}, a name that "
                         f"torch uses; rename it") from error


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
    bias = None if layer.bias is None else layer.bias.detach().cpu().numpy().copy()
    if not parametrize.is_parametrized(layer, "weight"):
        return {"weight": layer.weight.detach().cpu().numpy().copy(), "bias": bias,
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
