# SPDX-License-Identifier: Apache-2.0
"""What each layer of a run read: the values that its time follows from."""
import numpy as np

from ...core.graph import INPUT
from ...core.program import Program
from ...core.run import Run

__all__ = ["read_by_layer"]


def read_by_layer(program: Program, run: Run, x) -> list[np.ndarray]:
    """Activations that each layer of the network read on a run on inputs x, [batch, n] each."""
    network = program.network
    values = {INPUT: network.check_inputs(x)} | {
        layer.name: layer.outputs for layer in run.whole_layers}
    return [network.read(number, values) for number in range(len(network.layers))]
