# SPDX-License-Identifier: Apache-2.0
"""EIE's figure 10 for a network that we can run: what arithmetic of fewer bits costs in errors."""
from collections.abc import Sequence

import numpy as np

from ...core.errors import InputError
from ...core.network.graph import Linear, Network

__all__ = ["PRECISIONS", "errors_by_precision"]

#: Floating point of 32 bits, and fixed point of so many.
PRECISIONS = ("float32", 16, 8, 6, 4)


def _fixed(values: np.ndarray, bits: int, largest: float) -> np.ndarray:
    """Rounded to ``bits`` bits with one binary point, which is where ``largest`` just fits."""
    if not largest:
        return values
    high = 2 ** (bits - 1) - 1
    step = 2.0 ** np.ceil(np.log2(largest / high))
    return np.clip(np.round(values / step), -high - 1, high) * step


def errors_by_precision(network: Network, x, labels, precisions: Sequence = PRECISIONS
                        ) -> dict[str, float]:
    """Share of inputs x [batch, n] that ``network`` classifies wrongly, by precision.

    The network's weights, biases and scales are taken as real numbers. In fixed point each layer's
    weights and each layer's activations are rounded to the bits, with one binary point for all of
    a layer's weights and one for all of its activations, where the largest of them on these inputs
    just fits, as in EIE, section VI-C; sums are exact.

    Raises
    ------
    InputError : a network with other than linear layers.
    """
    layers = [layer for layer in network.layers if type(layer) is Linear]
    if len(layers) < len(network.layers) or network.branches:
        others = [layer.name for layer in network.layers if layer not in layers]
        raise InputError(f"network {network.name!r}: precision is compared on linear layers only, "
                         f"which {(others or network.branches)[0]!r} is not")
    x, errors = network.check_inputs(x), {}
    for precision in precisions:
        values = x.astype(np.float32)
        for layer in layers:
            scale = np.asarray(layer.multiplier / 2.0 ** layer.shift)
            weights = layer.weights.dense() * scale[:, np.newaxis]
            bias = layer.bias * scale
            if precision == "float32":
                values = values @ weights.T.astype(np.float32) + bias.astype(np.float32)
            else:
                values = (_fixed(values.astype(float), precision, np.abs(values).max())
                          @ _fixed(weights, precision, np.abs(weights).max()).T + bias)
            if layer.relu:
                values = np.maximum(values, 0)
        name = precision if precision == "float32" else f"{precision}-bit fixed"
        errors[name] = float(np.mean(values.argmax(axis=1) != labels))
    return errors
