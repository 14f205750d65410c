# SPDX-License-Identifier: Apache-2.0
"""Energy of a whole run by layer and unit: the model of :mod:`.energy` on every layer's entries."""
import numpy as np

from ...core.program import Program
from ...core.run import Run
from ..items import map_items, position_entries
from ..read import reader
from ..recurrence import TOKEN
from .energy import EVENT_PJ, energy
from .workload import LayerTime

__all__ = ["UNITS", "run_energy"]

#: Of the energy, in the order of the path through a PE.
UNITS = ("lnzd", *EVENT_PJ)


def run_energy(program: Program, run: Run, x: np.ndarray, *,
               start: int = 0) -> tuple[dict[str, float], ...]:
    """pJ of one start, of each layer by :data:`UNITS`; a model.

    Tiles add up; each cluster counts as an array of its own, with its own lnzd.

    Parameters
    ----------
    run : of ``program`` on the inputs x [batch, n].
    start : which of the run's.
    """
    totals = [dict.fromkeys(UNITS, 0.0) for _ in program.network.layers]
    read = reader(program, run, x)
    mine = slice(start * program.vectors, (start + 1) * program.vectors)
    for number, plan in enumerate(program.layers):
        items = map_items(program, number, read(plan.layer)[mine] != 0)
        vector = np.cumsum(items == TOKEN) - (items == TOKEN)
        counts, fillers = position_entries(plan, program.config)
        pes = counts.shape[1]
        for cluster in range(plan.clusters):
            time = LayerTime(
                config=program.config.replace(pes=pes, clusters=1),
                columns=items[(vector % plan.clusters == cluster) & (items != TOKEN)],
                counts=np.ascontiguousarray(counts), fillers=fillers,
                cycles=int(run.layers[number].cycles[start]),
                counters=run.layers[number].counters[start, cluster * pes:(cluster + 1) * pes])
            for unit, picojoules in energy(time).by_unit.items():
                totals[plan.layer][unit] += picojoules
    return tuple(totals)
