# SPDX-License-Identifier: Apache-2.0
"""Which points of a design space are not beaten in everything by another."""
import numpy as np

__all__ = ["pareto_front"]


def pareto_front(costs: np.ndarray) -> np.ndarray:
    """bool [points]: those that no other point beats; costs [points, objectives], less is better.

    A point beats another if it is nowhere worse and somewhere better. Equal points beat neither.
    """
    costs = np.asarray(costs, float)
    kept = np.ones(len(costs), bool)
    # In this order whatever beats a point comes before it, so a point need only be compared with
    # those that are on the front already.
    order = np.lexsort(costs.T[::-1])
    front = np.empty((0, costs.shape[1]))
    for number in order:
        point = costs[number]
        beaten = np.all(front <= point, axis=1) & np.any(front < point, axis=1)
        kept[number] = not beaten.any()
        if kept[number]:
            front = np.vstack([front, point])
    return kept
