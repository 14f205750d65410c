# SPDX-License-Identifier: Apache-2.0
"""What each layer of a run read: the values that its time follows from."""
from collections.abc import Callable

import numpy as np

from ...core.compile.program import Program
from ...core.network.graph import INPUT
from ...core.run import Run

__all__ = ["reader"]


def reader(program: Program, run: Run, x) -> Callable[[int], np.ndarray]:
    """Activations [batch, n] that the layer of a number read on a run on inputs x, made when they
    are asked for: those of all layers are as much again as the run."""
    network = program.network
    values = {INPUT: network.check_inputs(x)} | {
        layer.name: layer.outputs for layer in run.layers}
    return lambda number: network.read(number, values)
