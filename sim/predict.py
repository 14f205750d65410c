# SPDX-License-Identifier: Apache-2.0
"""What a program will take before there is an input: its time on drawn activations."""
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.graph import INPUT
from ..core.program import Program
from .dense import dense_cycles
from .items import map_items, network_layer, plan_cycles

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One plan's time in one start, exact for the activations that were drawn.

    Attributes
    ----------
    name : the plan's.
    density : share of the activations read that are not zero, as drawn.
    cycles, dense_cycles : on these, and of the same array run dense.
    utilisation : entries that are no fillers / (PEs x cycles).
    """
    name: str
    density: float
    cycles: int
    dense_cycles: int
    utilisation: float


def predict(program: Program, *, density: float = 0.5, input_density: float | None = None,
            seed: int = 1) -> tuple[Prediction, ...]:
    """Time of every plan of ``program`` in one start.

    Every activation that a layer reads is drawn by itself, non-zero with probability ``density``,
    and the recurrence of docs/timing.md runs over all of them: nothing is sampled. At a density
    of 1 no input takes more columns. Real activations are zero in clusters and by channels, so
    their time differs; it is measured by running them.

    Parameters
    ----------
    density : of all maps, 0 .. 1.
    input_density : of the network's input; like the others, if None.
    seed : what the drawing starts from; each layer draws for itself.

    Raises
    ------
    InputError : a density that is no share.
    """
    if input_density is None:
        input_density = density
    for name, value in (("density", density), ("input_density", input_density)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} must be in 0 .. 1, not {value!r}")
    return tuple(_predict(program, number, density, input_density, seed)
                 for number in range(len(program.layers)))


def _predict(program: Program, number: int, density: float, input_density: float,
             seed: int) -> Prediction:
    plan, config = program.layers[number], program.config
    layer = network_layer(program, number)
    share = input_density if program.network.sources(layer) == (INPUT,) else density
    rng = np.random.default_rng([seed, number])
    present = rng.random((program.vectors, program.network.layers[layer].inputs)) < share
    cycles, counters = plan_cycles(plan, config, map_items(program, number, present),
                                   plan.entry_count.T, plan.filler_count.T)
    return Prediction(name=plan.name, density=float(present.mean()), cycles=cycles,
                      dense_cycles=dense_cycles(program, number),
                      utilisation=int(counters[:, 0].sum()) / (config.pes * cycles))
