# SPDX-License-Identifier: Apache-2.0
"""The proof that no accumulator overflows: what a network's sums can reach, layer by layer."""
from collections.abc import Iterator

import numpy as np

from ..errors import CapacityError
from ..numbers.fixed import int_bits, int_range, requantise
from .binary import SignLinear
from .graph import INPUT, Layer, Network, Pool
from .window import Window

__all__ = ["EXACT_BITS", "accumulator_bounds", "accumulator_needs", "prove_exact"]

#: Bits of a sum that integers of 64 bits requantise exactly.
EXACT_BITS = 48


def accumulator_bounds(layer: Layer, low, high) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest sum any subset of a channel's products can reach, int64 [m].

    Inputs lie in ``low`` .. ``high``, numbers or int64 [columns of the weights]; a subset may be
    empty, so the bounds enclose 0. Every order of accumulation stays inside them.
    """
    if isinstance(layer, SignLinear):
        return layer.bounds(int(np.min(low)), int(np.max(high)))
    weights = layer.weights
    values = weights.values.astype(np.int64) * layer.repeats
    ends = np.stack([values * np.broadcast_to(end, weights.shape[1])[weights.columns]
                     for end in (low, high)])
    least = np.zeros(layer.channels, np.int64)
    greatest = np.zeros(layer.channels, np.int64)
    np.add.at(least, weights.rows, np.minimum(ends.min(axis=0), 0))
    np.add.at(greatest, weights.rows, np.maximum(ends.max(axis=0), 0))
    return least, greatest


def accumulator_needs(network: Network) -> Iterator[tuple[str, int, int, int]]:
    """Each layer's name, the bits its accumulators must have, and the least and greatest sum,
    bias included; it ends after a layer whose sums are too large to follow further."""
    ranges = {INPUT: network.input_range}
    for number, layer in enumerate(network.layers):
        low, high = (np.array(ends) for ends in zip(*(
            ranges[name] for name in network.sources(number))))
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        if layer.concatenates:
            low, high = low.min(), high.max()
        width = network.act_width
        least, greatest, outputs = _largest(layer, low, high, width) \
            if isinstance(layer, Pool) and layer.maximum else _sums(layer, low, high, width)
        bits = int_bits(least, greatest)
        yield layer.name, bits, least, greatest
        if bits > EXACT_BITS:
            return
        ranges[layer.name] = outputs()


def prove_exact(network: Network) -> None:
    """Refuse a network whose sums the engine golden could not compute exactly.

    Raises
    ------
    CapacityError : names the layer, and the bits its sums need.
    """
    for name, bits, least, greatest in accumulator_needs(network):
        if bits > EXACT_BITS:
            raise CapacityError(f"layer {name!r}: its sums must fit {EXACT_BITS} bits, but reach "
                                f"{least:,} .. {greatest:,}, which needs {bits}; give it fewer "
                                f"inputs or smaller weights")


def _sums(layer: Layer, low, high, width: int):
    """Least and greatest sum, and what gives the range of the outputs."""
    least, greatest = accumulator_bounds(layer, low, high)
    parameters = layer.writeback(width)
    bias = parameters["bias"]

    def outputs() -> tuple[int, int]:
        ends = [requantise(end, **parameters, relu=layer.relu, act_width=width)
                for end in (least, greatest)]
        return int(min(ends[0].min(), 0)), int(max(ends[1].max(), 0))
    return (int(np.minimum(least, least + bias).min()),
            int(np.maximum(greatest, greatest + bias).max()), outputs)


def _largest(layer: Pool, low, high, width: int):
    """The same for the largest of what a window sees."""
    lowest = int_range(width)[0] if _sees_nothing(layer.window) else int(low)
    return 0, (1 << width) - 1, lambda: (lowest, int(high))


def _sees_nothing(window: Window) -> bool:
    """Whether the window lies beside the map at some position."""
    top, left, _, _ = window.pad
    for size, kernel, stride, before, count in (
            (window.height, window.kernel[0], window.stride[0], top, window.out_height),
            (window.width, window.kernel[1], window.stride[1], left, window.out_width)):
        first = np.arange(count) * stride - before
        if np.any((first + kernel <= 0) | (first >= size)):
            return True
    return False
