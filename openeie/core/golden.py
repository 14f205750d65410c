# SPDX-License-Identifier: Apache-2.0
"""The specification of every value: integer arithmetic, to be read beside docs/numerics.md."""
from collections.abc import Sequence

import numpy as np

from .network.bounds import prove_exact
from .network.graph import INPUT, Conv, Layer, Linear, Network
from .numbers.fixed import clamp, is_saturated, rescale
from .run import LayerRun, Run

__all__ = ["column_rates", "layer", "network", "network_saturated", "run"]

_BATCH = 250                # inputs of which windows are unfolded at a time


def layer(this: Layer, x: np.ndarray, act_width: int) -> np.ndarray:
    """One layer on activations x [batch, n]; returns [batch, outputs], int64.

    Accumulation is exact: the compiler refuses a layer whose sums could leave ``acc_width``.
    """
    return _layer(this, x, act_width)[0]


def _layer(this: Layer, x: np.ndarray, act_width: int) -> tuple[np.ndarray, np.ndarray]:
    """The outputs of :func:`layer`, and which of them saturated, bool [batch, outputs]."""
    acc = this.sums(np.asarray(x, np.int64), act_width)
    scaled = rescale(acc, **this.writeback(act_width)).reshape(len(x), this.outputs)
    return (clamp(scaled, relu=this.relu, act_width=act_width),
            is_saturated(scaled, relu=this.relu, act_width=act_width))


def network(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Every layer's output [batch, m], in order; ``x`` is checked first."""
    return [outputs for outputs, _ in network_saturated(net, x)]


def network_saturated(net: Network, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every layer's output [batch, m], and which words of it saturated, bool [batch, m]."""
    values = {INPUT: net.check_inputs(x)}
    results = []
    for number, this in enumerate(net.layers):
        results.append(_layer(this, net.read(number, values), net.act_width))
        values[this.name] = results[-1][0]
    return results


def run(net: Network, x: np.ndarray) -> Run:
    """Every layer's output on inputs x [batch, n] without an array: of a network that was not
    compiled, or that no array can run.

    Raises
    ------
    InputError : inputs that the network does not take.
    CapacityError : a layer's sums need more bits than are computed exactly.
    """
    prove_exact(net)
    x = net.check_inputs(x)
    parts = [network_saturated(net, x[first:first + _BATCH])
             for first in range(0, max(len(x), 1), _BATCH)]
    return Run(engine="golden", config=None, tiles=tuple(
        _joined(this.name, batches) for this, batches in zip(net.layers, zip(*parts))))


def _joined(name: str, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> LayerRun:
    """One layer's run over consecutive batches, an input a start."""
    outputs, saturated = (np.concatenate(arrays) for arrays in zip(*batches))
    return LayerRun(name=name, outputs=outputs, saturated=saturated.sum(axis=1, keepdims=True))


def column_rates(network: Network, x) -> dict[str, np.ndarray]:
    """How often each column of each layer with a matrix meets an activation that is not zero, on
    inputs x [batch, n]: a share of the inputs and positions, by the layers' names."""
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
