# SPDX-License-Identifier: Apache-2.0
"""The specification of every value: integer arithmetic, to be read beside docs/numerics.md."""
import numpy as np

from .bounds import prove_exact
from .fixed import requantise
from .graph import INPUT, Layer, Network
from .run import LayerRun, Run

__all__ = ["layer", "network", "run"]

_BATCH = 250                # inputs of which windows are unfolded at a time


def layer(this: Layer, x: np.ndarray, act_width: int) -> np.ndarray:
    """One layer on activations x [batch, n]; returns [batch, outputs], int64.

    Accumulation is exact: the compiler refuses a layer whose sums could leave ``acc_width``.
    """
    acc = this.sums(np.asarray(x, np.int64), act_width)
    return requantise(acc, **this.writeback(act_width), relu=this.relu,
                      act_width=act_width).reshape(len(x), this.outputs)


def network(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Every layer's output [batch, m], in order; ``x`` is checked first."""
    values = {INPUT: net.check_inputs(x)}
    outputs = []
    for number, this in enumerate(net.layers):
        values[this.name] = layer(this, net.read(number, values), net.act_width)
        outputs.append(values[this.name])
    return outputs


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
    parts = [network(net, x[first:first + _BATCH]) for first in range(0, max(len(x), 1), _BATCH)]
    return Run(engine="golden", config=None, layers=tuple(
        LayerRun(name=this.name, outputs=np.concatenate(outputs))
        for this, outputs in zip(net.layers, zip(*parts))))
