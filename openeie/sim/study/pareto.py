# SPDX-License-Identifier: Apache-2.0
"""The Pareto front: the points of a design space that no other point beats."""
import numpy as np

__all__ = ["pareto_front"]


def pareto_front(costs: np.ndarray) -> np.ndarray:
    """Which points no other point beats, bool [points].

    A point beats another if it is worse in no objective and better in at least one. Equal points
    do not beat each other.

    costs : [points, objectives]; less is better.
    """
    costs = np.asarray(costs, float)
    kept = np.ones(len(costs), bool)
    # In lexicographic order any point comes after those that beat it, so it need only be compared
    # with those that are already on the front.
    order = np.lexsort(costs.T[::-1])
    front = np.empty((0, costs.shape[1]))
    for number in order:
        point = costs[number]
        beaten = np.all(front <= point, axis=1) & np.any(front < point, axis=1)
        kept[number] = not beaten.any()
        if kept[number]:
            front = np.vstack([front, point])
    return kept
