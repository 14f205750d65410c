# SPDX-License-Identifier: Apache-2.0
"""A float network through a recipe to the integer network, step by step, resumable."""
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
from .run_context import Course, Silent, Watcher
from .source import find_source
from .steps import network_of, steps_of

__all__ = ["Compressed", "compress"]

#: Which step's model an error is of.
_STAGES = {"float": "float", "pruned": "prune", "shared": "share", "integer": "integer"}
#: Steps whose numbers stand in the notes under another step's name.
_NOTES = {"retrain": "prune", "centroids": "share", "measure": "integer"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Compressed:
    """What a compression gave.

    Attributes
    ----------
    network : the integer network; its provenance holds errors, seed, recipe and versions, and,
        where the recipe has "auto", the budget and what was chosen.
    recipe : as it was run: with all else as it was, it gives the same again.
    chosen : what the pipeline chose where the recipe has "auto": shares of the weights, slots;
        by the key (``prune.keep``, ``share.slots``), then by layer.
    errors, held_out_errors : shares of the test set and of the held-out images that are
        misread: of ``float``, ``pruned``, ``shared`` and ``integer``, as far as there are such.
    budget : that the integer error was to keep, or None.
    held_out_warning : why the held-out images' errors may be too low, or nothing.
    contents : the artefact's columns.
    quantisation : each layer's error on calibration inputs against the float network's.
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
        """Of the float network, on the test set."""
        return self.errors["float"]

    @property
    def pruned_error(self) -> float | None:
        """Of the pruned network, on the test set."""
        return self.errors.get("pruned")

    @property
    def shared_error(self) -> float | None:
        """Of the network with shared weights, on the test set."""
        return self.errors.get("shared")

    @property
    def integer_error(self) -> float:
        """Of the integer network, on the test set."""
        return self.errors["integer"]

    @property
    def file_bytes(self) -> int:
        """Size of the artefact."""
        return self.contents.file_bytes

    @property
    def rate(self) -> float:
        """How many times smaller than the float32 network the artefact is."""
        return self.contents.factor

    @property
    def excess(self) -> float | None:
        """How much more of the held-out images the integer network misreads than the float
        one; None if there are none."""
        if not self.held_out_errors:
            return None
        return self.held_out_errors["integer"] - self.held_out_errors["float"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the artefact's columns."""
        return {"errors": self.errors, "held_out_errors": self.held_out_errors,
                "budget": self.budget, "excess": self.excess,
                "held_out_warning": self.held_out_warning, "chosen": self.chosen,
                "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
                "file_bytes": self.file_bytes, "rate": self.rate,
                "contents": self.contents.to_dict(),
                "quantisation": self.quantisation.to_dict()}


def compress(network, data: Dataset | Mapping | str | Path,
             recipe: Recipe | Mapping | str | Path, *, weights: str | Path | None = None,
             budget: float | None = None, seed: int = 0, device: str = "cpu",
             checkpoints: str | Path | None = None, teacher: nn.Module | None = None,
             watch: Watcher | None = None) -> Compressed:
    """Train if need be, prune, share, quantise and measure a network.

    Parameters
    ----------
    network : see :func:`~openeie.sw.compress.source.find_source`.
    data : see :func:`~openeie.sw.data.labelled.load_dataset`.
    recipe : a :class:`~openeie.sw.compress.recipe.Recipe`, a mapping of its fields, the path of a
        TOML file, or the name of a recipe that comes with the package.
    weights : file with the float network's weights; without it ``recipe.train`` trains a network
        that has none.
    budget : the most by which the integer network's error on the held-out images may exceed
        the float network's, as a share.
    seed : of every random choice, 0 .. 2**63 - 1; on the CPU the same seed gives the same bytes.
    device : of training, ``cpu`` or ``cuda``.
    checkpoints : folder for each step's result, from which a run that was stopped goes on.
    teacher : of ``recipe.distill``, in the float training too; by default the float network.

    Raises
    ------
    InputError : whatever cannot work, as far as possible all at once and before any work.
    BudgetError : the budget is not met; its ``best`` is the :class:`Compressed`.

    Warns
    -----
    NumericWarning : naming layer and channel, where the integers lose much.
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
        store = None if checkpoints is None else Checkpoints(Path(checkpoints), identity(
            source, graph, loaded, seed=seed, device=device, teacher=teacher),
            keys_of(recipe, budget=budget, taught=teacher is not None))
        course = Course(source=source, recipe=recipe, data=loaded, train=train,
                        held_out=held_out, test=loaded.test, device=torch.device(device),
                        budget=budget, watch=watch or Silent(), generator=generator,
                        teacher=None if teacher is None else copied(teacher).eval())
        state = _run(course, store, seed)
    result = _result(course, state, seed)
    for told in result.quantisation.warnings:
        warnings.warn(told, NumericWarning, stacklevel=3)     # of openeie.compress
    _check_budget(result)
    return result


def _run(course: Course, store: Checkpoints | None, seed: int) -> StepState:
    """All steps, from the last one that is kept."""
    steps = steps_of(course.recipe)
    state, ran = StepState(), False
    for number, (name, step) in enumerate(steps.items(), 1):
        course.watch.step(number, len(steps), name)
        left = None if store is None or ran else store.load(number, name)
        if left is None:
            ran = True
            torch.manual_seed(seed)         # of what a module draws by itself
            if "generator/state" in state.tensors:
                course.generator.set_state(state.tensors["generator/state"])
            left = step(course, state).after(generator={"state": course.generator.get_state()})
            if store is not None:
                store.save(number, name, left)
        state = left
        if number == 1 and course.teacher is None and course.recipe.distill is not None:
            course.teacher = course.live(state, masked=False)
        course.watch.finished(state.notes[_NOTES.get(name, name)])
    return state


def _result(course: Course, state: StepState, seed: int) -> Compressed:
    """The network with its provenance."""
    errors, held_out = ({stage: state.notes[step][split] for stage, step in _STAGES.items()
                         if state.notes.get(step, {}).get(split) is not None}
                        for split in ("test_error", "held_out_error"))
    recipe, chosen = course.recipe, {}
    if recipe.prune is not None and recipe.prune.keep == AUTO:
        chosen["prune.keep"] = state.notes["prune"]["keep"]
    if recipe.share is not None and recipe.share.auto:
        chosen["share.slots"] = state.notes["slots"]
    provenance = {"versions": versions(), "seed": seed,
                  "recipe": recipe.model_dump(mode="json", exclude_none=True),
                  "source": course.source.title, "data": course.data.name}
    if chosen:
        provenance |= {"chosen": chosen, "budget": course.budget}
    if course.source.weights is not None:
        provenance["weights"] = course.source.weights.name
    provenance |= {f"{stage}_error": error for stage, error in errors.items()}
    if held_out:
        provenance["held_out_errors"] = held_out
    network = replace(network_of(state), provenance=provenance)
    return Compressed(network=network, recipe=recipe, errors=errors, held_out_errors=held_out,
                      budget=course.budget, contents=inspect(artefact.dumps(network)),
                      quantisation=QuantiseReport.of(state.notes["quantise"]["report"]),
                      chosen=chosen, held_out_warning=_held_out_warning(course))


def _held_out_warning(course: Course) -> str:
    """Of images that are held out after the weights were trained, maybe with them."""
    count = len(course.held_out[0])
    if not course.source.has_weights or not count or course.data.own_held_out is not None:
        return ""
    return (f"the held-out images are the last {count:,} training images, with which the given "
            f"weights may have been trained: then errors on them are too low; give data with "
            f"held_out_images and held_out_labels")


def _check_budget(result: Compressed) -> None:
    excess = result.excess
    if result.budget is None or excess is None or excess <= result.budget + 1e-12:
        return
    raise BudgetError(
        f"the budget is not met: on the held-out images the integer network's error is "
        f"{result.held_out_errors['integer']:.2%}, {excess:.2%} above the float network's, and "
        f"may be {result.budget:.2%} above; keep more weights, share into more slots, or retrain "
        f"longer", result)
