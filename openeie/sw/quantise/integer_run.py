# SPDX-License-Identifier: Apache-2.0
"""The integer network's outputs by matrix products: equal to the engine golden, but faster."""
from collections.abc import Iterator

import numpy as np

from ...core import golden
from ...core.errors import InputError
from ...core.network.graph import INPUT, Layer, Network
from ...core.network.layers import Conv, Linear
from ...core.numbers.fixed import requantise

__all__ = ["run_integer", "layer_outputs", "integer_error"]

_VALUES = 1 << 21               # most values of unfolded windows held at a time


def run_integer(network: Network, x: np.ndarray) -> np.ndarray:
    """Outputs int64 [batch, m] of the last layer for integer inputs x [batch, n].

    Matrices are multiplied as float64. That is exact: every product and every partial sum is an
    integer that fits an accumulator of at most 48 bits, and float64 holds integers of 53 bits.

    Raises
    ------
    InputError : inputs that the network does not take.
    """
    x = network.check_inputs(x)
    if not len(x):
        return np.zeros((0, network.outputs), np.int64)
    last = network.layers[-1].name
    return np.concatenate([values[last] for values in layer_outputs(network, x)])


def layer_outputs(network: Network, x: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For one part of the batch after another, a dict of every layer's outputs int64 [part, m] by
    layer name, with the part of the integer inputs x [batch, n] under ``INPUT``."""
    matrices = {layer.name: layer.weights.dense().astype(np.float64).T
                for layer in network.layers if isinstance(layer, Linear)}
    part = max(1, _VALUES // max(_unfolded(layer) for layer in network.layers))
    for at in range(0, len(x), part):
        yield _run(network, x[at:at + part], matrices)


def _unfolded(layer: Layer) -> int:
    """Number of values that a layer's windows read for one input, overlaps counted each time."""
    return layer.positions * layer.window.columns if isinstance(layer, Conv) else layer.inputs


def _run(network: Network, x: np.ndarray, matrices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    values = {INPUT: x}
    for number, layer in enumerate(network.layers):
        read = network.read(number, values)
        if isinstance(layer, Linear):
            seen = layer.window.gather(read) if isinstance(layer, Conv) else read[:, np.newaxis]
            sums = (seen.astype(np.float64) @ matrices[layer.name]).astype(np.int64)
            result = requantise(sums, **layer.writeback(network.act_width), relu=layer.relu,
                                act_width=network.act_width)
            values[layer.name] = result.reshape(len(x), layer.outputs)
        else:
            values[layer.name] = golden.layer(layer, read, network.act_width)
    return values


def integer_error(network: Network, x: np.ndarray, labels: np.ndarray) -> float:
    """Share of misclassified inputs: those whose largest output is not their label's.

    Parameters
    ----------
    x : integer inputs [batch, n].
    labels : integers [batch].

    Raises
    ------
    InputError : inputs that the network does not take, no inputs, or labels that are not one
        integer for each input.
    """
    x = network.check_inputs(x)
    labels = np.asarray(labels)
    if not len(x):
        raise InputError(f"an error is of at least one input, not of shape {list(x.shape)}")
    if labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(f"labels must be integers [{len(x)}], one for each input, "
                         f"not {labels.dtype} {list(labels.shape)}")
    return float(np.mean(run_integer(network, x).argmax(1) != labels))
