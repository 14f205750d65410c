# SPDX-License-Identifier: Apache-2.0
"""A program's cycles in advance: on random activations, or measured on given inputs."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.compile.balance import read_order
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import INPUT, Network, Pool
from ...core.run import LayerRun, Run
from .dense import dense_cycles
from .fast import run
from .layer_inputs import reader
from .layer_time import map_items, plan_cycles, plan_entries

__all__ = ["Prediction", "Present", "drawn", "measure", "measured", "predict", "seen_in",
           "timed"]

#: From a layer's number to which of the activations it reads are not zero, bool [batch, n].
#: Channels are in the order of the network that was given, whether the program's is balanced or
#: not; so programs of one network can be timed on the same activations.
Present = Callable[[int], np.ndarray]


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
    return timed(program, drawn(program, density=density, input_density=input_density,
                                        seed=seed))


def drawn(program: Program, *, density: float = 0.5, input_density: float | None = None,
          seed: int = 1, batch: int | None = None) -> Present:
    """Random activations, drawn as :func:`predict` says; parameters and errors as there.

    batch : number of inputs; None: those of one launch. The first ones do not depend on it.
    """
    if input_density is None:
        input_density = density
    for name, value in (("density", density), ("input_density", input_density)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} must be in 0 .. 1, not {value!r}")
    if seed < 0:
        raise InputError(f"seed must not be negative, not {seed!r}")
    count = batch or program.vectors

    def draw(number: int) -> np.ndarray:
        shares = _read_shares(program.network, number, density, input_density)
        rng = np.random.default_rng([seed, number])     # all tiles of a layer read the same map
        return rng.random((count, len(shares))) < shares
    return draw


def seen_in(program: Program, run: Run, x: np.ndarray) -> Present:
    """The activations of ``run``, which is of ``program`` on inputs x [batch, n]."""
    read = reader(program, run, x)

    def look(number: int) -> np.ndarray:
        present = read(number) != 0
        columns = _read_columns(program, number, present.shape[1])
        if columns is None:
            return present
        given = np.empty_like(present)
        given[:, columns] = present
        return given
    return look


def timed(program: Program, present: Present) -> tuple[Prediction, ...]:
    """Time of each tile of ``program``: the mean of its launches on these activations, by the
    recurrence alone.

    present : of as many inputs as make whole launches.
    """
    return tuple(_timed(program, number, present(plan.layer))
                 for number, plan in enumerate(program.tiles))


def _timed(program: Program, number: int, present: np.ndarray) -> Prediction:
    """The time of tile ``number``, whose layer reads ``present`` [batch, n]."""
    plan = program.tiles[number]
    config = program.config
    columns = _read_columns(program, number=plan.layer, count=present.shape[1])
    if columns is not None:
        present = present[:, columns]
    entries = plan_entries(plan, config)
    launches = present.reshape(-1, program.vectors, present.shape[1])
    cycles = 0
    busy = 0
    for launch in launches:
        took, counters = plan_cycles(plan, config, map_items(program, number, launch), *entries)
        cycles += took
        busy += int(counters[:, 0].sum())
    mean = cycles if len(launches) == 1 else cycles / len(launches)
    return Prediction(name=plan.name, density=float(present.mean()), cycles=mean,
                      dense_cycles=dense_cycles(program, number),
                      utilisation=busy / (config.pes * cycles))


def _read_columns(program: Program, number: int, count: int) -> np.ndarray | None:
    """Which of the ``count`` activations that layer ``number`` of the given network reads stands at
    each place in a balanced program, int64 [n]; None if all stay where they are."""
    orders = program.choices.orders
    if not orders:
        return None
    channels = read_order(program.network, orders, number)
    pixels = np.arange(0, count, len(channels))
    return (pixels[:, np.newaxis] + channels).reshape(-1)


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
    return measured(program, run(program, x, jobs=jobs), x)


def measured(program: Program, done: Run, x: np.ndarray) -> tuple[Prediction, ...]:
    """The same from a run that is ``done``, of ``program`` on inputs x int64 [batch, n]."""
    read = reader(program, done, x)
    return tuple(_measured(program, number, tile, read(program.tiles[number].layer))
                 for number, tile in enumerate(done.tiles))


def _measured(program: Program, number: int, tile: LayerRun, acts: np.ndarray) -> Prediction:
    """The time of tile ``number``, whose layer read activations ``acts`` [batch, n]."""
    return Prediction(name=tile.name, density=float(np.count_nonzero(acts) / acts.size),
                      cycles=float(tile.cycles.mean()),
                      dense_cycles=dense_cycles(program, number), utilisation=tile.utilisation)
