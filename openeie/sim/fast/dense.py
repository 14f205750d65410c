# SPDX-License-Identifier: Apache-2.0
"""The same array run dense: the cycles of a layer if there were no zero to skip."""
import numpy as np

from ...core.compile.program import Program
from .layer_time import map_items, plan_cycles, plan_entries

__all__ = ["dense_cycles"]


def dense_cycles(program: Program, number: int) -> int:
    """Cycles of one launch of tile ``number`` if every activation and weight were non-zero.

    Layer, array, recurrence and clusters are the same. Each PE has an entry for each of its
    channels in every column, and no fillers. Padding is zero in a dense run, too, and so are the
    places in a row of activations that hold no channel. The zeros between the groups of a
    convolution count as weights. A pool skips nothing: the result is its own time.
    """
    plan = program.tiles[number]
    config = program.config
    if plan.local:
        counts, fillers = plan_entries(plan, config)
    else:
        pes = config.pes // plan.clusters
        channels = np.bincount(np.arange(plan.channels) % pes, minlength=pes)
        counts = np.tile(channels, (plan.columns, 1))
        fillers = np.zeros_like(counts)
    # PEs with equal entries do the same in every cycle, so one of each kind stands for all.
    _, kinds = np.unique(np.concatenate([counts, fillers]), axis=1, return_index=True)
    inputs = program.network.layers[plan.layer].inputs
    items = map_items(program, number, np.ones((program.vectors, inputs), bool))
    cycles, _ = plan_cycles(plan, config, items, counts[:, kinds], fillers[:, kinds])
    return cycles
