# SPDX-License-Identifier: Apache-2.0
"""Energy of a whole run by layer and unit: the model of :mod:`.energy` applied to every tile."""
from collections.abc import Iterator

import numpy as np

from ...core.compile.program import Program
from ...core.run import Run
from ..fast.layer_inputs import reader
from ..fast.layer_time import map_items, position_entries
from ..fast.recurrence import TOKEN
from .energy import EVENT_PJ, energy
from .workload import LayerTime

__all__ = ["UNITS", "run_energy"]

#: Units that take energy, in the order of the path through a PE.
UNITS = ("lnzd", *EVENT_PJ)


def run_energy(program: Program, run: Run, x: np.ndarray, *,
               launches: int | None = None) -> tuple[dict[str, float], ...]:
    """Energy of each layer in pJ, by :data:`UNITS`; a model.

    Tiles add up. Each cluster counts as an array of its own, with its own lnzd.

    run : of ``program`` on inputs x [batch, n].
    launches : how many of the first launches are added up; all if None.
    """
    totals = [dict.fromkeys(UNITS, 0.0) for _ in program.network.layers]
    count = len(run.cycles) if launches is None else launches
    vectors = program.vectors
    read = reader(program, run, x)
    for number, plan in enumerate(program.tiles):
        present = read(plan.layer)[:count * vectors] != 0
        entries = position_entries(plan, program.config)
        for launch in range(count):
            mine = present[launch * vectors:(launch + 1) * vectors]
            items = map_items(program, number, mine)
            for time in _cluster_times(program, run, number, launch, items, entries):
                for unit, picojoules in energy(time).by_unit.items():
                    totals[plan.layer][unit] += picojoules
    return tuple(totals)


def _cluster_times(program: Program, run: Run, number: int, launch: int, items: np.ndarray,
                   entries: tuple[np.ndarray, np.ndarray]) -> Iterator[LayerTime]:
    """What each cluster did for tile ``number`` in one launch, whose items int32 [items] are."""
    plan = program.tiles[number]
    measured = run.tiles[number]
    counts, fillers = entries
    pes = counts.shape[1]
    is_token = items == TOKEN
    vector = np.cumsum(is_token) - is_token         # of each item
    for cluster in range(plan.clusters):
        yield LayerTime(
            config=program.config.replace(pes=pes, clusters=1),
            columns=items[(vector % plan.clusters == cluster) & ~is_token],
            counts=np.ascontiguousarray(counts), fillers=fillers,
            cycles=int(measured.cycles[launch]),
            counters=measured.counters[launch, cluster * pes:(cluster + 1) * pes])
