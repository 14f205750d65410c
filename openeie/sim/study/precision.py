# SPDX-License-Identifier: Apache-2.0
"""EIE's figure 10 for any network of linear layers: errors with arithmetic of fewer bits."""
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...core.errors import InputError
from ...core.network.graph import Linear, Network

__all__ = ["PRECISIONS", "errors_by_precision"]

#: 32-bit floating point, and fixed point with these numbers of bits.
PRECISIONS: tuple[str | int, ...] = ("float32", 16, 8, 6, 4)


def _fixed(values: np.ndarray, bits: int, largest: float) -> np.ndarray:
    """Values rounded to fixed point of ``bits`` bits, as fine as the value ``largest`` allows."""
    if not largest:
        return values
    high = 2 ** (bits - 1) - 1
    step = 2.0 ** np.ceil(np.log2(largest / high))
    return np.clip(np.round(values / step), -high - 1, high) * step


def errors_by_precision(network: Network, x: ArrayLike, labels: ArrayLike,
                        precisions: Sequence[str | int] = PRECISIONS) -> dict[str, float]:
    """Share of inputs x [batch, n] that ``network`` misclassifies, by precision.

    The network's weights, biases and scales are taken as real numbers. In fixed point, the weights
    and the activations of each layer are rounded. All weights of a layer have the same binary
    point, and so have all its activations on these inputs, as fine as the largest value allows
    (EIE, section VI-C). Sums are exact.

    labels : the right class of each input, [batch].
    precisions : of :data:`PRECISIONS`; a number N stands for fixed point with N bits.

    Raises
    ------
    InputError : the network has layers that are not linear, or branches.
    """
    layers = [layer for layer in network.layers if type(layer) is Linear]
    if len(layers) < len(network.layers) or network.branches:
        others = [layer.name for layer in network.layers if layer not in layers]
        raise InputError(f"network {network.name!r}: precision is compared on linear layers only, "
                         f"which {(others or network.branches)[0]!r} is not")
    x = network.check_inputs(x)
    errors = {}
    for precision in precisions:
        scores = _scores(layers, x.astype(np.float32), precision)
        name = precision if isinstance(precision, str) else f"{precision}-bit fixed"
        errors[name] = float(np.mean(scores.argmax(axis=1) != labels))
    return errors


def _scores(layers: Sequence[Linear], values: np.ndarray, precision: str | int) -> np.ndarray:
    """The last layer's outputs, float [batch, m]."""
    for layer in layers:
        scale = np.asarray(layer.multiplier / 2.0 ** layer.shift)
        weights = layer.weights.dense() * scale[:, np.newaxis]
        bias = layer.bias * scale
        if isinstance(precision, str):
            values = values @ weights.T.astype(np.float32) + bias.astype(np.float32)
        else:
            acts = _fixed(values.astype(float), precision, np.abs(values).max())
            values = acts @ _fixed(weights, precision, np.abs(weights).max()).T + bias
        if layer.relu:
            values = np.maximum(values, 0)
    return values
