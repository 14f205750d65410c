# SPDX-License-Identifier: Apache-2.0
"""Energy of a whole run by layer and unit: the model of :mod:`.energy` on every layer's entries."""
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

#: Of the energy, in the order of the path through a PE.
UNITS = ("lnzd", *EVENT_PJ)


def run_energy(program: Program, run: Run, x: np.ndarray, *,
               starts: int | None = None) -> tuple[dict[str, float], ...]:
    """pJ of each layer by :data:`UNITS`, the sum of the first ``starts`` (all if None); a model.

    Tiles add up; each cluster counts as an array of its own, with its own lnzd. run : of
    ``program`` on the inputs x [batch, n].
    """
    totals = [dict.fromkeys(UNITS, 0.0) for _ in program.network.layers]
    count = len(run.cycles) if starts is None else starts
    read = reader(program, run, x)
    for number, plan in enumerate(program.tiles):
        present = read(plan.layer)[:count * program.vectors] != 0
        entries = position_entries(plan, program.config)
        for start in range(count):
            items = map_items(program, number,
                              present[start * program.vectors:(start + 1) * program.vectors])
            for time in _cluster_times(program, run, number, start, items, entries):
                for unit, picojoules in energy(time).by_unit.items():
                    totals[plan.layer][unit] += picojoules
    return tuple(totals)


def _cluster_times(program: Program, run: Run, number: int, start: int, items: np.ndarray,
                   entries: tuple[np.ndarray, np.ndarray]) -> Iterator[LayerTime]:
    """What each cluster did of a plan in one start."""
    plan, measured = program.tiles[number], run.tiles[number]
    counts, fillers = entries
    vector, pes = np.cumsum(items == TOKEN) - (items == TOKEN), counts.shape[1]
    for cluster in range(plan.clusters):
        yield LayerTime(
            config=program.config.replace(pes=pes, clusters=1),
            columns=items[(vector % plan.clusters == cluster) & (items != TOKEN)],
            counts=np.ascontiguousarray(counts), fillers=fillers,
            cycles=int(measured.cycles[start]),
            counters=measured.counters[start, cluster * pes:(cluster + 1) * pes])
