# SPDX-License-Identifier: Apache-2.0
"""The specification of every value: integer arithmetic, to be read beside docs/numerics.md."""
from collections.abc import Sequence

import numpy as np

from .bounds import prove_exact
from .fixed import clamp, is_saturated, rescale
from .graph import INPUT, Layer, Network
from .run import LayerRun, Run

__all__ = ["layer", "network", "network_saturated", "run"]

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
    return Run(engine="golden", config=None, layers=tuple(
        _joined(this.name, batches) for this, batches in zip(net.layers, zip(*parts))))


def _joined(name: str, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> LayerRun:
    """One layer's run over consecutive batches, an input a start."""
    outputs, saturated = (np.concatenate(arrays) for arrays in zip(*batches))
    return LayerRun(name=name, outputs=outputs, saturated=saturated.sum(axis=1, keepdims=True))
