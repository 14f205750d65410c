# SPDX-License-Identifier: Apache-2.0
"""A trained ``nn.Sequential`` as a float graph, shared weights as codes and codebook."""
from collections import Counter
from collections.abc import Sequence

import numpy as np
from torch import nn
from torch.nn.utils import parametrize

from ..core.errors import InputError
from .float_graph import FloatGraph, Node
from .prune import WEIGHTED
from .share import shared

__all__ = ["sequential_graph"]


def sequential_graph(model: nn.Sequential, *, name: str, shape: tuple[int, ...],
                     layer_names: Sequence[str]) -> FloatGraph:
    """The chain's graph; other modules than layers with weights are called by kind and number.

    Parameters
    ----------
    model : convolutions, linear layers, ReLUs, largest and average pools, flattening, in any
        order that fits; an ``Unflatten`` in front is what ``shape`` says.
    shape : of one input: channels, height, width; or length.
    layer_names : of the layers with weights, in order.

    Raises
    ------
    InputError : modules or options that a graph cannot hold, all of them at once; more or fewer
        names than layers; shapes that do not fit.
    """
    modules = [(place, module) for place, module in model.named_children()
               if not (place == "0" and isinstance(module, nn.Unflatten)
                       and tuple(module.unflattened_size) == tuple(shape))]
    problems = [f"{place} ({_kind(module).__name__}): {problem}" for place, module in modules
                if (problem := _problem(module))]
    if problems:
        raise InputError(f"network {name!r} cannot become a graph: {'; '.join(problems)}")
    count = sum(isinstance(module, WEIGHTED) for _, module in modules)
    if len(layer_names) != count:
        raise InputError(f"layer_names must name {count} layers, not {tuple(layer_names)!r}")
    names, numbers = iter(layer_names), Counter[str]()
    nodes = [Node(name="data", op="input", shape=tuple(shape))]
    for _, module in modules:
        op, fields = _FIELDS[_kind(module)](module)
        kind = op.removeprefix("max_").removeprefix("avg_")
        numbers[kind] += 1
        nodes.append(Node(
            name=next(names) if isinstance(module, WEIGHTED) else f"{kind}{numbers[kind]}",
            op=op, inputs=(nodes[-1].name,), **fields))
    return FloatGraph(name=name, nodes=tuple(nodes))


def _kind(module: nn.Module) -> type[nn.Module]:
    """A module's class; that of a shared layer is what it was before."""
    return parametrize.type_before_parametrizations(module)


def _problem(module: nn.Module) -> str:
    """Why a graph cannot hold a module; empty if it can."""
    if _kind(module) not in _FIELDS:
        return "no such operator"
    if getattr(module, "dilation", 1) not in (1, (1, 1)):
        return f"dilation must be 1, not {module.dilation}"
    if isinstance(module, nn.Conv2d) and (isinstance(module.padding, str)
                                          or module.padding_mode != "zeros"):
        return f"padding must be numbers of zeros, not {module.padding!r} {module.padding_mode}"
    if isinstance(module, nn.AvgPool2d) and module.divisor_override is not None:
        return f"divisor_override must be None, not {module.divisor_override}"
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        return "it must flatten all dimensions but the batch"
    return ""


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _weights(layer: nn.Conv2d | nn.Linear) -> dict:
    """Weight and bias; codes and codebook where they are shared."""
    bias = None if layer.bias is None else layer.bias.detach().numpy().copy()
    if not parametrize.is_parametrized(layer, "weight"):
        return {"weight": layer.weight.detach().numpy().copy(), "bias": bias}
    codes, codebook = shared(layer)
    table = codebook.astype(np.float32)
    return {"weight": table[codes], "bias": bias, "codes": codes.astype(np.uint8),
            "codebook": table}


def _conv(module: nn.Conv2d) -> tuple[str, dict]:
    return "conv", _weights(module) | {"kernel": _pair(module.kernel_size), "groups": module.groups,
                                       "stride": _pair(module.stride), "pad": _pair(module.padding)}


def _pool(module: nn.MaxPool2d | nn.AvgPool2d) -> tuple[str, dict]:
    fields = {"kernel": _pair(module.kernel_size), "stride": _pair(module.stride),
              "pad": _pair(module.padding), "ceil": module.ceil_mode}
    if isinstance(module, nn.MaxPool2d):
        return "max_pool", fields
    return "avg_pool", fields | {"pad_counts": module.count_include_pad}


_FIELDS = {nn.Conv2d: _conv, nn.MaxPool2d: _pool, nn.AvgPool2d: _pool,
           nn.Linear: lambda module: ("linear", _weights(module)),
           nn.ReLU: lambda module: ("relu", {}),
           nn.Flatten: lambda module: ("flatten", {})}
