# SPDX-License-Identifier: Apache-2.0
"""Engine ``fast``: values from the memory images, cycles and counters from the recurrence."""
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...core.array.config import ArrayConfig, half_rows
from ...core.array.counters import COUNTERS
from ...core.array.timing import Timing
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import INPUT
from ...core.numbers.fixed import clamp, int_range, is_saturated, rescale
from ...core.run import LayerRun, Run
from .blas import one_blas_thread
from .decoded import DecodedTile, DecodedPart, decode
from .recurrence import TOKEN, Latencies, Launches, Shape, find_items, time_launches
from .values import accumulate_channels, multiply

__all__ = ["run", "layer_cycles", "broadcast_items"]

# Bounds of one thread's memory: launches at a time, and words of their activation memories.
_CHUNK = 256
_MEMORY = 1 << 23
# Activations or accumulators that a thread works on together, so that they stay in its cache.
_CELLS = 1 << 18


def _seen(tile: DecodedTile, memory: np.ndarray, config: ArrayConfig) -> np.ndarray:
    """What the scan reads, int16 [launches, vectors, rows x PEs].

    memory : int16 [launches, rows of activation memory, PEs].
    """
    launches, _, pes = memory.shape
    walk = tile.walk
    vectors = tile.vectors
    if walk.is_contiguous:
        part = memory[:, walk.origin:walk.origin + vectors * walk.rows]
        return part.reshape(launches, vectors, walk.rows * pes)
    address, inside = walk.addresses(vectors, half_rows(config) * 2)
    seen = memory[:, np.where(inside, address, 0)]
    seen[:, ~inside] = int_range(config.act_width)[0] if tile.maximum else 0
    return seen.reshape(launches, vectors, walk.rows * pes)


def _write_back(tile: DecodedTile, part: DecodedPart, acc: np.ndarray, config: ArrayConfig,
                saturated: np.ndarray) -> np.ndarray:
    """Outputs of accumulators int64 [vectors, m], of the same shape.

    Adds the number of each vector's saturated outputs to ``saturated``, int64 [vectors, PEs].
    """
    scaled = rescale(acc, part.bias, part.multiplier, part.shift)
    at_an_end = is_saturated(scaled, relu=tile.relu, act_width=config.act_width)
    if at_an_end.any():                         # seldom
        saturated += at_an_end.reshape(len(acc), -1, saturated.shape[1]).sum(axis=1)
    return clamp(scaled, relu=tile.relu, act_width=config.act_width)


def _outputs(tile: DecodedTile, part: DecodedPart, x: np.ndarray, config: ArrayConfig
             ) -> tuple[np.ndarray, np.ndarray]:
    """What a part writes for its vectors, int16 [vectors, m], and how many of each vector's
    outputs saturated in each PE, int64 [vectors, PEs].

    x : int16 [vectors, rows x PEs].
    """
    outputs = np.empty((len(x), part.channels), np.int16)
    saturated = np.zeros((len(x), part.pes), np.int64)
    step = max(1, _CELLS // max(x.shape[1], part.channels))
    for first in range(0, len(x), step):
        mine = slice(first, first + step)
        acc = _accumulators(tile, part, x[mine], config)
        outputs[mine] = _write_back(tile, part, acc, config, saturated[mine])
    return outputs, saturated


def _accumulators(tile: DecodedTile, part: DecodedPart, x: np.ndarray, config: ArrayConfig
                  ) -> np.ndarray:
    """int64 [vectors, m] of vectors x int16 [vectors, rows x PEs]."""
    if not tile.local:
        return multiply(x[:, :len(part.counts)], part)
    by_row = x.reshape(len(x), tile.walk.rows, config.pes)
    return accumulate_channels(by_row, part, maximum=tile.maximum,
                               lowest=int_range(config.act_width)[0])


def _items(tile: DecodedTile, seen: np.ndarray) -> np.ndarray:
    """What is broadcast in launches that read ``seen``, int16 [launches, vectors, rows x PEs]; in a
    channel-wise tile, where every row is an item whatever its values are, in one of them."""
    if tile.local:
        return find_items(np.ones((tile.vectors, tile.walk.rows), bool))
    n = tile.counts.shape[1]
    return find_items((seen[..., :n] != 0).reshape(-1, n))


def _time(tile: DecodedTile, items: np.ndarray, launches: int, config: ArrayConfig) -> Launches:
    """Cycles and counters of launches with these items."""
    lat = Latencies.of(Timing(config))
    if not tile.local:
        return time_launches(items, tile.vectors, tile.counts, tile.fillers, tile.shape, lat,
                             launches=launches)
    repeats = (1, tile.walk.rows // tile.counts.shape[1], 1)
    one = time_launches(items, tile.vectors, np.tile(tile.counts, repeats),
                        np.tile(tile.fillers, repeats), tile.shape, lat)
    return Launches(np.repeat(one.cycles, launches), np.repeat(one.counters, launches, axis=0))


class _Values(NamedTuple):
    """Values of one tile in some launches, and the time that is still being computed."""
    tile: DecodedTile
    outputs: np.ndarray         # int64 [inputs, outputs]
    saturated: np.ndarray       # int64 [launches, PEs]
    times: list[Future[Launches]]


def _run_tile(tile: DecodedTile, memory: np.ndarray, config: ArrayConfig, timers: Executor
              ) -> _Values:
    """Run one tile on the activation memories int16 [launches, rows, PEs], which it changes."""
    launches, _, pes = memory.shape
    vectors = tile.vectors
    rows = tile.memory_rows
    saturated = np.zeros((launches, pes), np.int64)
    acts = np.zeros((launches, vectors, rows * pes), np.int16)
    times = []
    # What windows see is much larger than the map, so they take one launch at a time.
    step = launches if tile.walk.positions == 1 else 1
    clusters = len(tile.parts)
    for first in range(0, launches, max(1, step)):
        mine = slice(first, first + step)
        seen = _seen(tile, memory[mine], config)
        # Times need no values: other threads may compute them while the next tile runs.
        times.append(timers.submit(_time, tile, _items(tile, seen), len(seen), config))
        for number, part in enumerate(tile.parts):
            taken = seen[:, number::clusters]           # vectors that this cluster takes
            outputs, ends = _outputs(tile, part, taken.reshape(-1, seen.shape[2]), config)
            in_part = slice(number * part.pes, (number + 1) * part.pes)
            acts[mine, number::clusters, :part.channels] = outputs.reshape(
                *taken.shape[:2], part.channels)
            saturated[mine, in_part] = ends.reshape(*taken.shape[:2], part.pes).sum(axis=1)

    memory[:, _written_rows(tile)] = acts.reshape(launches, vectors, rows, pes)
    positions = tile.walk.positions
    outputs = acts[..., tile.places].reshape(
        launches * vectors // positions, positions * len(tile.places))
    return _Values(tile, outputs.astype(np.int64), saturated, times)


def _tile_run(values: _Values, pes: int) -> LayerRun:
    """One tile's run, with its time."""
    times = [future.result() for future in values.times]
    cycles = np.concatenate([np.zeros(0, np.int64), *(time.cycles for time in times)])
    counters = np.concatenate([np.zeros((0, pes, len(COUNTERS)), np.int64),
                               *(time.counters for time in times)])
    assert not counters.size or counters.min() >= 0, "a counter below zero: the recurrence is off"
    return LayerRun(name=values.tile.name, part=values.tile.part, outputs=values.outputs,
                    cycles=cycles, counters=counters, saturated=values.saturated)


def _written_rows(tile: DecodedTile) -> np.ndarray:
    """Rows of memory that each position of a launch writes, int64 [vectors, memory_rows]."""
    turn, cluster = np.divmod(np.arange(tile.vectors), len(tile.parts))
    step = tile.memory_rows - 1 + tile.dst_step
    first = tile.dst_origin + turn * step + cluster * tile.cluster_step
    return first[:, None] + np.arange(tile.memory_rows)


def run(program: Program, x: ArrayLike, *, jobs: int = 1,
        tiles: Sequence[DecodedTile] | None = None) -> Run:
    """Execute ``program`` on inputs x [batch, n].

    Parameters
    ----------
    jobs : threads that share the launches, and as many for the times, which run beside the values;
        the result does not depend on it.
    tiles : what :func:`openeie.sim.fast.decoded.decode` returned for this program, to save
        decoding it again.

    Raises
    ------
    InputError : x is not what the network takes, or the batch is no multiple of
        ``program.vectors``.
    EncodingError : the memory images are malformed.
    """
    x = program.check_inputs(x)
    vectors = program.vectors
    tiles = decode(program) if tiles is None else tiles
    launches = len(x) // vectors
    chunk = max(1, min(_CHUNK, _MEMORY // (program.act_rows * program.config.pes)))
    tasks = max(1, -(-launches // chunk), min(jobs, launches))
    edges = [vectors * (launches * task // tasks) for task in range(tasks + 1)]
    with one_blas_thread(), ThreadPoolExecutor(max(1, jobs)) as pool, _timers(jobs) as timers:
        parts = list(pool.map(
            lambda first, end: _run_launches(program, tiles, x[first:end], timers),
            edges, edges[1:]))
    return Run(engine="fast", config=program.config, tiles=tuple(map(_join, zip(*parts))))


def _timers(jobs: int) -> Executor:
    """What computes times: other threads beside the values', or with one job the same thread."""
    return ThreadPoolExecutor(jobs) if jobs > 1 else _SameThread()


class _SameThread(Executor):
    """Does at once what it is given."""

    def submit(self, call, /, *arguments, **options):       # noqa: D102
        future: Future = Future()
        future.set_result(call(*arguments, **options))
        return future


def _run_launches(program: Program, tiles: Sequence[DecodedTile], x: np.ndarray, timers: Executor
                  ) -> list[LayerRun]:
    """All tiles on inputs x int64 [batch, n] of some launches."""
    pes = program.config.pes
    launches = len(x) // program.vectors
    memory = np.zeros((launches, program.act_rows, pes), np.int16)
    acts = program.network.layout(INPUT).memory(x, pes)
    rows = program.vectors * acts.shape[1] * acts.shape[2]
    first = program.input_origin
    memory[:, first:first + rows] = acts.reshape(launches, rows, pes)
    values = [_run_tile(tile, memory, program.config, timers) for tile in tiles]
    return [_tile_run(one, pes) for one in values]


def _join(parts: Sequence[LayerRun]) -> LayerRun:
    """One tile's runs over consecutive launches as one."""
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return LayerRun(name=parts[0].name, part=parts[0].part, outputs=joined("outputs"),
                    cycles=joined("cycles"), counters=joined("counters"),
                    saturated=joined("saturated"))


def broadcast_items(x: ArrayLike) -> np.ndarray:
    """Items that one launch broadcasts, int32 [items]: the non-zero columns of each vector, then
    :data:`TOKEN`.

    x : activations [vectors, n] or [n].
    """
    return find_items(np.atleast_2d(np.asarray(x)) != 0)


def layer_cycles(items: ArrayLike, counts: ArrayLike, fillers: ArrayLike, *, config: ArrayConfig,
                 outputs: int, counted: bool = True) -> tuple[int, np.ndarray | None]:
    """Cycles and counters of one launch of a linear layer, without its weights: for sweeps.

    Parameters
    ----------
    items : int32 [items], as :func:`broadcast_items` returns them.
    counts, fillers : int32 [n, PEs]: entries of each column and PE, and fillers among them.
    config : its ``pes``, ``queue_depth`` and ``acc_banks`` count, and its encodings, on which the
        latencies depend.
    outputs : m, the number of outputs.
    counted : whether counters are asked for; without them it takes a third of the time.

    Returns
    -------
    Cycles, and counters int64 [PEs, 7] in the order of
    :data:`~openeie.core.array.counters.COUNTERS`, or None.

    Raises
    ------
    InputError : counts, fillers or items of other shapes or values.
    """
    items = np.ascontiguousarray(items, np.int32)
    counts = np.ascontiguousarray(counts, np.int32)
    fillers = np.ascontiguousarray(fillers, np.int32)
    if counts.ndim != 2 or counts.shape[1] != config.pes or fillers.shape != counts.shape:
        raise InputError(f"counts and fillers must have shape [n, {config.pes}], "
                         f"not {list(counts.shape)} and {list(fillers.shape)}")
    if items.ndim != 1 or not len(items) or items[-1] != TOKEN \
            or items.min() < TOKEN or items.max() >= len(counts):
        raise InputError(f"items must be columns below {len(counts)}, with {TOKEN} after each "
                         "vector")
    shape = Shape(src_rows=-(-len(counts) // config.pes), acc_rows=-(-outputs // config.pes),
                  acc_banks=config.acc_banks, lanes=config.pes,
                  queue_depth=config.queue_depth)
    times = time_launches(items, int(np.count_nonzero(items == TOKEN)), counts[None],
                          fillers[None], shape, Latencies.of(Timing(config)), counted=counted)
    return int(times.cycles[0]), None if times.counters is None else times.counters[0]
