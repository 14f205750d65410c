# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the integer network that the array runs: fusion, scales, layouts."""
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.fixed import int_range
from ..core.graph import INPUT, Layer, Network
from .float_graph import FloatGraph, Node
from .float_run import outputs_of
from .quantise import activation_scale
from .quantise_layers import layer_window, make_add, make_matrix, make_pool

__all__ = ["quantise_graph"]

_FUSED = ("relu", "flatten", "concat")


def quantise_graph(graph: FloatGraph, calibration: np.ndarray, *, input_range: tuple[int, int],
                   input_scale: float = 1.0, act_width: int = 16, acc_width: int = 48,
                   encoding: str = "codebook") -> Network:
    """The integer network that computes what ``graph`` computes.

    Convolutions, linear layers and additions take the ReLU behind them, flattening and
    concatenation become addresses, and maps turn from (channel, row, column) to (row, column,
    channel) order. Convolutions whose groups have one channel and one output become depthwise.
    Activations take the power of two that leaves a factor of two above the largest magnitude
    seen on the calibration inputs, one for all parts of a concatenation; weights the largest
    scale at which no input in range can overflow an accumulator of ``acc_width`` bits.

    Parameters
    ----------
    calibration : float inputs [batch, ...] like those the network will see.
    input_range : smallest and largest integer input.
    input_scale : what one unit of an integer input is worth to ``graph``.
    encoding : ``codebook`` or ``huffman``, of the layers whose weights are shared.

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
    layers: list[Layer] = []
    for one in fused:
        fields = {"name": one.node.name, "relu": one.relu, "sources": one.sources,
                  "output_scale": scales[one.node.name]}
        source_scales = [scales[name] for name in one.sources]
        largest = max(high[name] for name in one.sources)
        if one.node.op.endswith("pool"):
            layers.append(make_pool(graph, one.node, source_scales[0], fields))
        elif one.node.op == "add":
            layers.append(make_add(graph, one.node, source_scales, fields, largest, acc_width))
        else:
            layers.append(make_matrix(graph, one.node, source_scales[0], fields, largest,
                                      acc_width, encoding))
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

    @property
    def group(self) -> tuple[str, ...]:
        """What it reads side by side, and so at one scale."""
        return self.sources if self.node.op != "add" else ()


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
        if node.op == "add" and any(nodes[name].op == "concat" for name in node.inputs):
            problems.append(f"node {node.name!r}: an addition that reads a concatenation")
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
    window = layer_window(node, shape)
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
    groups = {name: one.sources for one in fused for name in one.group if len(one.group) > 1}
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
        parts = {scales[name] for name in one.group}
        if len(parts) > 1 or (one.node.op == "max_pool"
                              and scales[one.sources[0]] != scales[one.node.name]):
            raise InputError(f"node {one.node.name!r}: what a pool passes on is concatenated with "
                             f"activations of another scale")
    return scales
