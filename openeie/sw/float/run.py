# SPDX-License-Identifier: Apache-2.0
"""A float graph executed with torch, for comparison and for choosing scales."""
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from ...core.errors import InputError
from ..host_memory import memory_bytes
from .graph import FloatGraph, Node

__all__ = ["run_float", "outputs_of"]

_FLOAT_BYTES = 4


def run_float(graph: FloatGraph, x: np.ndarray) -> np.ndarray:
    """Outputs float32 [batch, ...] of the last node for inputs x [batch, ...].

    Raises
    ------
    InputError : as :func:`outputs_of`.
    """
    return next(value for node, value in outputs_of(graph, x) if node.name == graph.output)


def outputs_of(graph: FloatGraph, x: np.ndarray) -> Iterator[tuple[Node, np.ndarray]]:
    """Every node with its output float32 [batch, ...], in order, for inputs x [batch, ...].

    Outputs are dropped from memory once their last reader is done.

    Raises
    ------
    InputError : x has another shape than the network takes, or a layer would exceed the memory.
    """
    shape = graph.shapes[graph.input.name]
    if x.shape[1:] != shape:
        raise InputError(f"network {graph.name!r} takes inputs of shape "
                         f"[batch, {', '.join(map(str, shape))}], not {list(x.shape)}")
    last_reader: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        last_reader |= dict.fromkeys(node.inputs, number)
    _check_memory(graph, len(x))
    values: dict[str, torch.Tensor] = {}
    for number, node in enumerate(graph.nodes):
        # Not around the yield: of two interleaved runs, the last would leave torch in this mode.
        with torch.inference_mode():
            if node.op == "input":
                value = torch.from_numpy(np.ascontiguousarray(x, np.float32))
            else:
                inputs = [values[name] for name in node.inputs]
                value = _OPERATORS[node.op](node, *inputs)
        values[node.name] = value
        for name in node.inputs:
            if last_reader[name] == number:
                values.pop(name, None)
        yield node, value.numpy()


def _check_memory(graph: FloatGraph, batch: int) -> None:
    """Refuse, before anything is computed, a layer that would not fit into the memory."""
    shapes = graph.shapes
    for node in graph.nodes:
        values = sum(math.prod(shapes[name]) for name in (node.name, *node.inputs))
        size = _FLOAT_BYTES * batch * values
        if size > memory_bytes():
            raise InputError(f"network {graph.name!r}: node {node.name!r} needs {size:,} bytes for "
                             f"{batch:,} inputs at once, and this machine has "
                             f"{memory_bytes():,}; give fewer inputs, or smaller ones")


def _tensor(array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(np.array(array, np.float32))


def _average(node: Node, x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, node.kernel, node.stride, node.pad, ceil_mode=node.ceil,
                        count_include_pad=node.pad_counts)


_OPERATORS: dict[str, Callable[..., torch.Tensor]] = {
    "conv": lambda node, x: F.conv2d(x, _tensor(node.weight), _tensor(node.bias),
                                     stride=node.stride, padding=node.pad, groups=node.groups),
    "linear": lambda node, x: F.linear(x, _tensor(node.weight), _tensor(node.bias)),
    "max_pool": lambda node, x: F.max_pool2d(x, node.kernel, node.stride, node.pad,
                                             ceil_mode=node.ceil),
    "avg_pool": _average,
    "global_avg_pool": lambda node, x: x.mean(dim=(2, 3), keepdim=True),
    "relu": lambda node, x: F.relu(x),
    "flatten": lambda node, x: x.flatten(1),
    "concat": lambda node, *inputs: torch.cat(inputs, dim=1),
    "add": lambda node, a, b: a + b,
}
