# SPDX-License-Identifier: Apache-2.0
"""The proof that no accumulator overflows: which sums a network can reach, layer by layer."""
from collections.abc import Iterator

import numpy as np

from ..errors import CapacityError
from ..numbers.fixed import int_bits, int_range, requantise
from .binary import SignLinear
from .graph import INPUT, Layer, Network, Pool
from .window import Window

__all__ = ["EXACT_BITS", "accumulator_bounds", "accumulator_needs", "prove_exact"]

#: Bits of the widest sum that requantises exactly in 64-bit integers.
EXACT_BITS = 48

#: The end of a range: one number, or one for each column of the weights.
Bound = int | np.ndarray


def accumulator_bounds(layer: Layer, low: Bound, high: Bound) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest sum, int64 [m] each, that any subset of a channel's products can reach.

    Inputs lie in ``low`` .. ``high``, each a number or int64 [columns of the weights]. A subset may
    be empty, so the bounds enclose 0. Every order of accumulation stays inside them.
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
    """For each layer: its name, the bits that its accumulators must have, and its least and
    greatest sum, bias included.

    Stops after a layer whose sums do not requantise exactly.
    """
    width = network.act_width
    ranges = {INPUT: network.input_range}
    for number, layer in enumerate(network.layers):
        low, high = _inputs(layer, [ranges[name] for name in network.sources(number)])
        if isinstance(layer, Pool) and layer.maximum:
            # It compares activations that are raised by half their range.
            least = 0
            greatest = (1 << width) - 1
        else:
            sums = accumulator_bounds(layer, low, high)
            least, greatest = _with_bias(layer, sums, width)
        bits = int_bits(least, greatest)
        yield layer.name, bits, least, greatest
        if bits > EXACT_BITS:
            return
        if isinstance(layer, Pool) and layer.maximum:
            ranges[layer.name] = _range_of_max(layer.window, int(low), int(high), width)
        else:
            ranges[layer.name] = _range_of_sums(layer, sums, width)


def prove_exact(network: Network) -> None:
    """Refuse a network whose sums the engine golden could not compute exactly.

    Raises
    ------
    CapacityError : names the layer, and the bits that its sums need.
    """
    for name, bits, least, greatest in accumulator_needs(network):
        if bits > EXACT_BITS:
            raise CapacityError(f"layer {name!r}: its sums must fit {EXACT_BITS} bits, but reach "
                                f"{least:,} .. {greatest:,}, which needs {bits}; give it fewer "
                                f"inputs or smaller weights")


def _inputs(layer: Layer, sources: list[tuple[int, int]]) -> tuple[Bound, Bound]:
    """Range of a layer's inputs, 0 included; if its sources are not concatenated, one range for
    each of them."""
    low = np.array([min(least, 0) for least, _ in sources])
    high = np.array([max(greatest, 0) for _, greatest in sources])
    if layer.concatenates:
        return int(low.min()), int(high.max())
    return low, high


def _with_bias(layer: Layer, sums: tuple[np.ndarray, np.ndarray], width: int) -> tuple[int, int]:
    """Least and greatest sum of all channels, with or without the bias."""
    least, greatest = sums
    bias = layer.writeback(width)["bias"]
    return (int(np.minimum(least, least + bias).min()),
            int(np.maximum(greatest, greatest + bias).max()))


def _range_of_sums(layer: Layer, sums: tuple[np.ndarray, np.ndarray], width: int
                   ) -> tuple[int, int]:
    """Least and greatest activation that a layer writes, 0 included."""
    parameters = layer.writeback(width)
    low, high = (requantise(end, **parameters, relu=layer.relu, act_width=width) for end in sums)
    return int(min(low.min(), 0)), int(max(high.max(), 0))


def _range_of_max(window: Window, low: int, high: int, width: int) -> tuple[int, int]:
    """Least and greatest activation that a max pool writes for inputs in ``low`` .. ``high``."""
    if _sees_only_padding(window):
        low = int_range(width)[0]
    return low, high


def _sees_only_padding(window: Window) -> bool:
    """Whether there is a position at which the window covers nothing of the map."""
    vertical = np.arange(window.out_height) * window.stride[0] - window.pad[0]
    horizontal = np.arange(window.out_width) * window.stride[1] - window.pad[1]
    return _misses(vertical, window.kernel[0], window.height) \
        or _misses(horizontal, window.kernel[1], window.width)


def _misses(first: np.ndarray, kernel: int, size: int) -> bool:
    """Whether some kernel that begins at one of ``first`` lies outside ``0 .. size - 1``."""
    return bool(np.any((first + kernel <= 0) | (first >= size)))
