# SPDX-License-Identifier: Apache-2.0
"""The proof that no accumulator overflows: what a network's sums can reach, layer by layer."""
from collections.abc import Iterator

import numpy as np

from .fixed import int_range, requantise
from .graph import INPUT, Linear, Network, Pool
from .window import Window

__all__ = ["accumulator_bounds", "accumulator_needs"]

_EXACT = 48             # bits of a sum that numpy's integers requantise exactly


def accumulator_bounds(layer: Linear, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest sum any subset of a row's products can reach, int64 [m].

    Inputs lie in ``low`` .. ``high``; a subset may be empty, so the bounds enclose 0. Every
    order of accumulation stays inside them.
    """
    weights = layer.weights.values.astype(np.int64)
    ends = np.stack([weights * low, weights * high])
    m = layer.channels
    least = np.zeros(m, np.int64)
    greatest = np.zeros(m, np.int64)
    np.add.at(least, layer.weights.rows, np.minimum(ends.min(axis=0), 0))
    np.add.at(greatest, layer.weights.rows, np.maximum(ends.max(axis=0), 0))
    return least, greatest


def accumulator_needs(network: Network) -> Iterator[tuple[str, int, int, int]]:
    """Each layer's name, the bits its accumulators must have, and the least and greatest sum,
    bias included; it ends after a layer whose sums are too large to follow further."""
    ranges = {INPUT: network.input_range}
    for number, layer in enumerate(network.layers):
        sources = [ranges[name] for name in network.sources(number)]
        low = min(0, *(least for least, _ in sources))
        high = max(0, *(greatest for _, greatest in sources))
        width = network.act_width
        least, greatest, outputs = _pool(layer, low, high, width) if isinstance(layer, Pool) \
            else _matrix(layer, low, high, width)
        bits = max(int(-least - 1).bit_length(), int(greatest).bit_length()) + 1
        yield layer.name, bits, least, greatest
        if bits > _EXACT:
            return
        ranges[layer.name] = outputs()


def _matrix(layer: Linear, low: int, high: int, width: int):
    """Least and greatest sum, and what gives the range of the outputs."""
    least, greatest = accumulator_bounds(layer, low, high)

    def outputs() -> tuple[int, int]:
        ends = [requantise(end, layer.bias, layer.multiplier, layer.shift, relu=layer.relu,
                           act_width=width) for end in (least, greatest)]
        return int(min(ends[0].min(), 0)), int(max(ends[1].max(), 0))
    return (int(np.minimum(least, least + layer.bias).min()),
            int(np.maximum(greatest, greatest + layer.bias).max()), outputs)


def _pool(layer: Pool, low: int, high: int, width: int):
    """The same for a pool."""
    if layer.reduce == "max":
        lowest = int_range(width)[0] if _sees_nothing(layer.window) else low
        return 0, (1 << width) - 1, lambda: (lowest, high)
    seen = layer.window.kernel[0] * layer.window.kernel[1]

    def outputs() -> tuple[int, int]:
        ends = [int(requantise(np.array(seen * end), 0, layer.multiplier, layer.shift,
                               relu=layer.relu, act_width=width)) for end in (low, high)]
        return ends[0], ends[1]
    return seen * low, seen * high, outputs


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
