# SPDX-License-Identifier: Apache-2.0
"""The same array run dense: what a layer would take with no zero to skip."""
import numpy as np

from ...core.compile.program import Program
from .layer_time import map_items, plan_cycles, plan_entries

__all__ = ["dense_cycles"]


def dense_cycles(program: Program, number: int) -> int:
    """Cycles of one start of plan ``number`` if every activation and every weight were non-zero.

    Same layer, same array, same recurrence, clustered if the plan is: each PE has an entry for
    each of its channels in every column, and no fillers. What lies beside a map is zero in a
    dense run, too, and so are the places of a row of activations that hold no channel. The zeros
    between the groups of a convolution are weights like others. A pool skips nothing: this is its
    own time.

    PEs with equally many channels do the same in every cycle, so one of each stands for all.
    """
    plan, config = program.tiles[number], program.config
    if plan.local:
        counts, fillers = plan_entries(plan, config)
    else:
        pes = config.pes // plan.clusters
        channels = np.bincount(np.arange(plan.channels) % pes, minlength=pes)
        counts = np.tile(channels, (plan.columns, 1))
        fillers = np.zeros_like(counts)
    _, alike = np.unique(np.concatenate([counts, fillers]), axis=1, return_index=True)
    inputs = program.network.layers[plan.layer].inputs
    items = map_items(program, number, np.ones((program.vectors, inputs), bool))
    return plan_cycles(plan, config, items, counts[:, alike], fillers[:, alike])[0]
