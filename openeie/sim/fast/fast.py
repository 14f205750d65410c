# SPDX-License-Identifier: Apache-2.0
"""Engine ``fast``: values from the memory images, cycles and counters from the recurrence."""
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

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
from .recurrence import TOKEN, Latencies, Shape, all_cycles, find_columns, start_cycles

__all__ = ["run", "layer_cycles", "broadcast_items"]

_CHUNK = 256        # starts of one task, and words of activation memory: bound what it takes
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


def _seen(layer: DecodedTile, memory: np.ndarray, config: ArrayConfig) -> np.ndarray:
    """What the scan reads: memory int64 [starts, rows, PEs] -> [starts, vectors, rows x PEs]."""
    starts, _, pes = memory.shape
    walk, vectors = layer.walk, layer.vectors
    if walk.is_contiguous:
        part = memory[:, walk.origin:walk.origin + vectors * walk.rows]
        return part.reshape(starts, vectors, walk.rows * pes)
    address, inside = walk.addresses(vectors, half_rows(config) * 2)
    beside = int_range(config.act_width)[0] if layer.maximum else 0
    seen = np.where(inside[..., None], memory[:, np.where(inside, address, 0)], beside)
    return seen.reshape(starts, vectors, walk.rows * pes)


def _write_back(layer: DecodedTile, part: DecodedPart, acc: np.ndarray, config: ArrayConfig,
                saturated: np.ndarray) -> np.ndarray:
    """Outputs of sums int64 [starts, vectors, m]; counts saturated ones into [starts, PEs]."""
    scaled = rescale(acc, part.bias, part.multiplier, part.shift)
    at_an_end = is_saturated(scaled, relu=layer.relu, act_width=config.act_width)
    if at_an_end.any():                         # seldom
        saturated += at_an_end.reshape(len(acc), -1, saturated.shape[1]).sum(axis=1)
    return clamp(scaled, relu=layer.relu, act_width=config.act_width)


def _run_matrix(layer: DecodedTile, seen: np.ndarray, config: ArrayConfig, cycles: np.ndarray,
                counters: np.ndarray, saturated: np.ndarray, acts: np.ndarray) -> None:
    """Matrix-vector products: every PE, or every one of a cluster, gets every non-zero
    activation."""
    x = np.ascontiguousarray(seen[..., :layer.counts.shape[1]])
    all_cycles(x, layer.counts, layer.fillers, layer.shape,
               Latencies.of(Timing(config)), cycles, counters)
    for number, part in enumerate(layer.parts):         # each takes every so-many-th vector
        turns = slice(number, None, len(layer.parts))
        taken = np.ascontiguousarray(x[:, turns])
        sums = np.zeros((*taken.shape[:2], part.channels), np.int64)
        _accumulate(taken.reshape(-1, x.shape[2]), part.indptr, part.rows, part.weights,
                    sums.reshape(-1, part.channels))
        pes = slice(number * part.pes, (number + 1) * part.pes)
        acts[:, turns, :part.channels] = _write_back(layer, part, sums, config, saturated[:, pes])


@compiled
def _accumulate_local(x, indptr, rows, weights, maximum, lowest, acc):
    """acc int64 [vectors, m] after every PE has taken its own of x int64 [vectors, rows, PEs].

    The columns serve one part of the rows after the other. With ``maximum`` products are moved
    up, so that nothing is below a cleared accumulator.
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


def _run_local(layer: DecodedTile, seen: np.ndarray, config: ArrayConfig, cycles: np.ndarray,
               counters: np.ndarray, saturated: np.ndarray, acts: np.ndarray) -> None:
    """Channel by channel: every PE gets its own activations, zeros among them, row by row."""
    part, = layer.parts
    vectors, rows, pes = seen.shape[1], layer.walk.rows, config.pes
    items = np.ones((1, vectors, rows), np.int64)           # every row, whatever is in it
    repeats = (1, rows // len(part.counts), 1)
    all_cycles(items, np.tile(layer.counts, repeats), np.tile(layer.fillers, repeats),
               layer.shape, Latencies.of(Timing(config)), cycles[:1], counters[:1])
    cycles[1:], counters[1:] = cycles[:1], counters[:1]
    sums = np.zeros((*seen.shape[:2], part.channels), np.int64)
    _accumulate_local(np.ascontiguousarray(seen).reshape(-1, rows, pes), part.indptr, part.rows,
                      part.weights, layer.maximum, int_range(config.act_width)[0],
                      sums.reshape(-1, part.channels))
    acts[:] = _write_back(layer, part, sums, config, saturated)


def _run_tile(layer: DecodedTile, memory: np.ndarray, config: ArrayConfig) -> LayerRun:
    """One tile on the activation memories int64 [starts, rows, PEs], which it changes."""
    starts, pes, vectors = len(memory), config.pes, layer.vectors
    cycles = np.empty(starts, np.int64)
    counters = np.empty((starts, pes, len(COUNTERS)), np.int64)
    saturated = np.zeros((starts, pes), np.int64)
    rows = layer.memory_rows
    acts = np.zeros((starts, vectors, rows * pes), np.int64)
    step = starts if layer.walk.positions == 1 else 1   # what a window sees is large
    execute = _run_local if layer.local else _run_matrix
    for first in range(0, starts, max(1, step)):
        part = slice(first, first + step)
        execute(layer, _seen(layer, memory[part], config), config,
                cycles[part], counters[part], saturated[part], acts[part])
    assert not counters.size or counters.min() >= 0, "a counter below zero: the recurrence is off"
    turn, cluster = np.divmod(np.arange(vectors), len(layer.parts))
    first = layer.dst_origin + turn * (rows - 1 + layer.dst_step) + cluster * layer.cluster_step
    memory[:, first[:, None] + np.arange(rows)] = acts.reshape(starts, vectors, rows, pes)
    outputs = acts[..., layer.places].reshape(
        starts * vectors // layer.walk.positions, layer.walk.positions * len(layer.places))
    return LayerRun(name=layer.name, part=layer.part, outputs=outputs, cycles=cycles,
                    counters=counters, saturated=saturated)


def run(program: Program, x, *, jobs: int = 1,
        tiles: Sequence[DecodedTile] | None = None) -> Run:
    """Execute ``program`` on inputs x [batch, n].

    Parameters
    ----------
    jobs : threads, each with a share of the starts; the result does not depend on it.
    tiles : what :func:`openeie.sim.fast.decoded.decode` made of this very program, to save
        decoding it again.

    Raises
    ------
    InputError : x is not what the network takes, or not a multiple of ``program.vectors``.
    EncodingError : the memory images are not well formed.
    """
    x = program.network.check_inputs(x)
    vectors, config = program.vectors, program.config
    if len(x) % vectors:
        raise InputError(f"the program takes {vectors} inputs a start, so the batch must be a "
                         f"multiple of {vectors}, not {len(x)}")
    tiles = decode(program) if tiles is None else tiles

    layout = program.network.layout(INPUT)

    def execute(x: np.ndarray) -> list[LayerRun]:
        starts = len(x) // vectors
        memory = np.zeros((starts, program.act_rows, config.pes), np.int64)
        acts = layout.memory(x, config.pes)
        rows = vectors * acts.shape[1] * acts.shape[2]
        memory[:, program.input_origin:program.input_origin + rows] = acts.reshape(
            starts, rows, config.pes)
        return [_run_tile(tile, memory, config) for tile in tiles]

    starts = len(x) // vectors
    chunk = max(1, min(_CHUNK, _MEMORY // (program.act_rows * config.pes)))
    tasks = max(1, -(-starts // chunk), min(jobs, starts))
    parts = [x[vectors * (starts * k // tasks):vectors * (starts * (k + 1) // tasks)]
             for k in range(tasks)]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        done = list(pool.map(execute, parts))
    return Run(engine="fast", config=config, tiles=tuple(map(_join, zip(*done))))


def _join(parts: Sequence[LayerRun]) -> LayerRun:
    """One layer's runs over consecutive starts as one."""
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return LayerRun(name=parts[0].name, part=parts[0].part, outputs=joined("outputs"),
                    cycles=joined("cycles"), counters=joined("counters"),
                    saturated=joined("saturated"))


def broadcast_items(x) -> np.ndarray:
    """What one start broadcasts: the non-zero columns of each vector, then :data:`TOKEN`.

    x : activations [vectors, n] or [n]. Returns int32 [items].
    """
    x = np.atleast_2d(np.asarray(x))
    return find_columns((x != 0).astype(np.int64))


def layer_cycles(items, counts, fillers, *, config: ArrayConfig,
                 outputs: int) -> tuple[int, np.ndarray]:
    """Cycles and counters of one start of one layer, from its shape alone: for sweeps.

    Parameters
    ----------
    items : int32 [items], as :func:`broadcast_items` returns them.
    counts, fillers : int32 [n, PEs]; entries of each column and PE, and fillers among them.
    config : ``pes``, ``queue_depth`` and the latencies that follow from the encodings built in.
    outputs : m.

    Returns
    -------
    cycles, and counters int64 [PEs, 7] in the order of
    :data:`~openeie.core.array.counters.COUNTERS`.
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
    cycles = start_cycles(items, counts, fillers, shape, Latencies.of(Timing(config)), counters)
    return int(cycles), counters.T.copy()
