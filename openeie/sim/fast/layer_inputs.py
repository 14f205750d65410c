# SPDX-License-Identifier: Apache-2.0
"""The activations that each layer of a run read; its cycles follow from them."""
from collections.abc import Callable

import numpy as np

from ...core.compile.program import Program
from ...core.network.graph import INPUT
from ...core.run import Run

__all__ = ["reader"]


def reader(program: Program, run: Run, x: np.ndarray) -> Callable[[int], np.ndarray]:
    """A function of a layer's number: the activations int64 [batch, n] that the layer read.

    They are computed on demand: all layers' inputs together would be as large as the run itself.

    run : of ``program`` on inputs x [batch, n].
    """
    network = program.network
    values = {layer.name: layer.outputs for layer in run.layers}
    values[INPUT] = network.check_inputs(x)
    return lambda number: network.read(number, values)
