# SPDX-License-Identifier: Apache-2.0
"""Cross-layer equalisation (Nagel et al., "Data-Free Quantization", ICCV 2019): channels of like
range, so that one activation scale a layer serves them all.

A channel that is much smaller than its layer's scale allows is multiplied by a power of two, and
what reads it divides its weights by it. Positive factors pass through ReLU, pools, flattening,
concatenation and addition, and powers of two are exact, so the graph computes the same numbers:
exactly, but for weights below 2**-48 of the largest. The paper balances a channel's activations
against the weights that read it; weights have 15 bits here, and a scale for each row, so that the
activations alone decide.
"""
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..float.graph import FloatGraph, Node

__all__ = ["equalised"]

_ENOUGH_BITS = 13           # of a channel's largest magnitude: above it, headroom is worth more
#: Largest factor, 2**24: what float32 holds of a sum beside its largest channel.
_MOST = 24
#: Of a layer's largest weight: what is smaller than this may be lost; it has no effect.
_BELOW = 2.0 ** -48
_FREE = np.iinfo(np.int64).max


def equalised(graph: FloatGraph, reached: Mapping[str, np.ndarray], rooms: Mapping[str, float],
              act_width: int) -> tuple[FloatGraph, dict[str, np.ndarray]]:
    """The graph with its small channels larger, and by what powers of two.

    No channel grows beyond the room of a layer that it passes, so that every scale stays. The
    network's input and output stay as they are, and whatever a layer with shared weights reads or
    writes: one factor more would be one more value in its codebook.

    Parameters
    ----------
    reached : largest magnitude of each channel of a node's output, before its ReLU: a channel
        that is seldom positive is not a small one.
    rooms : for each layer, the magnitude that its outputs may reach.
    act_width : bits of an activation.

    Returns
    -------
    The graph, the same one if nothing is gained or float32 would lose more than that; and for
    each node the exponents int64 [channels] (of a flattened map, [elements]), 0 where nothing
    changes.
    """
    slack = max(0, act_width - 2 - _ENOUGH_BITS)
    channels, alike, fixed = _channels(graph)
    least = np.full(len(alike), _FREE)
    for name, room in rooms.items():
        np.minimum.at(least, alike[channels[name]], _wanted(reached[name], room, slack))
    least[least == _FREE] = 0                       # nothing but zeros was seen
    least[alike[fixed]] = 0
    exponents = {name: least[alike[numbers]] for name, numbers in channels.items()}
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):      # seen, and left
        nodes = [node if node.weight is None or not _changes(node, exponents)
                 else _scaled(node, exponents) for node in graph.nodes]
    if None in nodes or all(new is old for new, old in zip(nodes, graph.nodes)):
        return graph, {name: np.zeros_like(one) for name, one in exponents.items()}
    return replace(graph, nodes=tuple(nodes)), exponents


def _wanted(reached: np.ndarray, room: float, slack: int) -> np.ndarray:
    """Exponents [channels] that use the room but for ``slack`` bits."""
    seen = np.isfinite(reached) & (reached > 0)
    _, exponents = np.frexp(room / np.where(seen, reached, 1.0))
    return np.where(seen, np.clip(exponents.astype(np.int64) - 1 - slack, 0, _MOST), _FREE)


def _channels(graph: FloatGraph) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Numbers of each node's channels; for each number the first of those that must have its
    factor; and the numbers that have none."""
    numbers: dict[str, np.ndarray] = {}
    count, sums, fixed = 0, [], []
    for node in graph.nodes:
        shape, read = graph.shapes[node.name], [numbers[name] for name in node.inputs]
        if node.op in ("input", "conv", "linear"):
            numbers[node.name] = np.arange(count, count + shape[0])
            count += shape[0]
        elif node.op == "flatten":
            numbers[node.name] = np.repeat(read[0], shape[0] // len(read[0]))
        else:                                       # pools and ReLU pass on what they read
            numbers[node.name] = np.concatenate(read) if node.op == "concat" else read[0]
        if node.op == "add":
            sums.append(read)
        if node.op == "input" or node.codes is not None:
            fixed += [numbers[node.name], *read]
    return (numbers, _first_alike(count, sums),
            np.concatenate([*fixed, numbers[graph.output]]))


def _first_alike(count: int, sums: list[list[np.ndarray]]) -> np.ndarray:
    """For each of ``count`` numbers the least that additions join it to."""
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
    return bool(exponents[node.name].any() or exponents[node.inputs[0]].any())


def _scaled(node: Node, exponents: Mapping[str, np.ndarray]) -> Node | None:
    """The layer with its rows and columns scaled; None if float32 cannot hold that exactly, but
    for weights that have no effect beside the largest."""
    assert node.weight is not None
    rows, columns = (np.exp2(exponents[name]).astype(np.float32)
                     for name in (node.name, node.inputs[0]))
    shape, groups = node.weight.shape, node.groups
    weight = node.weight.reshape(groups, len(rows) // groups, len(columns) // groups, -1)
    by_row, by_column = rows.reshape(groups, -1, 1, 1), columns.reshape(groups, 1, -1, 1)
    scaled = {"weight": (weight / by_column * by_row).reshape(shape)}
    back = scaled["weight"].reshape(weight.shape) / by_row * by_column
    exact = bool(np.abs(back - weight).max() <= _BELOW * np.abs(weight).max())
    if node.bias is not None:
        scaled["bias"] = node.bias * rows
        exact = exact and np.array_equal(scaled["bias"] / rows, node.bias)
    return replace(node, **scaled) if exact else None
