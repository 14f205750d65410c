# SPDX-License-Identifier: Apache-2.0
"""A sweep's points, worked out by Dask and kept as they come.

A task is one layer or network on all arrays that hold its entries alike (same PEs, same run width):
where the entries are is worked out once for them. What a task found is appended to a journal and
synced before the next is looked at, so a killed sweep goes on where it was.
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
from ...core.compile.compile import compile_network
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

#: Where the PEs' cycles went that were not ``utilisation``: shares by counter, 1 with it.
STALLS = COUNTERS[1:]
#: What is measured at each point.
MEASURES = ("cycles", "us", "utilisation", *STALLS, "balance", "fillers", "energy_pj",
            "memory_bits", "luts")
#: What a point on the Pareto front is not beaten in.
OBJECTIVES = ("cycles", "energy_pj", "memory_bits", "luts")
#: Points of a task: what is lost with it, and what one process has to itself.
_MOST_TOGETHER = 16


@dataclass(frozen=True)
class _Task:
    """One layer, or a network with its inputs, on some points of the grid."""
    sweep: Sweep
    name: str
    what: RandomLayer | tuple[Network, np.ndarray]
    points: tuple[tuple[int, dict[str, Any]], ...]


@functools.lru_cache(maxsize=2)         # a process is given the tasks of a layer in a row
def _layer(spec: RandomLayer, seed: int) -> Workload:
    return random_workload(spec.name, (spec.outputs, spec.inputs), seed=seed,
                           weight_density=spec.weight_density, act_density=spec.act_density,
                           vectors=spec.vectors)


def columns_of(sweep: Sweep) -> tuple[str, ...]:
    """Heads of the table, in order."""
    return ("name", *sweep.grid, "status", *MEASURES, "pareto")


def _work(task: _Task) -> list[tuple[int, dict[str, Any]]]:
    """Rows of a task's points by their numbers; a point without an array says why."""
    rows = []
    for number, point in task.points:
        row = {"name": task.name, **point, "status": "ok"}
        try:
            config = task.sweep.config(point)
            measured = (_measure_layer(task, config) if isinstance(task.what, RandomLayer)
                        else _measure_network(*task.what, config))
            row |= measured | {"us": measured["cycles"] / task.sweep.mhz,
                               "luts": array_luts(config)}
        except OpenEIEError as error:
            row["status"] = f"refused: {error}"
        rows.append((number, row))
    return rows


def _measure_layer(task: _Task, config: ArrayConfig) -> dict[str, Any]:
    """The recurrence alone: no memory need hold the layer, and its own bits are what counts."""
    layer = _layer(task.what, task.sweep.seed)
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
    """Of the PEs' cycles, ``utilisation`` and :data:`STALLS`; counters [..., 7]."""
    totals = counters.reshape(-1, len(COUNTERS)).sum(axis=0)
    return dict(zip(("utilisation", *STALLS), (totals / totals.sum()).tolist()))


def _encoding_on(layer: Workload, config: ArrayConfig) -> str:
    """How the array holds the layer's entries.

    Raises
    ------
    CapacityError : its weights or activations do not fit the array's, or it decodes only huffman,
        whose words this model does not count.
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
    """Of two's complement for all of them."""
    return max(int(values.max(initial=0)), -1 - int(values.min(initial=0))).bit_length() + 1


def _layer_bits(layer: Workload, time: LayerTime, encoding: str) -> int:
    """Memory that the layer takes: words of entries, pointers, activations, accumulators and
    channel words of its rows; as much in every PE as in the fullest."""
    config, (m, n) = time.config, layer.shape
    slots = config.word_width // config.entry_widths[encoding]
    words = -(-int(time.counts.sum(axis=0).max()) // slots)
    inputs, rows = -(-n // config.pes), -(-m // config.pes)
    return config.pes * (words * config.word_width + (n + 1) * config.pointer_width
                         + (len(layer.acts) * inputs + rows) * config.act_width
                         + rows * (config.acc_banks * config.acc_width + 64))


def _measure_network(network: Network, x: np.ndarray, config: ArrayConfig) -> dict[str, Any]:
    """A network must fit; its memory is the array's."""
    program = compile_network(network, config)
    done = run(program, x)
    picojoules = sum(sum(layer.values()) for layer in run_energy(program, done, x))
    counters = np.sum([layer.counters.sum(axis=(0, 1)) for layer in done.tiles], axis=0)
    return _shares(counters) | {
        "cycles": int(done.cycles.sum()) / len(x), "balance": load_balance(counters),
        "fillers": int(counters[COUNTERS.index("filler")]) / len(x),
        "energy_pj": picojoules / len(x), "memory_bits": sum(memory_bits(config).values())}


def _owner(sweep: Sweep, networks: Mapping[str, tuple[Network, np.ndarray]]) -> str:
    """SHA-256, hex, of all that rows follow from: the sweep, its networks' contents and inputs
    (wherever their file lies), this version."""
    digest = hashlib.sha256(f"{VERSION} {sweep.model_dump_json(exclude={'input'})}"
                            .encode())
    for name, (network, x) in networks.items():
        digest.update(name.encode() + dumps(network) + np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()


def _asked(sweep: Sweep, networks: Mapping[str, tuple[Network, np.ndarray]]
           ) -> dict[str, RandomLayer | tuple[Network, np.ndarray]]:
    """What is run at every point, by name, in order."""
    return {layer.name: layer for layer in sweep.layer} | {
        name: networks[name] for name in sweep.networks}


def _tasks(sweep: Sweep, networks: Mapping[str, tuple[Network, np.ndarray]],
           known: set[int]) -> list[_Task]:
    """Work for the points that are not ``known``; points are numbered name by name."""
    tasks, number = [], 0
    for name, what in _asked(sweep, networks).items():
        groups: dict[tuple, list] = {}
        for point in sweep.points():
            if number not in known:
                key = (point.get("pes"), point.get("run_width")) if isinstance(what, RandomLayer) \
                    else (number,)
                groups.setdefault(key, []).append((number, point))
            number += 1
        tasks += [_Task(sweep, name, what, tuple(points[at:at + _MOST_TOGETHER]))
                  for points in groups.values() for at in range(0, len(points), _MOST_TOGETHER)]
    return tasks


def run_sweep(sweep: Sweep, networks: Mapping[str, tuple[Network, np.ndarray]], *,
              journal: Path | None = None, restart: bool = False, jobs: int = 1,
              scheduler: str | None = None,
              progress: Callable[[int, int], None] | None = None,
              note: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """All rows of a sweep, in the order of its points; keys are :func:`columns_of`.

    Parameters
    ----------
    networks : each of ``sweep.networks`` with its inputs [batch, n].
    journal : file that keeps finished points; those that are in it are not worked out again,
        unless ``restart``.
    jobs, scheduler : see :func:`openeie.sim.dask_map.spread`.
    progress : called with (points done, points).
    note : called with what a person should know of the journal: that lines of it were damaged.

    Raises
    ------
    InputError : a journal of another sweep, or one that cannot be written; no point has an array.
    ToolError : the scheduler does not answer, or it or a worker was lost.
    """
    names = [name for name in _asked(sweep, networks) for _ in sweep.points()]

    def valid(number: int, row: dict[str, Any]) -> bool:
        return isinstance(number, int) and 0 <= number < len(names) and isinstance(row, dict) \
            and row.get("name") == names[number] and "status" in row \
            and (row["status"] != "ok" or all(isinstance(row.get(key), (int, float))
                                              for key in MEASURES))
    with open_journal(journal, _owner(sweep, networks), valid, restart=restart) as kept:
        if kept.dropped and note:
            note(damage_text(kept.dropped, "worked out"))
        tasks = _tasks(sweep, networks, set(kept.rows))
        total = len(kept.rows) + sum(len(task.points) for task in tasks)
        if tasks:
            for _, rows in spread(_work, tasks, jobs, scheduler):
                kept.add(rows)
                if progress:
                    progress(len(kept.rows), total)
    rows = [kept.rows[number] for number in range(total)]
    if all(row["status"] != "ok" for row in rows):
        raise InputError(f"no point of the sweep has an array; the first is "
                         f"{rows[0]['status']}")
    _mark(rows)
    return [{name: row.get(name) for name in columns_of(sweep)} for row in rows]


def _mark(rows: list[dict[str, Any]]) -> None:
    """Whether a point is on the Pareto front of its layer or network."""
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = [row for row in rows if row["name"] == name and row["status"] == "ok"]
        costs = np.array([[row[key] or 0 for key in OBJECTIVES] for row in mine], float)
        for row, front in zip(mine, pareto_front(costs.reshape(-1, len(OBJECTIVES)))):
            row["pareto"] = bool(front)
