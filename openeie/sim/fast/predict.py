# SPDX-License-Identifier: Apache-2.0
"""A program's cycles in advance: on random activations, or measured on given inputs."""
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import INPUT, Network, Pool
from ...core.run import LayerRun
from .dense import dense_cycles
from .fast import run
from .layer_inputs import reader
from .layer_time import map_items, plan_cycles, plan_entries

__all__ = ["Prediction", "predict", "measure"]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One tile's time in one launch.

    Attributes
    ----------
    name : the tile's.
    density : share of the activations read that are not zero.
    cycles : of a launch; the mean if several were measured.
    dense_cycles : of the same array run dense (:mod:`.dense`).
    utilisation : entries without fillers, including a pool's / (PEs x cycles).
    """
    name: str
    density: float
    cycles: float
    dense_cycles: int
    utilisation: float


def predict(program: Program, *, density: float = 0.5, input_density: float | None = None,
            seed: int = 1) -> tuple[Prediction, ...]:
    """Time of each tile of ``program`` in one launch on random activations, exact for these.

    Each activation that a layer reads is drawn independently, and the recurrence of docs/timing.md
    runs over all of them; nothing is extrapolated from a sample. After a ReLU an activation is
    non-zero with probability ``density``, after a layer without one always; the outputs of a max
    pool are as dense as its input. A density of 1 is the worst case: one more column never makes a
    layer end earlier. The zeros of real activations come in clusters and channels, so their time
    differs; :func:`measure` gives that.

    Parameters
    ----------
    density : of maps after a ReLU, 0 .. 1.
    input_density : of the network's input, 0 .. 1; None: as ``density``.
    seed : of the random activations; each layer has its own generator.

    Raises
    ------
    InputError : a density outside of 0 .. 1, or a negative seed.
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
    """The time of tile ``number``."""
    plan = program.tiles[number]
    config = program.config
    shares = _read_shares(program.network, plan.layer, density, input_density)
    rng = np.random.default_rng([seed, plan.layer])     # all tiles of a layer read the same map
    present = rng.random((program.vectors, len(shares))) < shares
    cycles, counters = plan_cycles(plan, config, map_items(program, number, present),
                                   *plan_entries(plan, config))
    return Prediction(name=plan.name, density=float(present.mean()), cycles=cycles,
                      dense_cycles=dense_cycles(program, number),
                      utilisation=int(counters[:, 0].sum()) / (config.pes * cycles))


def _read_shares(network: Network, number: int, density: float,
                 input_density: float) -> np.ndarray:
    """Probability that each activation that layer ``number`` reads is not zero, float [n]."""
    values = {}
    for name in network.sources(number):
        layout = network.layout(name)
        values[name] = np.tile(_shares(network, name, density, input_density),
                               (1, layout.pixels))
    return network.read(number, values)[0]


def _shares(network: Network, name: str, density: float, input_density: float) -> np.ndarray:
    """The same for each channel of a layer's outputs, or of the input: float [channels].

    Only a ReLU makes many zeros: a sum is hardly ever 0. The outputs of a max pool are as dense as
    its input.
    """
    channels = network.layout(name).channels
    if name == INPUT:
        return np.full(channels, input_density)
    number = [layer.name for layer in network.layers].index(name)
    layer = network.layers[number]
    if layer.relu:
        return np.full(channels, density)
    if isinstance(layer, Pool) and layer.maximum:
        return np.concatenate([_shares(network, source, density, input_density)
                               for source in network.sources(number)])
    return np.ones(channels)


def measure(program: Program, x: ArrayLike, *, jobs: int = 1) -> tuple[Prediction, ...]:
    """Time of each tile of ``program``: the mean of a launch over inputs x [batch, n], by ``fast``.

    jobs : threads that share the launches.

    Raises
    ------
    InputError : x is not what the program takes, or is empty.
    """
    x = program.network.check_inputs(x)
    if not len(x):
        raise InputError("a measurement needs at least one input, not 0")
    measured = run(program, x, jobs=jobs)
    read = reader(program, measured, x)
    return tuple(_measured(program, number, tile, read(program.tiles[number].layer))
                 for number, tile in enumerate(measured.tiles))


def _measured(program: Program, number: int, tile: LayerRun, acts: np.ndarray) -> Prediction:
    """The time of tile ``number``, whose layer read activations ``acts`` [batch, n]."""
    return Prediction(name=tile.name, density=float(np.count_nonzero(acts) / acts.size),
                      cycles=float(tile.cycles.mean()),
                      dense_cycles=dense_cycles(program, number), utilisation=tile.utilisation)
