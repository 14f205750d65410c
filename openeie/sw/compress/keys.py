# SPDX-License-Identifier: Apache-2.0
"""What each step of a compression takes from the recipe, and so what its result follows from."""
from typing import Any

from .recipe import AUTO, Recipe
from .steps import steps_of

__all__ = ["keys_of"]

#: Fields of the recipe that a step reads, beside those that the steps before it read.
_FIELDS = {"float": ("data", "train"), "prune": ("prune",), "retrain": ("retrain",),
           "bits": ("share",), "share": ("share",), "centroids": ("centroids",),
           "quantise": ("name", "encoding", "quantise"), "measure": ()}
#: Where pruning chooses, it prices a weight as it will be stored.
_PRICED = ("share", "encoding")


def keys_of(recipe: Recipe, *, budget: float | None, taught: bool) -> dict[str, dict[str, Any]]:
    """For each step that the recipe asks for, in order, the values that it takes from the run's
    options beyond those of the steps before it, as JSON has them.

    Parameters
    ----------
    taught : whether there is a teacher from the start, that the float training follows too.
    """
    fields = recipe.model_dump(mode="json", exclude_none=True)
    keys = {}
    for name in steps_of(recipe):
        read = set(_FIELDS[name])
        chooses = name == "bits" or (name == "prune" and recipe.prune.keep == AUTO)
        if name == "prune" and chooses:
            read.update(_PRICED)
        if name in ("retrain", "centroids") or (name == "float" and taught) \
                or (name == "prune" and recipe.prune.between is not None):
            read.add("distill")
        keys[name] = {field: fields[field] for field in sorted(read) if field in fields}
        if chooses:
            keys[name]["budget"] = budget
    return keys
