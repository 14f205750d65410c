# SPDX-License-Identifier: Apache-2.0
"""What a program will take: its time on activations that are drawn, or on inputs that are there."""
from dataclasses import dataclass

import numpy as np

from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import INPUT, Network, Pool
from .dense import dense_cycles
from .fast import run
from .layer_inputs import reader
from .layer_time import map_items, plan_cycles, plan_entries

__all__ = ["Prediction", "predict", "measure"]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One plan's time in one start.

    Attributes
    ----------
    name : the plan's.
    density : share of the activations read that are not zero.
    cycles, dense_cycles : of a start, a mean if several were measured; and of the same array run
        dense (:mod:`.dense`).
    utilisation : entries that are no fillers, a pool's too / (PEs x cycles).
    """
    name: str
    density: float
    cycles: float
    dense_cycles: int
    utilisation: float


def predict(program: Program, *, density: float = 0.5, input_density: float | None = None,
            seed: int = 1) -> tuple[Prediction, ...]:
    """Time of every plan of ``program`` in one start, exact for the activations that are drawn.

    Every activation that a layer reads is drawn by itself, and the recurrence of docs/timing.md
    runs over all of them: no part is sampled. It is non-zero with probability ``density`` behind a
    ReLU, always behind a layer without one; a largest pool's outputs are as its source's. A
    density of 1 is the worst case: another column never makes a layer end earlier. Real
    activations are zero in clusters and by channels, so their time is another; :func:`measure`
    has it.

    Parameters
    ----------
    density : of the maps behind a ReLU, 0 .. 1.
    input_density : of the network's input; ``density``, if None.
    seed : what the drawing starts from; each layer draws for itself.

    Raises
    ------
    InputError : a density that is no share, or a seed below 0.
    """
    if input_density is None:
        input_density = density
    for name, value in (("density", density), ("input_density", input_density)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} must be in 0 .. 1, not {value!r}")
    if seed < 0:
        raise InputError(f"seed must not be negative, not {seed!r}")
    return tuple(_predict(program, number, density, input_density, seed)
                 for number in range(len(program.tiles)))


def _predict(program: Program, number: int, density: float, input_density: float,
             seed: int) -> Prediction:
    plan, config = program.tiles[number], program.config
    shares = _read_shares(program.network, plan.layer, density, input_density)
    rng = np.random.default_rng([seed, plan.layer])     # all tiles read the same
    present = rng.random((program.vectors, len(shares))) < shares
    cycles, counters = plan_cycles(plan, config, map_items(program, number, present),
                                   *plan_entries(plan, config))
    return Prediction(name=plan.name, density=float(present.mean()), cycles=cycles,
                      dense_cycles=dense_cycles(program, number),
                      utilisation=int(counters[:, 0].sum()) / (config.pes * cycles))


def _read_shares(network: Network, number: int, density: float,
                 input_density: float) -> np.ndarray:
    """How likely each activation that layer ``number`` reads is not zero, [n]."""
    values = {}
    for name in network.sources(number):
        layout = network.layout(name)
        values[name] = np.tile(_shares(network, name, density, input_density),
                               (1, layout.pixels))
    return network.read(number, values)[0]


def _shares(network: Network, name: str, density: float, input_density: float) -> np.ndarray:
    """The same of each channel of a layer's output, or of the input: [channels].

    Only a ReLU makes zeros in number: a sum is hardly ever 0. The largest value is as its map's.
    """
    channels = network.layout(name).channels
    if name == INPUT:
        return np.full(channels, input_density)
    number, layer = next((number, layer) for number, layer in enumerate(network.layers)
                         if layer.name == name)
    if layer.relu:
        return np.full(channels, density)
    if isinstance(layer, Pool) and layer.maximum:
        return np.concatenate([_shares(network, source, density, input_density)
                               for source in network.sources(number)])
    return np.ones(channels)


def measure(program: Program, x, *, jobs: int = 1) -> tuple[Prediction, ...]:
    """Time of every plan of ``program``, a start's mean over inputs x [batch, n], by ``fast``.

    Raises
    ------
    InputError : x is not what the program takes, or is empty.
    """
    x = program.network.check_inputs(x)
    if not len(x):
        raise InputError("a measurement needs at least one input, not 0")
    measured = run(program, x, jobs=jobs)
    read = reader(program, measured, x)
    return tuple(
        Prediction(name=layer.name, cycles=float(layer.cycles.mean()),
                   density=float(np.count_nonzero(acts) / acts.size),
                   dense_cycles=dense_cycles(program, number), utilisation=layer.utilisation)
        for number, layer in enumerate(measured.tiles)
        for acts in [read(program.tiles[number].layer)])
