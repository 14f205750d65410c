# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the integer network that the array runs: fusion, scales, layouts."""
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.fixed import BIAS_BITS, int_range, quantise_scale
from ..core.graph import INPUT, Conv, Linear, Network, Pool
from ..core.weights import SparseWeights
from ..core.window import Window
from .float_graph import FloatGraph, Node, pooled_size
from .float_run import outputs_of
from .quantise import activation_scale

__all__ = ["quantise_graph"]

_WEIGHT_BITS = 15           # magnitude of the largest weight of a layer, at most
_FUSED = ("relu", "flatten", "concat")


def quantise_graph(graph: FloatGraph, calibration: np.ndarray, *, input_range: tuple[int, int],
                   input_scale: float = 1.0, act_width: int = 16, acc_width: int = 48) -> Network:
    """The integer network that computes what ``graph`` computes.

    Convolutions and linear layers take the ReLU behind them, flattening and concatenation become
    addresses, and maps turn from (channel, row, column) to (row, column, channel) order.
    Activations take the power of two that leaves a factor of two above the largest magnitude
    seen on the calibration inputs, one for all parts of a concatenation; weights the largest
    scale at which no input in range can overflow an accumulator of ``acc_width`` bits.

    Parameters
    ----------
    calibration : float inputs [batch, ...] like those the network will see.
    input_range : smallest and largest integer input.
    input_scale : what one unit of an integer input is worth to ``graph``.

    Raises
    ------
    InputError : everything in the graph that cannot be done, at once; or sums that no scale
        keeps inside the accumulator.
    """
    problems = _unsupported(graph)
    if problems:
        raise InputError(f"network {graph.name!r} cannot be run on an array: "
                         + "; ".join(problems))
    fused = _fuse(graph)
    scales = _scales(graph, fused, calibration, input_scale, act_width)
    high = {INPUT: max(abs(input_range[0]), abs(input_range[1]))}
    layers: list[Linear | Pool] = []
    for one in fused:
        fields = {"name": one.node.name, "relu": one.relu, "sources": one.sources,
                  "output_scale": scales[one.node.name]}
        source_scale = scales[one.sources[0]]
        if one.node.op.endswith("pool"):
            layers.append(_pool(graph, one.node, source_scale, fields))
        else:
            largest = max(high[name] for name in one.sources)
            layers.append(_matrix(graph, one.node, source_scale, fields, largest, acc_width))
        high[one.node.name] = int_range(act_width)[1] + (not one.relu)
    return Network(name=graph.name, layers=tuple(layers), act_width=act_width,
                   input_range=input_range, input_scale=input_scale,
                   provenance=dict(graph.provenance))


@dataclass(frozen=True, kw_only=True)
class _Fused:
    """A node with the ReLU behind it, and the nodes it reads once fusion is done."""
    node: Node
    relu: bool
    sources: tuple[str, ...]


def _unsupported(graph: FloatGraph) -> list[str]:
    """What of the graph the array cannot do."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    nodes = {node.name: node for node in graph.nodes}
    problems = []
    for node in graph.nodes:
        before = nodes[node.inputs[0]] if node.inputs else node
        if node.op == "add":
            problems.append(f"node {node.name!r}: element-wise addition")
        if node.op == "relu" and (before.op in ("input", *_FUSED)
                                  or len(readers[before.name]) > 1):
            problems.append(f"node {node.name!r}: a ReLU that does not directly follow a layer, "
                            f"or is not its only reader")
        if node.op == "avg_pool" and not _even_average(node, graph.shapes[node.inputs[0]]):
            problems.append(f"node {node.name!r}: an average whose windows do not all have the "
                            f"same number of elements")
        if node.op == "flatten" and len(readers.get(node.name, ())) and any(
                reader.op != "linear" for reader in readers[node.name]):
            problems.append(f"node {node.name!r}: a flattened map that is read by another than a "
                            f"linear layer")
    if graph.nodes[-1].op in ("concat", "input"):
        problems.append(f"node {graph.output!r}: {graph.nodes[-1].op} cannot be the output")
    return problems


def _even_average(node: Node, shape: tuple[int, ...]) -> bool:
    """Whether every window of an average has as many elements as its kernel."""
    window = _window(node, shape)
    return window.pad[2:] == node.pad and (node.pad == (0, 0) or node.pad_counts)


def _fuse(graph: FloatGraph) -> list[_Fused]:
    """The layers that are left, in order, with what they read."""
    relus = {node.inputs[0] for node in graph.nodes if node.op == "relu"}
    stands_for: dict[str, tuple[str, ...]] = {}
    fused = []
    for node in graph.nodes:
        sources = tuple(part for name in node.inputs for part in stands_for[name])
        if node.op in _FUSED:
            stands_for[node.name] = sources
            continue
        stands_for[node.name] = (INPUT,) if node.op == "input" else (node.name,)
        if node.op != "input":
            fused.append(_Fused(node=node, relu=node.name in relus, sources=sources))
    return fused


def _scales(graph: FloatGraph, fused: list[_Fused], calibration: np.ndarray, input_scale: float,
            act_width: int) -> dict[str, float]:
    """What one unit of each layer's output is worth."""
    largest = {node.name: float(np.abs(value).max())
               for node, value in outputs_of(graph, calibration)}
    relus = {node.inputs[0]: node.name for node in graph.nodes if node.op == "relu"}
    scales = {INPUT: input_scale}
    groups = {name: one.sources for one in fused for name in one.sources if len(one.sources) > 1}
    by_name = {one.node.name: one for one in fused}

    def scale(name: str) -> float:
        """Found once for a layer and those that it is concatenated with."""
        if name in scales:
            return scales[name]
        group = groups.get(name, (name,))
        found = []
        for part in group:
            one = by_name[part]
            found.append(scale(one.sources[0]) if one.node.op == "max_pool" else activation_scale(
                largest[relus.get(part, part)], act_width))
        scales.update(dict.fromkeys(group, max(found)))
        return scales[name]
    for one in fused:
        scale(one.node.name)
        parts = {scales[name] for name in one.sources}
        if len(parts) > 1 or (one.node.op == "max_pool"
                              and scales[one.sources[0]] != scales[one.node.name]):
            raise InputError(f"node {one.node.name!r}: what a pool passes on is concatenated with "
                             f"activations of another scale")
    return scales


def _window(node: Node, shape: tuple[int, ...]) -> Window:
    """The node's window over a map (channels, height, width); what sticks out is padding."""
    channels, height, width = shape
    if node.op == "global_avg_pool":
        return Window(height=height, width=width, channels=channels, kernel=(height, width))
    after = []
    for size, kernel, stride, pad in zip((height, width), node.kernel, node.stride, node.pad):
        count = pooled_size(size, kernel, stride, pad, node.ceil)
        after.append(max((count - 1) * stride + kernel - size - pad,
                         0 if node.ceil else pad))
    return Window(height=height, width=width, channels=channels, kernel=node.kernel,
                  stride=node.stride, pad=(*node.pad, after[0], after[1]))


def _pool(graph: FloatGraph, node: Node, source_scale: float, fields: dict) -> Pool:
    window = _window(node, graph.shapes[node.inputs[0]])
    if node.op == "max_pool":
        return Pool(window=window, reduce="max", **fields)
    elements = window.kernel[0] * window.kernel[1]
    multiplier, shift = quantise_scale(source_scale / elements / fields["output_scale"])
    return Pool(window=window, reduce="sum", multiplier=multiplier, shift=shift, **fields)


def _matrix(graph: FloatGraph, node: Node, source_scale: float, fields: dict, largest: int,
            acc_width: int) -> Linear:
    """A convolution or linear layer with the finest weights that the accumulator allows."""
    shape = _map_shape(graph, node)
    values = _columns(node, node.weight, shape)
    codes = None if node.codes is None else _columns(node, node.codes, shape)
    magnitude = float(np.abs(values).max()) or 1.0
    heaviest = float(np.abs(values).sum(axis=1).max()) / magnitude      # in largest weights
    room = int_range(acc_width)[1] // 2                     # the rest is for the bias
    levels = min((1 << _WEIGHT_BITS) - 1, int(room / max(heaviest * largest * 1.01, 1)))
    if levels < 3:
        raise InputError(f"node {node.name!r}: its sums need more than the {acc_width} bits of "
                         f"an accumulator")
    weight_scale = magnitude / levels
    unit = weight_scale * source_scale
    outputs = len(values)
    bias = np.rint((np.zeros(outputs) if node.bias is None else node.bias.astype(np.float64))
                   / unit)
    limit = min(int_range(BIAS_BITS)[1], room)
    if np.abs(bias).max() > limit:
        raise InputError(f"node {node.name!r}: its bias must not exceed {limit * unit:g}, "
                         f"{limit:,} units of the accumulator, and has "
                         f"{np.abs(bias).max() * unit:g}")
    multiplier, shift = quantise_scale(unit / fields["output_scale"])
    if codes is not None:
        table = np.rint(node.codebook.astype(np.float64) / weight_scale).astype(np.int64)
        weights, encoding = SparseWeights.from_codes(codes, table), "codebook"
    else:
        weights = SparseWeights.from_dense(np.rint(values / weight_scale).astype(np.int64))
        encoding = "csr"
    fields |= {"weights": weights, "encoding": encoding, "weight_scale": weight_scale,
               "bias": bias.astype(np.int64), "multiplier": np.full(outputs, multiplier),
               "shift": np.full(outputs, shift)}
    if node.op == "linear":
        return Linear(**fields)
    return Conv(window=_window(node, graph.shapes[node.inputs[0]]), **fields)


def _map_shape(graph: FloatGraph, node: Node) -> tuple[int, ...]:
    """Shape of the map that a flattened input of a linear layer was."""
    before = next(one for one in graph.nodes if one.name == node.inputs[0])
    while before.op in ("flatten", "relu"):
        before = next(one for one in graph.nodes if one.name == before.inputs[0])
    return graph.shapes[before.name]


def _columns(node: Node, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights or codes as a matrix [out, columns], columns in (row, column, channel) order."""
    if node.op == "linear":
        if len(shape) == 1:
            return array
        return array.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(len(array), -1)
    full = np.zeros((len(array), shape[0], *node.kernel), array.dtype)
    outputs, inputs = len(array) // node.groups, shape[0] // node.groups
    for group in range(node.groups):
        out, in_ = (slice(group * size, (group + 1) * size) for size in (outputs, inputs))
        full[out, in_] = array[out]
    return full.transpose(0, 2, 3, 1).reshape(len(array), -1)
