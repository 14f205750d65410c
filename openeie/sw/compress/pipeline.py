# SPDX-License-Identifier: Apache-2.0
"""Compression of a float network by a recipe to the integer network: step by step, resumable."""
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...core.artefact import artefact
from ...core.artefact.inspect import Contents, inspect
from ...core.errors import BudgetError, NumericWarning
from ...core.network.graph import Network
from ..data.labelled import Dataset, load_dataset
from ..float.plain_weights import copied
from ..quantise.report import QuantiseReport
from ..seed import check_seed
from .checkpoint import Checkpoints, StepState
from .keys import keys_of
from .methods.train import deterministic
from .preflight import check_network, check_options, check_images, identity, versions
from .recipe import AUTO, Recipe
from .recipe_file import read_recipe
from .run_context import RunContext, Silent, Watcher
from .source import find_source
from .steps import network_of, steps_of

__all__ = ["Compressed", "compress"]

#: Names of errors in the result, and under which name the notes have them.
_STAGES = {"float": "float", "pruned": "prune", "shared": "share", "integer": "integer"}
#: Steps whose facts the notes have under another name.
_NOTES = {"retrain": "prune", "centroids": "share", "measure": "integer"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Compressed:
    """The result of a compression.

    Attributes
    ----------
    network : the integer network; its provenance holds errors, seed, recipe and versions, and,
        if the recipe has "auto", the budget and the choices.
    recipe : the recipe with all values filled in; with the same network, data and seed, it gives
        the same result.
    chosen : choices of the pipeline for "auto" in the recipe: by the key (``prune.keep``: shares
        of the weights, ``share.slots``: slots), then by layer.
    errors, held_out_errors : share of misclassified images, of the test set and of the held-out
        set, by network: ``float``, ``pruned``, ``shared`` and ``integer``, as far as they exist.
    budget : as given, or None.
    held_out_warning : why the errors on held-out images may be too low, or "".
    contents : size of the artefact by layer.
    quantisation : each layer's error on calibration inputs, against the float network.
    """
    network: Network
    recipe: Recipe
    chosen: dict[str, dict[str, Any]]
    errors: dict[str, float]
    held_out_errors: dict[str, float]
    budget: float | None
    held_out_warning: str
    contents: Contents = field(repr=False)
    quantisation: QuantiseReport = field(repr=False)

    @property
    def float_error(self) -> float:
        """Error of the float network on the test set."""
        return self.errors["float"]

    @property
    def pruned_error(self) -> float | None:
        """Error of the pruned network on the test set; None if nothing was pruned."""
        return self.errors.get("pruned")

    @property
    def shared_error(self) -> float | None:
        """Error of the network with shared weights on the test set; None if none are shared."""
        return self.errors.get("shared")

    @property
    def integer_error(self) -> float:
        """Error of the integer network on the test set."""
        return self.errors["integer"]

    @property
    def file_bytes(self) -> int:
        """Size of the artefact, bytes."""
        return self.contents.file_bytes

    @property
    def rate(self) -> float:
        """Size of the float32 network / size of the artefact."""
        return self.contents.factor

    @property
    def excess(self) -> float | None:
        """Error of the integer network on the held-out images minus that of the float network; None
        without held-out images."""
        if not self.held_out_errors:
            return None
        return self.held_out_errors["integer"] - self.held_out_errors["float"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; everything except the network itself."""
        return {"errors": self.errors, "held_out_errors": self.held_out_errors,
                "budget": self.budget, "excess": self.excess,
                "held_out_warning": self.held_out_warning, "chosen": self.chosen,
                "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
                "file_bytes": self.file_bytes, "rate": self.rate,
                "contents": self.contents.to_dict(),
                "quantisation": self.quantisation.to_dict()}


def compress(network: Any, data: Dataset | Mapping | str | Path,
             recipe: Recipe | Mapping | str | Path, *, weights: str | Path | None = None,
             budget: float | None = None, seed: int = 0, device: str = "cpu",
             checkpoints: str | Path | None = None, teacher: nn.Module | None = None,
             watch: Watcher | None = None) -> Compressed:
    """Train (if the network has no weights), prune, share, quantise and measure a network.

    Parameters
    ----------
    network : see :func:`~openeie.sw.compress.source.find_source`.
    data : see :func:`~openeie.sw.data.labelled.load_dataset`.
    recipe : see :func:`~openeie.sw.compress.recipe_file.read_recipe`.
    weights : file with the float network's weights; a network without weights is trained as
        ``recipe.train`` says.
    budget : the largest allowed increase of the error on held-out images, from the float to the
        integer network, as a share.
    seed : of all random choices, 0 .. 2**63 - 1; on the CPU the same seed gives the same bytes.
    device : for training, ``cpu`` or ``cuda``.
    checkpoints : folder for the result of each step, from which an interrupted run continues.
    teacher : of ``recipe.distill``, also in the float training; by default the float network.
    watch : follows the progress.

    Raises
    ------
    InputError : anything that cannot work; as far as possible, everything at once and before any
        work.
    BudgetError : the budget is not met; its ``best`` is the :class:`Compressed`.

    Warns
    -----
    NumericWarning : names layers and channels that lose much as integers.
    """
    recipe = read_recipe(recipe)
    loaded = load_dataset(data).shaped(shape=recipe.data.shape, scale=recipe.data.scale,
                                       offset=recipe.data.offset)
    source = find_source(network, weights)
    seed = check_seed(seed)
    check_options(recipe, source, budget, device, teacher)
    train, held_out = loaded.held_out(recipe.data.hold_out)
    offset = loaded.offset
    recipe = recipe.resolved(data={
        "hold_out": len(held_out[0]), "scale": loaded.scale, "shape": list(loaded.shape),
        "offset": list(offset) if isinstance(offset, tuple) else offset})
    check_images(recipe, budget, len(train[0]))
    with deterministic(seed, strict=device == "cpu") as generator:
        graph = check_network(source, recipe, loaded, teacher)
        store = None
        if checkpoints is not None:
            run = identity(source, graph, loaded, seed=seed, device=device, teacher=teacher)
            keys = keys_of(recipe, budget=budget, taught=teacher is not None)
            store = Checkpoints(Path(checkpoints), run, keys)
        context = RunContext(source=source, recipe=recipe, data=loaded, train=train,
                             held_out=held_out, test=loaded.test, device=torch.device(device),
                             budget=budget, watch=watch or Silent(), generator=generator,
                             teacher=None if teacher is None else copied(teacher).eval())
        state = _run(context, store, seed)
    result = _result(context, state, seed)
    for message in result.quantisation.warnings:
        warnings.warn(message, NumericWarning, stacklevel=3)    # the caller of openeie.compress
    _check_budget(result)
    return result


def _run(context: RunContext, store: Checkpoints | None, seed: int) -> StepState:
    """The state after all steps; those with a checkpoint are not run again."""
    steps = steps_of(context.recipe)
    state = StepState()
    ran = False
    for number, (name, step) in enumerate(steps.items(), 1):
        context.watch.step(number, len(steps), name)
        after = None if store is None or ran else store.load(number, name)
        if after is None:
            ran = True
            torch.manual_seed(seed)         # for random numbers that modules draw themselves
            if "generator/state" in state.tensors:
                context.generator.set_state(state.tensors["generator/state"])
            after = step(context, state)
            after = after.after(generator={"state": context.generator.get_state()})
            if store is not None:
                store.save(number, name, after)
        state = after
        if number == 1 and context.teacher is None and context.recipe.distill is not None:
            context.teacher = context.live(state, masked=False)
        context.watch.finished(state.notes[_NOTES.get(name, name)])
    return state


def _result(context: RunContext, state: StepState, seed: int) -> Compressed:
    """The result, with provenance in the network."""
    recipe = context.recipe
    errors = _errors(state, "test_error")
    held_out = _errors(state, "held_out_error")
    chosen = {}
    if recipe.prune is not None and recipe.prune.keep == AUTO:
        chosen["prune.keep"] = state.notes["prune"]["keep"]
    if recipe.share is not None and recipe.share.auto:
        chosen["share.slots"] = state.notes["slots"]

    provenance = {"versions": versions(), "seed": seed,
                  "recipe": recipe.model_dump(mode="json", exclude_none=True),
                  "source": context.source.title, "data": context.data.name}
    if chosen:
        provenance |= {"chosen": chosen, "budget": context.budget}
    if context.source.weights is not None:
        provenance["weights"] = context.source.weights.name
    provenance |= {f"{stage}_error": error for stage, error in errors.items()}
    if held_out:
        provenance["held_out_errors"] = held_out
    network = replace(network_of(state), provenance=provenance)
    return Compressed(network=network, recipe=recipe, errors=errors, held_out_errors=held_out,
                      budget=context.budget, contents=inspect(artefact.dumps(network)),
                      quantisation=QuantiseReport.of(state.notes["quantise"]["report"]),
                      chosen=chosen, held_out_warning=_held_out_warning(context))


def _errors(state: StepState, split: str) -> dict[str, float]:
    """The errors in a state's notes, by network."""
    found = {stage: state.notes.get(step, {}).get(split) for stage, step in _STAGES.items()}
    return {stage: error for stage, error in found.items() if error is not None}


def _held_out_warning(context: RunContext) -> str:
    """A warning if the given weights may have been trained with the held-out images."""
    count = len(context.held_out[0])
    if not context.source.has_weights or not count or context.data.own_held_out is not None:
        return ""
    return (f"the held-out images are the last {count:,} training images, with which the given "
            f"weights may have been trained: then errors on them are too low; give data with "
            f"held_out_images and held_out_labels")


def _check_budget(result: Compressed) -> None:
    """Raise BudgetError if the budget is exceeded by more than rounding."""
    excess = result.excess
    if result.budget is None or excess is None or excess <= result.budget + 1e-12:
        return
    raise BudgetError(
        f"the budget is not met: on the held-out images the integer network's error is "
        f"{result.held_out_errors['integer']:.2%}, {excess:.2%} above the float network's, and "
        f"may be {result.budget:.2%} above; keep more weights, share into more slots, or retrain "
        f"longer", result)
