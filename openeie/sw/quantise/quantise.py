# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the integer network that the array runs: fusion, scales, layouts."""
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

    Convolutions, linear layers and additions take the ReLU behind them, flattening and
    concatenation become addresses, and maps turn from (channel, row, column) to (row, column,
    channel) order. Convolutions whose groups have one channel and one output become depthwise.
    Activations take the power of two that leaves a factor of two above the largest magnitude
    seen on the calibration inputs, one for all parts of a concatenation and for what a largest
    pool passes on, the input's where it is among them. Channels that are much smaller are
    equalised (:mod:`~openeie.sw.quantise.equalise`): one unit of theirs is worth
    a power of two less.
    Weights take the finest scale at which no input in range can overflow an accumulator of
    ``acc_width`` bits, bias included: one for a layer's shared weights, else one for each row.

    Parameters
    ----------
    calibration : float inputs [batch, ...] like those the network will see.
    input_range : smallest and largest integer input.
    input_scale : what one unit of an integer input is worth to ``graph``.
    encoding : ``codebook``, ``huffman`` or ``csr``, of the layers whose weights are shared; None
        is ``codebook``.
    report : is given each layer's error on calibration inputs before this function warns.

    Warns
    -----
    NumericWarning : of layers and channels that lose much, see
        :attr:`~openeie.sw.quantise.report.QuantiseReport.warnings`.

    Raises
    ------
    InputError : an option out of range; everything in the graph that cannot be done, at once; or
        sums that no scale keeps inside the accumulator.
    """
    options = QuantiseOptions(input_range=input_range, input_scale=input_scale,
                              act_width=act_width, acc_width=acc_width, encoding=encoding)
    calibration = options.calibration(calibration)
    network, found = _quantise(_single_relus(graph), calibration, options)
    if report is not None:
        report(found)
    for told in found.warnings:
        warnings.warn(told, NumericWarning, stacklevel=3)     # of openeie.quantise
    return network


def check_graph(graph: FloatGraph) -> None:
    """Refuse what an array cannot run, whatever its weights are.

    Raises
    ------
    InputError : everything in the graph that cannot be done, at once.
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
    even, exponents = equalised(graph, reached, {
        one.node.name: scales[one.node.name] * 2.0 ** (options.act_width - 2) for one in fused},
        options.act_width)
    network = _network(even, fused, scales, options)
    heaviest = {node.name: float(np.abs(node.weight).max()) for node in even.nodes
                if node.weight is not None}
    return network, measure(graph, network, exponents, heaviest, calibration, options.acc_width)


def _network(graph: FloatGraph, fused: list["_Fused"], scales: dict[str, float],
             options: QuantiseOptions) -> Network:
    """The layers, one after the other."""
    nodes = {node.name: node for node in graph.nodes}
    high = {INPUT: max(map(abs, options.input_range))}
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
    """A node with the ReLU behind it, and the nodes it reads once fusion is done."""
    node: Node
    relu: bool
    sources: tuple[str, ...]

    @property
    def group(self) -> tuple[str, ...]:
        """What it reads side by side, and so at one scale."""
        return self.sources if self.node.op != "add" else ()


def _single_relus(graph: FloatGraph) -> FloatGraph:
    """The graph without the ReLUs of a ReLU, which change nothing."""
    nodes = {node.name: node for node in graph.nodes}
    now: dict[str, str] = {}                        # where a dropped ReLU's values are made
    kept = []
    for node in graph.nodes:
        inputs = tuple(now.get(name, name) for name in node.inputs)
        if node.op == "relu" and nodes[inputs[0]].op == "relu":
            now[node.name] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    return replace(graph, nodes=tuple(kept)) if now else graph


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
        if node.op == "avg_pool" and averaged(node, graph.shapes[node.inputs[0]]) is None:
            problems.append(f"node {node.name!r}: an average whose windows do not all have the "
                            f"same number of elements")
        if node.op == "flatten" and len(readers.get(node.name, ())) and any(
                reader.op != "linear" for reader in readers[node.name]):
            problems.append(f"node {node.name!r}: a flattened map that is read by another than a "
                            f"linear layer")
    if graph.nodes[-1].op in ("concat", "input"):
        problems.append(f"node {graph.output!r}: {graph.nodes[-1].op} cannot be the output")
    if graph.nodes[-1].op == "flatten" \
            and max(graph.shapes[graph.nodes[-1].inputs[0]][1:], default=1) > 1:
        problems.append(f"node {graph.output!r}: a flattened map cannot be the output, because an "
                        f"array gives it in (row, column, channel) order; end in the map itself, "
                        f"or in a linear layer")
    return problems


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


def _reached(graph: FloatGraph, calibration: np.ndarray) -> dict[str, np.ndarray]:
    """The largest magnitude of each channel of each node's output, float64 [channels]."""
    with np.errstate(invalid="ignore"):             # refused with the layer's name
        return {node.name: np.abs(value).max(axis=(0, *range(2, value.ndim))).astype(np.float64)
                for node, value in outputs_of(graph, calibration)}


def _scales(graph: FloatGraph, fused: list[_Fused], reached: dict[str, np.ndarray],
            options: QuantiseOptions) -> dict[str, float]:
    """What one unit of each layer's output is worth."""
    relus = {node.inputs[0]: node.name for node in graph.nodes if node.op == "relu"}
    # A largest pool multiplies by nothing, so that its outputs keep the scale of what it reads.
    sets = [(one.node.name, *one.sources) if one.node.op == "max_pool" else one.group
            for one in fused if one.node.op == "max_pool" or one.group]
    names = [one.node.name for one in fused]
    return group_scales(
        joined([INPUT, *names], sets),
        {name: float(reached[relus.get(name, name)].max()) for name, one in zip(names, fused)
         if one.node.op != "max_pool"},
        input_scale=options.input_scale, act_width=options.act_width,
        where=lambda name: f"node {name!r}")
