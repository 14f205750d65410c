# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the integer network that the array runs: fusion, scales, order of maps."""
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import InputError, NumericWarning
from ...core.network.graph import INPUT, Layer, Network
from ...core.numbers.fixed import int_range
from ..float.graph import FloatGraph, Node
from ..float.run import outputs_of
from .equalise import equalised
from .layers import averaged, make_add, make_matrix, make_pool
from .measure import measure
from .options import QuantiseOptions
from .report import QuantiseReport
from .scales import group_scales, joined

__all__ = ["check_graph", "quantise_graph"]

_FUSED = ("relu", "flatten", "concat")


def quantise_graph(graph: FloatGraph, calibration: np.ndarray, *, input_range: tuple[int, int],
                   input_scale: float = 1.0, act_width: int = 16, acc_width: int = 48,
                   encoding: str | None = "codebook",
                   report: Callable[[QuantiseReport], object] | None = None) -> Network:
    """The integer network that computes what ``graph`` computes.

    A ReLU becomes part of the layer before it, and flattening and concatenation become addresses.
    Maps change from (channel, row, column) to (row, column, channel) order. Convolutions whose
    groups have one channel and one output become depthwise.

    The scale of activations is the power of two that leaves a factor of two above the largest
    magnitude seen on the calibration inputs. The parts of a concatenation share one scale, and so
    do a max pool and what it reads; with the network's input among them, it is the input's.
    Channels that are much smaller than the others are equalised
    (:mod:`~openeie.sw.quantise.equalise`): their scale is finer by a power of two.

    The scale of weights is the finest at which no input in range can overflow an accumulator of
    ``acc_width`` bits, bias included: one for a layer's shared weights, otherwise one per row.

    Parameters
    ----------
    calibration : float inputs [batch, ...] like those that the network will see.
    input_range : smallest and largest integer input.
    input_scale : value of one unit of an integer input to ``graph``.
    act_width, acc_width : bits of activations, 8 or 16, and of accumulators, 16 .. 48.
    encoding : ``codebook``, ``huffman`` or ``csr``, of layers with shared weights; None is
        ``codebook``.
    report : called with each layer's error on calibration inputs, before this function warns.

    Warns
    -----
    NumericWarning : names layers and channels that lose much, see
        :attr:`~openeie.sw.quantise.report.QuantiseReport.warnings`.

    Raises
    ------
    InputError : an option out of range; operators or structures that an array cannot run, all
        listed at once; or sums that no scale keeps inside the accumulator.
    """
    options = QuantiseOptions(input_range=input_range, input_scale=input_scale,
                              act_width=act_width, acc_width=acc_width, encoding=encoding)
    calibration = options.calibration(calibration)
    network, found = _quantise(_single_relus(graph), calibration, options)
    if report is not None:
        report(found)
    for message in found.warnings:
        warnings.warn(message, NumericWarning, stacklevel=3)     # the caller of openeie.quantise
    return network


def check_graph(graph: FloatGraph) -> None:
    """Refuse a graph that an array cannot run, whatever its weights are.

    Raises
    ------
    InputError : lists every operator and structure that an array cannot run.
    """
    _check(_single_relus(graph))


def _check(graph: FloatGraph) -> None:
    problems = _unsupported(graph)
    if problems:
        raise InputError(f"network {graph.name!r} cannot be run on an array: "
                         + "; ".join(problems))


def _quantise(graph: FloatGraph, calibration: np.ndarray, options: QuantiseOptions
              ) -> tuple[Network, QuantiseReport]:
    _check(graph)
    fused = _fuse(graph)
    reached = _reached(graph, calibration)
    scales = _scales(graph, fused, reached, options)
    rooms = {one.node.name: scales[one.node.name] * 2.0 ** (options.act_width - 2)
             for one in fused}
    even, exponents = equalised(graph, reached, rooms, options.act_width)
    network = _network(even, fused, scales, options)
    heaviest = {node.name: float(np.abs(node.weight).max()) for node in even.nodes
                if node.weight is not None}
    return network, measure(graph, network, exponents, heaviest, calibration, options.acc_width)


def _network(graph: FloatGraph, fused: list["_Fused"], scales: dict[str, float],
             options: QuantiseOptions) -> Network:
    """The integer network, made layer by layer."""
    nodes = {node.name: node for node in graph.nodes}
    high = {INPUT: max(map(abs, options.input_range))}      # largest magnitudes, integers
    layers: list[Layer] = []
    for one in fused:
        node = nodes[one.node.name]
        fields = {"name": node.name, "relu": one.relu, "sources": one.sources,
                  "output_scale": scales[node.name]}
        source_scales = [scales[name] for name in one.sources]
        largest = max(high[name] for name in one.sources)
        if node.op.endswith("pool"):
            layers.append(make_pool(graph, node, source_scales[0], fields))
        elif node.op == "add":
            layers.append(make_add(graph, node, source_scales, fields, largest,
                                   options.acc_width))
        else:
            layers.append(make_matrix(graph, node, source_scales[0], fields, largest,
                                      options.acc_width, options.encoding or "codebook"))
        high[node.name] = int_range(options.act_width)[1] + (not one.relu)
    return Network(name=graph.name, layers=tuple(layers), act_width=options.act_width,
                   input_range=options.input_range, input_scale=options.input_scale,
                   provenance=dict(graph.provenance))


@dataclass(frozen=True, kw_only=True)
class _Fused:
    """A node that becomes a layer: whether a ReLU follows it, and which layers it reads."""
    node: Node
    relu: bool
    sources: tuple[str, ...]

    @property
    def group(self) -> tuple[str, ...]:
        """Names that must share one scale: what it reads as one concatenated map, and, as a max
        pool multiplies by nothing, its own if it is one."""
        if self.node.op == "max_pool":
            return (self.node.name, *self.sources)
        return self.sources if self.node.op != "add" else ()


def _single_relus(graph: FloatGraph) -> FloatGraph:
    """The graph without ReLUs that directly follow a ReLU; these change nothing."""
    nodes = {node.name: node for node in graph.nodes}
    now: dict[str, str] = {}                        # dropped ReLU -> the ReLU it repeats
    kept = []
    for node in graph.nodes:
        inputs = tuple(now.get(name, name) for name in node.inputs)
        if node.op == "relu" and nodes[inputs[0]].op == "relu":
            now[node.name] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    return replace(graph, nodes=tuple(kept)) if now else graph


def _unsupported(graph: FloatGraph) -> list[str]:
    """Everything in the graph that an array cannot run, as messages."""
    readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    nodes = {node.name: node for node in graph.nodes}
    problems = []
    for node in graph.nodes:
        before = [nodes[name] for name in node.inputs]
        if node.op == "add" and any(one.op == "concat" for one in before):
            problems.append(f"node {node.name!r}: an addition that reads a concatenation")
        if node.op == "relu" and (before[0].op in ("input", *_FUSED)
                                  or len(readers[before[0].name]) > 1):
            problems.append(f"node {node.name!r}: a ReLU that does not directly follow a layer, "
                            f"or is not its only reader")
        if node.op == "avg_pool" and averaged(node, graph.shapes[node.inputs[0]]) is None:
            problems.append(f"node {node.name!r}: an average whose windows do not all have the "
                            f"same number of elements")
        if node.op == "flatten" and any(one.op != "linear" for one in readers[node.name]):
            problems.append(f"node {node.name!r}: a flattened map that another layer than a "
                            f"linear one reads")
    return problems + _unsupported_output(graph)


def _unsupported_output(graph: FloatGraph) -> list[str]:
    """Why the last node cannot be the output, if it cannot."""
    last = graph.nodes[-1]
    if last.op in ("concat", "input"):
        return [f"node {last.name!r}: {last.op} cannot be the output"]
    if last.op == "flatten" and max(graph.shapes[last.inputs[0]][1:], default=1) > 1:
        return [f"node {last.name!r}: a flattened map cannot be the output, because an array "
                f"gives it in (row, column, channel) order; end in the map itself, or in a "
                f"linear layer"]
    return []


def _fuse(graph: FloatGraph) -> list[_Fused]:
    """The nodes that become layers, in order."""
    relus = {node.inputs[0] for node in graph.nodes if node.op == "relu"}
    stands_for: dict[str, tuple[str, ...]] = {}     # node -> the layers whose outputs it is
    fused = []
    for node in graph.nodes:
        sources = sum((stands_for[name] for name in node.inputs), ())
        if node.op in _FUSED:
            stands_for[node.name] = sources
            continue
        stands_for[node.name] = (INPUT,) if node.op == "input" else (node.name,)
        if node.op != "input":
            fused.append(_Fused(node=node, relu=node.name in relus, sources=sources))
    return fused


def _reached(graph: FloatGraph, calibration: np.ndarray) -> dict[str, np.ndarray]:
    """The largest magnitude of each channel of each node's output, float64 [channels]."""
    with np.errstate(invalid="ignore"):             # refused later, with the layer's name
        return {node.name: np.abs(value).max(axis=(0, *range(2, value.ndim))).astype(np.float64)
                for node, value in outputs_of(graph, calibration)}


def _scales(graph: FloatGraph, fused: list[_Fused], reached: dict[str, np.ndarray],
            options: QuantiseOptions) -> dict[str, float]:
    """The value of one unit of each layer's output, and of the input."""
    relus = {node.inputs[0]: node.name for node in graph.nodes if node.op == "relu"}
    names = [one.node.name for one in fused]
    groups = joined([INPUT, *names], [one.group for one in fused if one.group])
    largest = {name: float(reached[relus.get(name, name)].max())
               for name, one in zip(names, fused) if one.node.op != "max_pool"}
    return group_scales(groups, largest, input_scale=options.input_scale,
                        act_width=options.act_width, where=lambda name: f"node {name!r}")
