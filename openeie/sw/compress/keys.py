# SPDX-License-Identifier: Apache-2.0
"""The recipe's values that each step of a compression uses, and its result therefore depends on."""
from typing import Any

from .recipe import AUTO, Recipe
from .steps import steps_of

__all__ = ["keys_of"]

#: Fields of the recipe that a step reads in addition to those of the steps before it.
_FIELDS = {"float": ("data", "train"), "prune": ("prune",), "retrain": ("retrain",),
           "bits": ("share",), "share": ("share",), "centroids": ("centroids",),
           "quantise": ("name", "encoding", "quantise"), "measure": ()}
#: With prune.keep = "auto", the price of a weight depends on how it will be stored.
_PRICED = ("share", "encoding")


def keys_of(recipe: Recipe, *, budget: float | None, taught: bool) -> dict[str, dict[str, Any]]:
    """For each step of the recipe, in order, the options that it uses in addition to those of the
    steps before it, as JSON values.

    Parameters
    ----------
    budget : of the run, or None.
    taught : a teacher was given, which the float training follows, too.
    """
    fields = recipe.model_dump(mode="json", exclude_none=True)
    keys = {}
    for name in steps_of(recipe):
        read = set(_FIELDS[name])
        chooses = name == "bits" or (name == "prune" and recipe.prune.keep == AUTO)
        trains = name in ("retrain", "centroids") or (name == "float" and taught) \
            or (name == "prune" and recipe.prune.between is not None)
        if name == "prune" and chooses:
            read.update(_PRICED)
        if trains:
            read.add("distill")
        keys[name] = {field: fields[field] for field in sorted(read) if field in fields}
        if chooses:
            keys[name]["budget"] = budget
    return keys
