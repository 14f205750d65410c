# SPDX-License-Identifier: Apache-2.0
"""The engine golden, which specifies every value; ``docs/numerics.md`` explains the arithmetic."""
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .network.bounds import prove_exact
from .network.graph import INPUT, Conv, Layer, Linear, Network
from .numbers.fixed import clamp, is_saturated, rescale
from .run import LayerRun, Run

__all__ = ["column_rates", "layer", "network", "network_saturated", "run"]

_BATCH = 250                # inputs whose windows are unfolded at a time, which bounds the memory


def layer(this: Layer, x: np.ndarray, act_width: int) -> np.ndarray:
    """Outputs int64 [batch, outputs] of one layer for activations x [batch, n].

    Accumulation is exact: the compiler refuses a layer whose sums could exceed ``acc_width``.
    """
    return _layer(this, x, act_width)[0]


def _layer(this: Layer, x: np.ndarray, act_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of :func:`layer`, and the mask of those that saturated, bool [batch, outputs]."""
    acc = this.sums(np.asarray(x, np.int64), act_width)
    scaled = rescale(acc, **this.writeback(act_width)).reshape(len(x), this.outputs)
    return (clamp(scaled, relu=this.relu, act_width=act_width),
            is_saturated(scaled, relu=this.relu, act_width=act_width))


def network(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Outputs int64 [batch, m] of every layer, in order, for inputs x [batch, n].

    Raises
    ------
    InputError : inputs that the network does not accept.
    """
    return [outputs for outputs, _ in network_saturated(net, x)]


def network_saturated(net: Network, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outputs int64 [batch, m] of every layer, in order, each with the mask of those that
    saturated, bool [batch, m].

    Raises
    ------
    InputError : inputs that the network does not accept.
    """
    values = {INPUT: net.check_inputs(x)}
    results = []
    for number, this in enumerate(net.layers):
        outputs, saturated = _layer(this, net.read(number, values), net.act_width)
        results.append((outputs, saturated))
        values[this.name] = outputs
    return results


def run(net: Network, x: np.ndarray) -> Run:
    """Run a network on inputs x [batch, n] without an array; it need not be compiled, and can also
    be one that no array runs.

    Raises
    ------
    InputError : inputs that the network does not accept.
    CapacityError : a layer whose sums need more bits than are computed exactly.
    """
    prove_exact(net)
    x = net.check_inputs(x)
    batches = [network_saturated(net, x[first:first + _BATCH])
               for first in range(0, max(len(x), 1), _BATCH)]
    tiles = [_joined(this.name, parts) for this, parts in zip(net.layers, zip(*batches))]
    return Run(engine="golden", config=None, tiles=tuple(tiles))


def _joined(name: str, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> LayerRun:
    """One layer's run over consecutive batches, with one input per launch."""
    outputs = np.concatenate([outputs for outputs, _ in parts])
    saturated = np.concatenate([saturated for _, saturated in parts])
    return LayerRun(name=name, outputs=outputs, saturated=saturated.sum(axis=1, keepdims=True))


def column_rates(network: Network, x: npt.ArrayLike) -> dict[str, np.ndarray]:
    """How often each column of a matrix is broadcast, for inputs x [batch, n].

    Returns, by layer name, for each linear layer and convolution float [n]: the share of inputs and
    positions at which the column's activation is not zero.

    Raises
    ------
    InputError : inputs that the network does not accept.
    """
    values = {INPUT: network.check_inputs(x)}
    rates = {}
    for number, this in enumerate(network.layers):
        read = network.read(number, values)
        if isinstance(this, Conv):
            rates[this.name] = (this.window.gather(read) != 0).mean(axis=(0, 1))
        elif isinstance(this, Linear):
            rates[this.name] = (read != 0).mean(axis=0)
        values[this.name] = layer(this, read, network.act_width)
    return rates
