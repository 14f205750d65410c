# SPDX-License-Identifier: Apache-2.0
"""The points of a sweep, computed in parallel and kept as they are finished.

A task is one layer or network on some arrays. The arrays of a layer's task have the same PEs and
run width, so that its entries need to be counted only once. The rows of a task are appended to a
journal and synced before those of the next, so a sweep that was killed goes on where it stopped.
"""
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.array.counters import COUNTERS
from ...core.array.footprint import memory_bits
from ...core.artefact.artefact import dumps
from ...core.compile.automatic import compile_for
from ...core.errors import CapacityError, InputError, OpenEIEError
from ...core.host.journal import damage_text
from ...core.network.graph import Network
from ...core.version import VERSION
from ..dask_map import spread
from ..fast.fast import run
from .area import array_luts
from .energy import energy
from .grid import RandomLayer, Sweep
from .journal import open_journal
from .pareto import pareto_front
from .run_energy import run_energy
from .workload import LayerTime, Workload, load_balance, random_workload

__all__ = ["MEASURES", "OBJECTIVES", "STALLS", "run_sweep", "columns_of"]

#: Other shares of the PEs' cycles than ``utilisation``, by counter; all together are 1.
STALLS = COUNTERS[1:]
#: Columns with what is measured at each point.
MEASURES = ("cycles", "us", "utilisation", *STALLS, "balance", "fillers", "energy_pj",
            "memory_bits", "luts")
#: What the Pareto front compares.
OBJECTIVES = ("cycles", "energy_pj", "memory_bits", "luts")
#: Most points of a task; they are lost if it fails, and one process computes all of them.
_MOST_TOGETHER = 16

#: A row of the table by the names of its columns.
Row = dict[str, Any]
#: Networks by name, each with its inputs int64 [batch, n].
Networks = Mapping[str, tuple[Network, np.ndarray]]


@dataclass(frozen=True)
class _Task:
    """A layer, or a network with its inputs, on some points of the grid, which have numbers."""
    sweep: Sweep
    name: str
    what: RandomLayer | tuple[Network, np.ndarray]
    points: tuple[tuple[int, dict[str, Any]], ...]


@functools.lru_cache(maxsize=2)         # a process gets the tasks of a layer one after another
def _layer(spec: RandomLayer, seed: int) -> Workload:
    return random_workload(spec.name, (spec.outputs, spec.inputs), seed=seed,
                           weight_density=spec.weight_density, act_density=spec.act_density,
                           vectors=spec.vectors)


def columns_of(sweep: Sweep) -> tuple[str, ...]:
    """Names of the table's columns, in order."""
    return ("name", *sweep.grid, "status", *MEASURES, "pareto")


def _work(task: _Task) -> list[tuple[int, Row]]:
    """Rows of a task's points by their numbers; the status of a refused point says why."""
    rows = []
    for number, point in task.points:
        row = {"name": task.name, **point, "status": "ok"}
        try:
            config = task.sweep.config(point)
            if isinstance(task.what, RandomLayer):
                row |= _measure_layer(_layer(task.what, task.sweep.seed), config)
            else:
                row |= _measure_network(*task.what, config)
            row["us"] = row["cycles"] / task.sweep.mhz
            row["luts"] = array_luts(config)
        except OpenEIEError as error:
            row["status"] = f"refused: {error}"
        rows.append((number, row))
    return rows


def _measure_layer(layer: Workload, config: ArrayConfig) -> Row:
    """By the recurrence alone: the layer need not fit into the memories, and ``memory_bits`` are
    what it takes."""
    encoding = _encoding_on(layer, config)
    time = layer.time(config)
    if time.cycles >> config.counter_width:
        raise CapacityError(f"counter_width must hold {time.cycles} cycles, not "
                            f"{config.counter_width} bits")
    return _shares(time.counters) | {
        "cycles": time.cycles, "balance": time.balance, "fillers": time.total("filler"),
        "energy_pj": energy(time, encoding).total,
        "memory_bits": _layer_bits(layer, time, encoding)}


def _shares(counters: np.ndarray) -> dict[str, float]:
    """Shares of the PEs' cycles: ``utilisation`` and :data:`STALLS`; counters [..., 7]."""
    totals = counters.reshape(-1, len(COUNTERS)).sum(axis=0)
    return dict(zip(("utilisation", *STALLS), (totals / totals.sum()).tolist()))


def _encoding_on(layer: Workload, config: ArrayConfig) -> str:
    """The encoding in which the array holds the layer's entries.

    Raises
    ------
    CapacityError : weights or activations are too wide for the array, or the array has only the
        encoding huffman, which this model does not cover.
    """
    weights = layer.weights
    encoding = next((name for name in ("codebook", "csr") if name in config.encodings), None)
    if encoding is None:
        raise CapacityError("a layer is counted in codebook or csr, and the array has neither")
    assert weights.codebook is not None
    for name, has, needs in (
            ("code_width", config.code_width, (len(weights.codebook) - 1).bit_length()),
            ("weight_width", config.weight_width, _signed_bits(weights.codebook)),
            ("act_width", config.act_width, _signed_bits(layer.acts))):
        if needs > has and not (name == "code_width" and encoding == "csr"):
            raise CapacityError(f"{name} must be at least {needs} for layer {layer.name!r}, "
                                f"not {has}")
    return encoding


def _signed_bits(values: np.ndarray) -> int:
    """Bits in two's complement that hold all of the values."""
    largest = max(int(values.max(initial=0)), -1 - int(values.min(initial=0)))
    return largest.bit_length() + 1


def _layer_bits(layer: Workload, time: LayerTime, encoding: str) -> int:
    """Memory that the layer takes, in bits; every PE counts as much as the fullest one."""
    config = time.config
    m, n = layer.shape
    slots = config.word_width // config.entry_widths[encoding]
    words = -(-int(time.counts.sum(axis=0).max()) // slots)
    inputs = -(-n // config.pes)
    rows = -(-m // config.pes)
    entries = words * config.word_width
    pointers = (n + 1) * config.pointer_width
    activations = (len(layer.acts) * inputs + rows) * config.act_width
    accumulators = rows * config.acc_banks * config.acc_width
    channels = rows * 64
    return config.pes * (entries + pointers + activations + accumulators + channels)


def _measure_network(network: Network, x: np.ndarray, config: ArrayConfig) -> Row:
    """The network must fit; ``memory_bits`` are the array's. Numbers are means over the inputs."""
    program = compile_for(network, config)
    done = run(program, x)
    picojoules = sum(sum(layer.values()) for layer in run_energy(program, done, x))
    counters = np.sum([layer.counters.sum(axis=(0, 1)) for layer in done.tiles], axis=0)
    return _shares(counters) | {
        "cycles": int(done.cycles.sum()) / len(x), "balance": load_balance(counters),
        "fillers": int(counters[COUNTERS.index("filler")]) / len(x),
        "energy_pj": picojoules / len(x), "memory_bits": sum(memory_bits(config).values())}


def _owner(sweep: Sweep, networks: Networks) -> str:
    """SHA-256, hex, of everything that the rows depend on: the sweep, the networks and their
    inputs (but not where the file of the inputs is), and this version."""
    digest = hashlib.sha256(f"{VERSION} {sweep.model_dump_json(exclude={'input'})}"
                            .encode())
    for name, (network, x) in networks.items():
        digest.update(name.encode() + dumps(network) + np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def _subjects(sweep: Sweep, networks: Networks
              ) -> dict[str, RandomLayer | tuple[Network, np.ndarray]]:
    """What is run at every point, by name, in order."""
    layers = {layer.name: layer for layer in sweep.layer}
    return layers | {name: networks[name] for name in sweep.networks}


def _tasks(sweep: Sweep, networks: Networks, known: set[int]) -> list[_Task]:
    """Tasks for the points whose numbers are not ``known``; points are numbered name by name."""
    tasks = []
    number = 0
    for name, what in _subjects(sweep, networks).items():
        groups: dict[tuple, list] = {}          # points that may share a task
        for point in sweep.points():
            if number not in known:
                is_layer = isinstance(what, RandomLayer)
                key = (point.get("pes"), point.get("run_width")) if is_layer else (number,)
                groups.setdefault(key, []).append((number, point))
            number += 1
        for points in groups.values():
            for first in range(0, len(points), _MOST_TOGETHER):
                together = points[first:first + _MOST_TOGETHER]
                tasks.append(_Task(sweep, name, what, tuple(together)))
    return tasks


def run_sweep(sweep: Sweep, networks: Networks, *, journal: Path | None = None,
              restart: bool = False, jobs: int = 1, scheduler: str | None = None,
              progress: Callable[[int, int], None] | None = None,
              note: Callable[[str], None] | None = None) -> list[Row]:
    """All rows of a sweep, in the order of its points, with the keys :func:`columns_of`.

    Parameters
    ----------
    networks : each of ``sweep.networks`` with its inputs int64 [batch, n].
    journal : file that keeps finished points. Those in it are not computed again.
    restart : remove what is in the journal first.
    jobs, scheduler : see :func:`openeie.sim.dask_map.spread`.
    progress : called with (points done, points).
    note : called with a text if lines of the journal were damaged.

    Raises
    ------
    InputError : the journal belongs to another sweep or cannot be written, or no point has an
        array.
    ToolError : the scheduler does not answer, or it or a worker was lost.
    """
    names = [name for name in _subjects(sweep, networks) for _ in sweep.points()]

    def is_valid(number: int, row: Row) -> bool:
        return isinstance(number, int) and 0 <= number < len(names) and isinstance(row, dict) \
            and row.get("name") == names[number] and "status" in row \
            and (row["status"] != "ok" or _is_measured(row))

    with open_journal(journal, _owner(sweep, networks), is_valid, restart=restart) as kept:
        if kept.dropped and note:
            note(damage_text(kept.dropped, "worked out"))
        tasks = _tasks(sweep, networks, set(kept.rows))
        if tasks:
            for _, finished in spread(_work, tasks, jobs, scheduler):
                kept.add(finished)
                if progress:
                    progress(len(kept.rows), len(names))
    rows = [kept.rows[number] for number in range(len(names))]
    if all(row["status"] != "ok" for row in rows):
        raise InputError(f"no point of the sweep has an array; the first is "
                         f"{rows[0]['status']}")
    _mark_front(rows)
    columns = columns_of(sweep)
    return [_with_keys(row, columns) for row in rows]


def _with_keys(row: Row, columns: tuple[str, ...]) -> Row:
    """The row with these keys in this order; what it lacks is None."""
    return {name: row.get(name) for name in columns}


def _is_measured(row: Row) -> bool:
    return all(isinstance(row.get(key), (int, float)) for key in MEASURES)


def _mark_front(rows: list[Row]) -> None:
    """Set ``pareto``: whether a point is on the Pareto front of its layer or network."""
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = [row for row in rows if row["name"] == name and row["status"] == "ok"]
        costs = np.zeros((len(mine), len(OBJECTIVES)))
        for row, cost in zip(mine, costs):
            cost[:] = [row[key] or 0 for key in OBJECTIVES]
        for row, front in zip(mine, pareto_front(costs)):
            row["pareto"] = bool(front)
