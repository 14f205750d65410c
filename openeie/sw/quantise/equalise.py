# SPDX-License-Identifier: Apache-2.0
"""Cross-layer equalisation (Nagel et al., "Data-Free Quantization", ICCV 2019): channels of similar
range, so that one activation scale per layer serves them all.

A channel that is much smaller than its layer's scale allows is multiplied by a power of two, and
the layers that read it divide their weights by it. Positive factors pass through ReLU, pools,
flattening, concatenation and addition, and powers of two are exact, so the graph computes the same
numbers: exactly, except for weights below 2**-48 of the largest. The paper balances a channel's
activations against the weights that read it. Here weights have 15 bits and a scale for each row,
so only the activations matter.
"""
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..float.graph import FloatGraph, Node

__all__ = ["equalised"]

_ENOUGH_BITS = 13           # a channel's largest magnitude needs no more bits; the rest is headroom
#: Exponent of the largest factor: a float32 sum holds 24 bits beside its largest channel.
_MOST = 24
#: Weights below this share of their layer's largest have no effect, and may be lost.
_BELOW = 2.0 ** -48
#: Exponent of a channel in which nothing but zeros was seen.
_FREE = np.iinfo(np.int64).max


def equalised(graph: FloatGraph, reached: Mapping[str, np.ndarray], rooms: Mapping[str, float],
              act_width: int) -> tuple[FloatGraph, dict[str, np.ndarray]]:
    """The graph with its small channels enlarged, and the powers of two that they grew by.

    No channel grows beyond the room of a layer that it passes, so all scales stay valid. The
    network's input and output are not changed, nor what a layer with shared weights reads or
    writes: each factor would add values to its codebook.

    Parameters
    ----------
    reached : largest magnitude of each channel of a node's output, float64 [channels], before its
        ReLU: a channel that is rarely positive is not small.
    rooms : for each layer, the largest magnitude that its outputs may have.
    act_width : bits of an activation.

    Returns
    -------
    The graph, unchanged if nothing is gained or float32 would lose larger weights; and for each
    node the exponents int64 [channels] (of a flattened map, [elements]), 0 for no change.
    """
    slack = max(0, act_width - 2 - _ENOUGH_BITS)
    channels, alike, fixed = _channels(graph)
    least = np.full(len(alike), _FREE)
    for name, room in rooms.items():
        np.minimum.at(least, alike[channels[name]], _wanted(reached[name], room, slack))
    least[least == _FREE] = 0
    least[alike[fixed]] = 0
    exponents = {name: least[alike[numbers]] for name, numbers in channels.items()}

    nodes: list[Node] = []
    changed = False
    for node in graph.nodes:
        if node.weight is None or not _changes(node, exponents):
            nodes.append(node)
            continue
        scaled = _scaled(node, exponents)
        if scaled is None:
            changed = False
            break
        nodes.append(scaled)
        changed = True
    if not changed:
        return graph, {name: np.zeros_like(one) for name, one in exponents.items()}
    return replace(graph, nodes=tuple(nodes)), exponents


def _wanted(reached: np.ndarray, room: float, slack: int) -> np.ndarray:
    """Exponents int64 [channels] that use all of the room except ``slack`` bits."""
    seen = np.isfinite(reached) & (reached > 0)
    _, exponents = np.frexp(room / np.where(seen, reached, 1.0))
    return np.where(seen, np.clip(exponents.astype(np.int64) - 1 - slack, 0, _MOST), _FREE)


def _channels(graph: FloatGraph) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Every channel that a layer computes gets a number.

    Returns
    -------
    The numbers of each node's channels; for each number, the first of the numbers that must have
    the same factor; and the numbers whose channels must not change.
    """
    numbers: dict[str, np.ndarray] = {}
    count = 0
    sums = []
    fixed = []
    for node in graph.nodes:
        shape = graph.shapes[node.name]
        read = [numbers[name] for name in node.inputs]
        if node.op in ("input", "conv", "linear"):
            numbers[node.name] = np.arange(count, count + shape[0])
            count += shape[0]
        elif node.op == "flatten":
            numbers[node.name] = np.repeat(read[0], shape[0] // len(read[0]))
        elif node.op == "concat":
            numbers[node.name] = np.concatenate(read)
        else:                                       # pools and ReLU keep the channels
            numbers[node.name] = read[0]
        if node.op == "add":
            sums.append(read)
        if node.op == "input" or node.codes is not None:
            fixed += [numbers[node.name], *read]
    return (numbers, _first_alike(count, sums),
            np.concatenate([*fixed, numbers[graph.output]]))


def _first_alike(count: int, sums: list[list[np.ndarray]]) -> np.ndarray:
    """For each of ``count`` numbers, the smallest number that additions join it to."""
    first = np.arange(count)
    while True:
        before = first.copy()
        for one, other in sums:
            low = np.minimum(first[one], first[other])
            np.minimum.at(first, one, low)
            np.minimum.at(first, other, low)
        if np.array_equal(first, before):
            return first


def _changes(node: Node, exponents: Mapping[str, np.ndarray]) -> bool:
    """True if a layer's rows or columns are to be scaled."""
    return bool(exponents[node.name].any() or exponents[node.inputs[0]].any())


def _scaled(node: Node, exponents: Mapping[str, np.ndarray]) -> Node | None:
    """The layer with its rows and columns scaled; None if float32 would lose weights that have an
    effect, or bits of the bias."""
    assert node.weight is not None
    groups = node.groups
    rows = np.exp2(exponents[node.name]).astype(np.float32)
    columns = np.exp2(exponents[node.inputs[0]]).astype(np.float32)
    weight = node.weight.reshape(groups, len(rows) // groups, len(columns) // groups, -1)
    by_row = rows.reshape(groups, -1, 1, 1)
    by_column = columns.reshape(groups, 1, -1, 1)

    with np.errstate(over="ignore", under="ignore", invalid="ignore"):      # refused below
        scaled = weight / by_column * by_row
        back = scaled / by_row * by_column
        exact = bool(np.abs(back - weight).max() <= _BELOW * np.abs(weight).max())
        bias = None if node.bias is None else node.bias * rows
        if bias is not None:
            exact = exact and np.array_equal(bias / rows, node.bias)
    if not exact:
        return None
    return replace(node, weight=scaled.reshape(node.weight.shape), bias=bias)
