# SPDX-License-Identifier: Apache-2.0
"""The specification of every value: integer arithmetic, to be read beside docs/numerics.md."""
import numpy as np

from .fixed import requantise
from .graph import INPUT, Conv, Linear, Network, Pool

__all__ = ["linear", "network"]


def linear(layer: Linear, x: np.ndarray, act_width: int) -> np.ndarray:
    """One layer on activations x [batch, n]; returns [batch, outputs], int64.

    Accumulation is exact: the compiler refuses a layer whose sums could leave ``acc_width``.
    """
    x = np.asarray(x, np.int64)
    vectors = layer.window.gather(x).reshape(-1, layer.window.columns) \
        if isinstance(layer, Conv) else x
    acc = vectors @ layer.weights.dense().T
    return requantise(acc, layer.bias, layer.multiplier, layer.shift,
                      relu=layer.relu, act_width=act_width).reshape(len(x), layer.outputs)


def network(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Every layer's output [batch, m], in order; ``x`` is checked first."""
    values = {INPUT: net.check_inputs(x)}
    outputs = []
    for number, layer in enumerate(net.layers):
        acts = net.read(number, values)
        acts = layer.reduced(acts, net.act_width) if isinstance(layer, Pool) \
            else linear(layer, acts, net.act_width)
        values[layer.name] = acts
        outputs.append(acts)
    return outputs
