# SPDX-License-Identifier: Apache-2.0
"""Engine ``fast``: values from the memory images, cycles and counters from the recurrence."""
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

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
from .compiled import compiled
from .decoded import DecodedTile, DecodedPart, decode
from .recurrence import TOKEN, Latencies, Shape, all_cycles, find_columns, launch_cycles

__all__ = ["run", "layer_cycles", "broadcast_items"]

# Bounds of one thread's memory: launches at a time, and words of their activation memories.
_CHUNK = 256
_MEMORY = 1 << 23


@compiled
def _accumulate(x, indptr, rows, weights, acc):
    """acc int64 [vectors, m] += W x, entry by entry; x int64 [vectors, n]."""
    for vector in range(len(x)):
        sums = acc[vector]
        for j in range(x.shape[1]):
            act = x[vector, j]
            if act != 0:
                for k in range(indptr[j], indptr[j + 1]):
                    sums[rows[k]] += act * np.int64(weights[k])


def _seen(tile: DecodedTile, memory: np.ndarray, config: ArrayConfig) -> np.ndarray:
    """What the scan reads, int64 [launches, vectors, rows x PEs].

    memory : int64 [launches, rows of activation memory, PEs].
    """
    launches, _, pes = memory.shape
    walk = tile.walk
    vectors = tile.vectors
    if walk.is_contiguous:
        part = memory[:, walk.origin:walk.origin + vectors * walk.rows]
        return part.reshape(launches, vectors, walk.rows * pes)
    address, inside = walk.addresses(vectors, half_rows(config) * 2)
    padding = int_range(config.act_width)[0] if tile.maximum else 0
    seen = np.where(inside[..., None], memory[:, np.where(inside, address, 0)], padding)
    return seen.reshape(launches, vectors, walk.rows * pes)


def _write_back(tile: DecodedTile, part: DecodedPart, acc: np.ndarray, config: ArrayConfig,
                saturated: np.ndarray) -> np.ndarray:
    """Outputs of accumulators int64 [launches, vectors, m], of the same shape.

    Adds the number of saturated outputs to ``saturated``, int64 [launches, PEs].
    """
    scaled = rescale(acc, part.bias, part.multiplier, part.shift)
    at_an_end = is_saturated(scaled, relu=tile.relu, act_width=config.act_width)
    if at_an_end.any():                         # seldom
        saturated += at_an_end.reshape(len(acc), -1, saturated.shape[1]).sum(axis=1)
    return clamp(scaled, relu=tile.relu, act_width=config.act_width)


def _run_matrix(tile: DecodedTile, seen: np.ndarray, config: ArrayConfig, cycles: np.ndarray,
                counters: np.ndarray, saturated: np.ndarray, acts: np.ndarray) -> None:
    """Matrix-vector products: all PEs of a broadcast get every non-zero activation.

    seen : int64 [launches, vectors, rows x PEs]; the other arrays are filled.
    """
    x = np.ascontiguousarray(seen[..., :tile.counts.shape[1]])
    all_cycles(x, tile.counts, tile.fillers, tile.shape, Latencies.of(Timing(config)), cycles,
               counters)
    clusters = len(tile.parts)
    for number, part in enumerate(tile.parts):
        mine = slice(number, None, clusters)        # vectors that this cluster takes
        taken = np.ascontiguousarray(x[:, mine])
        sums = np.zeros((*taken.shape[:2], part.channels), np.int64)
        _accumulate(taken.reshape(-1, x.shape[2]), part.indptr, part.rows, part.weights,
                    sums.reshape(-1, part.channels))
        pes = slice(number * part.pes, (number + 1) * part.pes)
        acts[:, mine, :part.channels] = _write_back(tile, part, sums, config, saturated[:, pes])


@compiled
def _accumulate_local(x, indptr, rows, weights, maximum, lowest, acc):
    """Fill acc int64 [vectors, m]: every PE takes its own activations of x int64 [vectors, rows,
    PEs].

    If there are fewer columns than rows, the columns serve all pixels in turn. With ``maximum``,
    ``lowest`` is subtracted from the products, so that a cleared accumulator is below all of them.
    """
    lanes = rows % x.shape[2]
    columns = len(indptr) - 1
    for vector in range(len(x)):
        sums = acc[vector]
        for first in range(0, x.shape[1], columns):
            for j in range(columns):
                acts = x[vector, first + j]
                for k in range(indptr[j], indptr[j + 1]):
                    product = acts[lanes[k]] * np.int64(weights[k])
                    if maximum:
                        sums[rows[k]] = max(sums[rows[k]], product - lowest)
                    else:
                        sums[rows[k]] += product


def _run_local(tile: DecodedTile, seen: np.ndarray, config: ArrayConfig, cycles: np.ndarray,
               counters: np.ndarray, saturated: np.ndarray, acts: np.ndarray) -> None:
    """Channel by channel: every PE gets its own activations row by row, including zeros.

    seen : int64 [launches, vectors, rows x PEs]; the other arrays are filled.
    """
    part, = tile.parts
    vectors = seen.shape[1]
    rows = tile.walk.rows
    pes = config.pes
    # Every row is an item, whatever its values are, so all launches take the same cycles.
    items = np.ones((1, vectors, rows), np.int64)
    repeats = (1, rows // len(part.counts), 1)
    all_cycles(items, np.tile(tile.counts, repeats), np.tile(tile.fillers, repeats),
               tile.shape, Latencies.of(Timing(config)), cycles[:1], counters[:1])
    cycles[1:] = cycles[:1]
    counters[1:] = counters[:1]
    sums = np.zeros((*seen.shape[:2], part.channels), np.int64)
    _accumulate_local(np.ascontiguousarray(seen).reshape(-1, rows, pes), part.indptr, part.rows,
                      part.weights, tile.maximum, int_range(config.act_width)[0],
                      sums.reshape(-1, part.channels))
    acts[:] = _write_back(tile, part, sums, config, saturated)


def _run_tile(tile: DecodedTile, memory: np.ndarray, config: ArrayConfig) -> LayerRun:
    """Run one tile on the activation memories int64 [launches, rows, PEs], which it changes."""
    launches = len(memory)
    pes = config.pes
    vectors = tile.vectors
    cycles = np.empty(launches, np.int64)
    counters = np.empty((launches, pes, len(COUNTERS)), np.int64)
    saturated = np.zeros((launches, pes), np.int64)
    rows = tile.memory_rows
    acts = np.zeros((launches, vectors, rows * pes), np.int64)
    # What windows see is much larger than the map, so they take one launch at a time.
    step = launches if tile.walk.positions == 1 else 1
    execute = _run_local if tile.local else _run_matrix
    for first in range(0, launches, max(1, step)):
        part = slice(first, first + step)
        execute(tile, _seen(tile, memory[part], config), config,
                cycles[part], counters[part], saturated[part], acts[part])
    assert not counters.size or counters.min() >= 0, "a counter below zero: the recurrence is off"

    memory[:, _written_rows(tile)] = acts.reshape(launches, vectors, rows, pes)
    positions = tile.walk.positions
    outputs = acts[..., tile.places].reshape(
        launches * vectors // positions, positions * len(tile.places))
    return LayerRun(name=tile.name, part=tile.part, outputs=outputs, cycles=cycles,
                    counters=counters, saturated=saturated)


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
    jobs : threads that share the launches; the result does not depend on it.
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
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        parts = list(pool.map(lambda first, end: _run_launches(program, tiles, x[first:end]),
                              edges, edges[1:]))
    return Run(engine="fast", config=program.config, tiles=tuple(map(_join, zip(*parts))))


def _run_launches(program: Program, tiles: Sequence[DecodedTile], x: np.ndarray
                  ) -> list[LayerRun]:
    """All tiles on inputs x int64 [batch, n] of some launches."""
    pes = program.config.pes
    launches = len(x) // program.vectors
    memory = np.zeros((launches, program.act_rows, pes), np.int64)
    acts = program.network.layout(INPUT).memory(x, pes)
    rows = program.vectors * acts.shape[1] * acts.shape[2]
    first = program.input_origin
    memory[:, first:first + rows] = acts.reshape(launches, rows, pes)
    return [_run_tile(tile, memory, program.config) for tile in tiles]


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
    x = np.atleast_2d(np.asarray(x))
    return find_columns((x != 0).astype(np.int64))


def layer_cycles(items: ArrayLike, counts: ArrayLike, fillers: ArrayLike, *, config: ArrayConfig,
                 outputs: int) -> tuple[int, np.ndarray]:
    """Cycles and counters of one launch of a linear layer, without its weights: for sweeps.

    Parameters
    ----------
    items : int32 [items], as :func:`broadcast_items` returns them.
    counts, fillers : int32 [n, PEs]: entries of each column and PE, and fillers among them.
    config : its ``pes``, ``queue_depth`` and ``acc_banks`` count, and its encodings, on which the
        latencies depend.
    outputs : m, the number of outputs.

    Returns
    -------
    Cycles, and counters int64 [PEs, 7] in the order of
    :data:`~openeie.core.array.counters.COUNTERS`.

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
    counters = np.zeros((len(COUNTERS), config.pes), np.int64)
    cycles = launch_cycles(items, counts, fillers, shape, Latencies.of(Timing(config)), counters)
    return int(cycles), counters.T.copy()
