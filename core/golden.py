# SPDX-License-Identifier: Apache-2.0
"""The specification of every value: integer arithmetic, to be read beside docs/numerics.md."""
import numpy as np

from .fixed import requantise
from .graph import INPUT, Layer, Network

__all__ = ["layer", "network"]


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
