# SPDX-License-Identifier: Apache-2.0
"""Integer layers from nodes of a float graph: weights, scales, order of the columns."""
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.network.array_order import to_array_order
from ...core.network.graph import Add, Conv, Depthwise, Linear, Pool
from ...core.network.window import Window
from ...core.numbers.fixed import int_range
from ...core.numbers.sparse import SparseWeights
from ..float.graph import FloatGraph, Node, pooled_size
from .scales import rescaling
from .weight_scales import MAGNITUDE_BITS, levels, needs_width, quantised_rows

__all__ = ["layer_window", "averaged", "make_pool", "make_matrix", "make_add"]

_ADD_BITS = 11              # fewest bits of the magnitude of an addition's larger weight
#: A layer's largest weight must be at least this, so that no weight scale underflows float32.
_LEAST_WEIGHT = float(np.finfo(np.float32).tiny) * 2 ** MAGNITUDE_BITS


def layer_window(node: Node, shape: tuple[int, ...]) -> Window:
    """The node's window over a map (channels, height, width); windows that extend beyond the end
    read padding there."""
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


def averaged(node: Node, shape: tuple[int, ...]) -> int | None:
    """Divisor of an average over a map (channels, height, width): the elements of a window; None
    if windows have different numbers of them."""
    if node.op == "global_avg_pool":
        return shape[1] * shape[2]
    elements = 1
    for size, kernel, stride, pad in zip(shape[1:], node.kernel, node.stride, node.pad):
        count = pooled_size(size, kernel, stride, pad, node.ceil)
        margin = pad if node.pad_counts else 0
        # Only the first and last ``kernel`` windows can reach beyond the map.
        ends = {*range(min(kernel + 1, count)), *range(max(count - kernel - 1, 0), count)}
        wide = {min(at * stride - pad + kernel, size + margin) - max(at * stride - pad, -margin)
                for at in ends}
        if len(wide) > 1:
            return None
        elements *= wide.pop()
    return elements


def make_pool(graph: FloatGraph, node: Node, source_scale: float, fields: dict[str, Any]) -> Pool:
    """A pool; the divisor of an average goes into its multiplier and shift.

    Parameters
    ----------
    source_scale : value of one unit of what it reads.
    fields : of the layer that do not depend on its kind: ``name``, ``output_scale`` and so on.

    Raises
    ------
    InputError : no multiplier and shift are near the scale.
    """
    window = layer_window(node, graph.shapes[node.inputs[0]])
    if node.op == "max_pool":
        return Pool(window=window, reduce="max", **fields)
    elements = averaged(node, graph.shapes[node.inputs[0]])
    assert elements is not None                     # check_graph refuses others
    multiplier, shift = rescaling(source_scale / elements / fields["output_scale"],
                                  f"node {node.name!r}")
    return Pool(window=window, reduce="sum", multiplier=multiplier, shift=shift, **fields)


def make_matrix(graph: FloatGraph, node: Node, source_scale: float, fields: dict[str, Any],
                largest: int, acc_width: int, encoding: str) -> Linear | Depthwise:
    """A convolution or linear layer with the finest weights that accumulator and bias allow.

    Shared weights have one scale and ``encoding``; others have a scale for each row, and are
    stored as ``csr``.

    Parameters
    ----------
    source_scale, fields : as of :func:`make_pool`.
    largest : magnitude of the largest activation that it reads, in its units.
    acc_width : bits of the accumulator.

    Raises
    ------
    InputError : even the coarsest weights overflow; weights or a bias are too large or too small.
    """
    shape = _map_shape(graph, node)
    values = _columns(node, node.weight, shape)
    codes = None if node.codes is None else _columns(node, node.codes, shape)
    magnitude = float(np.abs(values).max()) or 1.0
    if not _LEAST_WEIGHT <= magnitude < np.inf:
        raise InputError(f"node {node.name!r}: its largest weight must be at least "
                         f"{_LEAST_WEIGHT:g} and finite, not {magnitude:g}")
    biases = np.zeros(len(values)) if node.bias is None else node.bias.astype(np.float64)
    weight_scale = magnitude / levels(node.name, values, magnitude,
                                      biases / (magnitude * source_scale), largest, acc_width)
    if codes is not None:
        scales = np.full(len(values), weight_scale)
        weights = SparseWeights.from_codes(codes, _table(node.codebook, weight_scale))
    else:
        integers, scales = quantised_rows(values, biases / source_scale, weight_scale, largest,
                                          acc_width)
        weights = SparseWeights.from_dense(integers)
        encoding = "csr"

    units = scales * source_scale
    factors = [rescaling(unit / fields["output_scale"], f"node {node.name!r}") for unit in units]
    multiplier, shift = np.array(factors).T
    fields |= {"weights": weights, "encoding": encoding, "weight_scale": float(scales.max()),
               "bias": np.rint(biases / units).astype(np.int64), "multiplier": multiplier,
               "shift": shift}
    if node.op == "linear":
        return Linear(**fields)
    kind = Depthwise if _is_depthwise(node, shape) else Conv
    return kind(window=layer_window(node, graph.shapes[node.inputs[0]]), **fields)


def _table(codebook: np.ndarray, weight_scale: float) -> np.ndarray:
    """A codebook as integers. A slot that no weight uses may be of any size or not a number; it is
    clamped and has no effect on the scale."""
    most = (1 << MAGNITUDE_BITS) - 1
    values = np.clip(codebook.astype(np.float64) / weight_scale, -most, most)
    return np.rint(np.nan_to_num(values)).astype(np.int64)


def make_add(graph: FloatGraph, node: Node, source_scales: list[float], fields: dict[str, Any],
             largest: int, acc_width: int) -> Add:
    """An addition whose two weights have the ratio of its inputs' scales.

    The larger weight is a power of two, so that scales which are powers of two are met exactly.

    Parameters
    ----------
    source_scales : value of one unit of each input.
    fields, largest, acc_width : as of :func:`make_matrix`.

    Raises
    ------
    InputError : the accumulator has no room for weights of 12 bits.
    """
    greatest = max(source_scales)
    room = int_range(acc_width)[1] // (2 * largest)
    bits = min(MAGNITUDE_BITS - 1, room.bit_length() - 1)
    if bits < _ADD_BITS:
        raise needs_width(node.name, acc_width, 2 * largest << _ADD_BITS)
    one, other = (round(scale / greatest * (1 << bits)) for scale in source_scales)
    multiplier, shift = rescaling(greatest / (1 << bits) / fields["output_scale"],
                                  f"node {node.name!r}")
    shape = graph.shapes[node.name]
    return Add(pixels=int(np.prod(shape[1:])), channels=shape[0], factors=(one, other),
               multiplier=multiplier, shift=shift, **fields)


def _is_depthwise(node: Node, shape: tuple[int, ...]) -> bool:
    """True if every channel of a map (channels, height, width) has exactly one kernel."""
    assert node.weight is not None
    return node.op == "conv" and node.groups == shape[0] == len(node.weight) > 1


def _map_shape(graph: FloatGraph, node: Node) -> tuple[int, ...]:
    """Shape of what a node reads, before any flattening."""
    before = next(one for one in graph.nodes if one.name == node.inputs[0])
    while before.op in ("flatten", "relu"):
        before = next(one for one in graph.nodes if one.name == before.inputs[0])
    return graph.shapes[before.name]


def _columns(node: Node, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights or codes as a matrix [out, columns], columns in (row, column, channel) order."""
    if _is_depthwise(node, shape):
        return array.reshape(len(array), -1)
    if node.op == "linear":
        return to_array_order(array.reshape(-1, *shape))
    full = np.zeros((len(array), shape[0], *node.kernel), array.dtype)
    outputs = len(array) // node.groups
    inputs = shape[0] // node.groups
    for group in range(node.groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        full[rows, group * inputs:(group + 1) * inputs] = array[rows]
    return to_array_order(full)
