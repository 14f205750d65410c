# SPDX-License-Identifier: Apache-2.0
"""A float network as a graph of operators, in execution order, before quantisation."""
import math
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import numpy as np

from ...core.errors import InputError

__all__ = ["OPERATORS", "Node", "FloatGraph", "pooled_size", "shape_of",
           "loop_message"]

#: The operators, and how many inputs each takes (None: two or more).
OPERATORS = {"input": 0, "conv": 1, "linear": 1, "max_pool": 1, "avg_pool": 1, "global_avg_pool": 1,
             "relu": 1, "flatten": 1, "concat": None, "add": 2}

#: Most values of one tensor: 1,024 PEs with 2**20 activations each.
_MOST_VALUES = 1 << 30
_MOST_STEP = (1 << 16) - 1          # of kernel, stride and padding; torch has 32 bits for them

Pair = tuple[int, int]


def pooled_size(size: int, kernel: int, stride: int, pad: int, ceil: bool) -> int:
    """Number of window positions along one axis.

    With ``ceil`` the last window may extend beyond the padded input, as in Caffe and in torch's
    ``ceil_mode``, but must begin inside the input or its leading padding.
    """
    steps = size + 2 * pad - kernel
    if steps < 0:
        return 0
    count = (-(-steps // stride) if ceil else steps // stride) + 1
    if ceil and (count - 1) * stride >= size + pad:
        count -= 1
    return count


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operator on named tensors; a tensor is named after the node that computes it.

    Attributes
    ----------
    name : unique in its graph.
    op : one of ``OPERATORS``.
    inputs : names of the nodes it reads.
    shape : of an ``input`` without the batch, (channels, height, width) or (length,).
    kernel, stride, pad : of windows, (vertical, horizontal); ``pad`` applies to both sides.
    groups : of a convolution.
    ceil : pooling windows may extend beyond the end, see :func:`pooled_size`.
    pad_counts : the divisor of an average counts the padding, as in Caffe; never what lies beyond
        the padding.
    weight : float32 [out, in / groups, height, width] of a convolution, [out, in] of ``linear``.
    bias : float32 [out], or None.
    codes : uint8, shaped as ``weight``, if weights are shared: ``weight`` is ``codebook[codes]``.
    codebook : float32 [slots] of shared weights; slot 0 is 0.
    """
    name: str
    op: str
    inputs: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    groups: int = 1
    ceil: bool = False
    pad_counts: bool = False
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatGraph:
    """A float network: its nodes in execution order. The last node is the output.

    Raises
    ------
    InputError : lists all of: unknown operators, names used twice or before they are computed,
        shapes that do not fit, loops, and nodes that no other node reads.
    """
    name: str
    nodes: tuple[Node, ...]
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        problems, _ = self._walk
        if problems:
            raise InputError(f"network {self.name!r}: " + "; ".join(problems))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each node's output, without the batch."""
        return self._walk[1]

    @property
    def input(self) -> Node:
        """The one input."""
        return next(node for node in self.nodes if node.op == "input")

    @property
    def output(self) -> str:
        """Name of the last node."""
        return self.nodes[-1].name

    @property
    def parameters(self) -> int:
        """Number of weights and biases, zeros included."""
        count = 0
        for node in self.nodes:
            count += 0 if node.weight is None else node.weight.size
            count += 0 if node.bias is None else node.bias.size
        return count

    @cached_property
    def _walk(self) -> tuple[list[str], dict[str, tuple[int, ...]]]:
        """Everything that is wrong, and the shape of each node, () where it is unknown."""
        problems: list[str] = []
        shapes: dict[str, tuple[int, ...]] = {}
        if sum(node.op == "input" for node in self.nodes) != 1:
            problems.append("it must have exactly one input")
        for node in self.nodes:
            try:
                if node.name in shapes:
                    raise InputError("its name is used twice")
                unknown = [name for name in node.inputs if name not in shapes]
                if unknown:
                    raise InputError(f"it reads {unknown[0]!r}, which no node before it makes")
                shapes[node.name] = shape_of(node, [shapes[name] for name in node.inputs])
            except InputError as error:
                problems.append(f"node {node.name!r} ({node.op}): {error}")
                shapes.setdefault(node.name, ())
        read: set[str] = set().union(*(node.inputs for node in self.nodes))
        problems += self._loop()
        problems += [f"node {node.name!r}: nobody reads it" for node in self.nodes[:-1]
                     if node.name not in read]
        return problems, shapes

    def _loop(self) -> list[str]:
        """A message about a loop, if there is one."""
        try:
            TopologicalSorter({node.name: node.inputs for node in self.nodes}).prepare()
        except CycleError as error:
            return [loop_message(error)]
        return []


def loop_message(error: CycleError) -> str:
    """The message for nodes that read each other in a loop."""
    return f"nodes read each other in a loop: {' -> '.join(map(repr, error.args[1]))}"


def shape_of(node: Node, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Output shape of a node, without the batch; ``()`` if the shape of an input is unknown.

    Parameters
    ----------
    shapes : of its inputs, () where unknown.

    Raises
    ------
    InputError : an unknown operator; inputs, weights or a window that do not fit.
    """
    if node.op not in OPERATORS:
        raise InputError(f"unknown operator; known are {', '.join(OPERATORS)}")
    wanted = OPERATORS[node.op]
    if len(shapes) != wanted and not (wanted is None and len(shapes) >= 2):
        raise InputError(f"it takes {wanted or 'two or more'} inputs, not {len(shapes)}")
    if node.op == "input":
        if len(node.shape) not in (1, 3) or min(node.shape) < 1:
            raise InputError(f"its shape must be (channels, height, width) or (length,), "
                             f"not {node.shape}")
        _check_size(node.shape)
        return node.shape
    if () in shapes:
        return ()                       # the node that it reads was refused
    if node.op in ("conv", "max_pool", "avg_pool", "global_avg_pool", "concat") \
            and any(len(shape) != 3 for shape in shapes):
        raise InputError(f"it takes (channels, height, width), not {shapes[0]}")
    shape = _SHAPES[node.op](node, shapes)
    _check_size(shape)
    return shape


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > _MOST_VALUES:
        raise InputError(f"it has {' x '.join(map(str, shape))} values, more than the "
                         f"{_MOST_VALUES:,} that the largest array holds")


def _conv_shape(node: Node, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    channels = shapes[0][0]
    weight = node.weight
    if node.groups < 1 or channels % node.groups:
        raise InputError(f"groups must divide its {channels} channels, not {node.groups}")
    if weight is None or weight.ndim != 4 or weight.shape[0] % node.groups \
            or weight.shape[1:] != (channels // node.groups, *node.kernel):
        raise InputError(
            f"weights must have shape [out, {channels // node.groups}, {node.kernel[0]}, "
            f"{node.kernel[1]}], not {None if weight is None else list(weight.shape)}")
    _check_bias(node, weight.shape[0])
    return (weight.shape[0], *_window(node, shapes[0]))


def _linear_shape(node: Node, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    weight = node.weight
    inputs = shapes[0]
    if len(inputs) != 1:
        raise InputError(f"it takes a vector, not {inputs}; flatten it first")
    if weight is None or weight.ndim != 2 or weight.shape[1] != inputs[0]:
        raise InputError(f"weights must have shape [out, {inputs[0]}], "
                         f"not {None if weight is None else list(weight.shape)}")
    _check_bias(node, weight.shape[0])
    return (weight.shape[0],)


def _check_bias(node: Node, outputs: int) -> None:
    if node.bias is not None and node.bias.shape != (outputs,):
        raise InputError(f"bias must have shape [{outputs}], not {list(node.bias.shape)}")


def _window(node: Node, shape: tuple[int, ...]) -> Pair:
    """Height and width of what a window computes from a map (channels, height, width)."""
    if node.op != "conv" and any(2 * pad > kernel for kernel, pad in zip(node.kernel, node.pad)):
        raise InputError(f"a pool's padding must be at most half its kernel {node.kernel}, "
                         f"not {node.pad}")
    if max(*node.kernel, *node.stride, *node.pad) > _MOST_STEP:
        raise InputError(f"kernel, stride and padding must be at most {_MOST_STEP:,}, "
                         f"not {node.kernel}, {node.stride} and {node.pad}")
    sizes = [0, 0]
    if min(*node.kernel, *node.stride) > 0 and min(node.pad) >= 0:
        sizes = [pooled_size(size, kernel, stride, pad, node.ceil) for size, kernel, stride, pad
                 in zip(shape[1:], node.kernel, node.stride, node.pad)]
    if min(sizes) < 1:
        raise InputError(f"a window of {node.kernel}, stride {node.stride}, padding {node.pad} "
                         f"does not fit {shape[1]} x {shape[2]}")
    return sizes[0], sizes[1]


def _concat_shape(node: Node, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    if len({shape[1:] for shape in shapes}) != 1:
        raise InputError(f"its inputs must have one height and width, not {shapes}")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def _add_shape(node: Node, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    if shapes[0] != shapes[1]:
        raise InputError(f"its inputs must have one shape, not {shapes[0]} and {shapes[1]}")
    return shapes[0]


_SHAPES = {
    "conv": _conv_shape,
    "linear": _linear_shape,
    "max_pool": lambda node, shapes: (shapes[0][0], *_window(node, shapes[0])),
    "avg_pool": lambda node, shapes: (shapes[0][0], *_window(node, shapes[0])),
    "global_avg_pool": lambda node, shapes: (shapes[0][0], 1, 1),
    "relu": lambda node, shapes: shapes[0],
    "flatten": lambda node, shapes: (math.prod(shapes[0]),),
    "concat": _concat_shape,
    "add": _add_shape,
}
