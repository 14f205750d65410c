# SPDX-License-Identifier: Apache-2.0
"""A float network through a recipe to the integer network, step by step, resumable."""
import difflib
import math
import platform
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core import artefact
from ...core.errors import BudgetError, InputError
from ...core.graph import Network
from ...core.inspect import Contents, inspect
from ..float_graph import FloatGraph
from ..quantise_graph import check_graph
from ..quantise_options import QuantiseOptions
from .checkpoint import Checkpoints, State
from .course import Course, Silent, Watcher
from .dataset import Dataset, load_dataset
from .prune import weighted_layers
from .recipe import AUTO, Recipe
from .recipe_file import read_recipe
from .source import Source, find_source, structure_digest
from .steps import network_of, steps_of
from .train import deterministic

__all__ = ["Compressed", "compress"]

#: Which step's model an error is of.
_STAGES = {"float": "float", "pruned": "prune", "shared": "share", "integer": "integer"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Compressed:
    """What a compression gave.

    Attributes
    ----------
    network : the integer network; its provenance holds all of this.
    recipe : as it was run, with what was chosen.
    errors, held_out_errors : shares of the test set and of the held-out pictures that are
        misread: of ``float``, ``pruned``, ``shared`` and ``integer``, as far as there are such.
    budget : that the integer error was to keep, or None.
    contents : the artefact's columns.
    """
    network: Network
    recipe: Recipe
    errors: dict[str, float]
    held_out_errors: dict[str, float]
    budget: float | None
    contents: Contents = field(repr=False)

    @property
    def float_error(self) -> float:
        """Of the float network, on the test set."""
        return self.errors["float"]

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
        """How much more of the held-out pictures the integer network misreads than the float
        one; None if there are none."""
        if not self.held_out_errors:
            return None
        return self.held_out_errors["integer"] - self.held_out_errors["float"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the artefact's columns."""
        return {"errors": self.errors, "held_out_errors": self.held_out_errors,
                "budget": self.budget, "excess": self.excess,
                "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
                "file_bytes": self.file_bytes, "rate": self.rate,
                "contents": self.contents.to_dict()}


def compress(network, data, recipe, *, weights=None, budget: float | None = None, seed: int = 0,
             device: str = "cpu", checkpoints: str | Path | None = None,
             watch: Watcher | None = None) -> Compressed:
    """Train if need be, prune, share, quantise and measure a network.

    Parameters
    ----------
    network : see :func:`~openeie.sw.compress.source.find_source`.
    data : see :func:`~openeie.sw.compress.dataset.load_dataset`.
    recipe : a :class:`~openeie.sw.compress.recipe.Recipe`, a mapping of its fields, or the path
        of a TOML file.
    weights : file with the float network's weights; without it ``recipe.train`` trains a network
        that has none.
    budget : the most by which the integer network's error on the held-out pictures may exceed
        the float network's, as a share.
    seed : of every random choice; on the CPU the same seed gives the same bytes.
    device : of training, ``cpu`` or ``cuda``.
    checkpoints : folder for each step's result, from which a run that was stopped goes on.

    Raises
    ------
    InputError : whatever cannot work, as far as possible all at once and before any work.
    BudgetError : the budget is not met; its ``best`` is the :class:`Compressed`.
    """
    recipe = read_recipe(recipe)
    loaded = load_dataset(data).shaped(shape=recipe.data.shape, scale=recipe.data.scale,
                                       offset=recipe.data.offset)
    source = find_source(network, weights)
    place = _check_options(recipe, source, budget, seed, device)
    train, held_out = loaded.held_out(recipe.data.hold_out)
    offset = loaded.offset
    recipe = recipe.resolved(data={
        "hold_out": len(held_out[0]), "scale": loaded.scale, "shape": list(loaded.shape),
        "offset": list(offset) if isinstance(offset, tuple) else offset})
    _check_decisions(recipe, budget)
    graph = _check_network(source, recipe, loaded, seed)
    run = _identity(source, graph, recipe, loaded, seed, place, budget)
    store = None if checkpoints is None else Checkpoints(Path(checkpoints), run)
    with deterministic(seed, strict=place.type == "cpu") as generator:
        course = Course(source=source, recipe=recipe, data=loaded, train=train,
                        held_out=held_out, test=loaded.test, device=place, budget=budget,
                        watch=watch or Silent(), generator=generator)
        state = _run(course, store, seed)
    return _finish(course, state, run, seed)


def _check_options(recipe: Recipe, source: Source, budget, seed, device) -> torch.device:
    """Refuses options out of range; the device."""
    if not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise InputError(f"seed must be an integer in 0 .. 2**63 - 1, not {seed!r}")
    if budget is not None and not (isinstance(budget, (int, float)) and 0 <= budget <= 1):
        raise InputError(f"budget must be a share in 0 .. 1, not {budget!r}")
    if device not in ("cpu", "cuda"):
        raise InputError(f"device must be cpu or cuda, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device must be cpu, not 'cuda': torch finds no CUDA device")
    if not source.has_weights and recipe.train is None:
        raise InputError(f"{source.title} has no weights: give a file of them, or a section "
                         f"[train] in the recipe")
    return torch.device(device)


def _check_decisions(recipe: Recipe, budget: float | None) -> None:
    """Refuses decisions without pictures or a budget to decide by."""
    if recipe.decides and budget is None:
        raise InputError("a recipe with \"auto\" needs a budget: the error that compression may "
                         "cost, e.g. --budget 0.5%")
    if budget is not None and recipe.data.hold_out == 0:
        raise InputError("a budget is kept on held-out pictures, and hold_out is 0: set "
                         "data.hold_out in the recipe, or give --hold-out N")


def _check_network(source: Source, recipe: Recipe, data: Dataset, seed: int) -> FloatGraph:
    """The graph of the untrained network; refuses what can be refused before any work."""
    with deterministic(seed):
        module = source.module()
        example = data.floats(data.train[0][:1])
        if source.imported is not None \
                and source.imported.shapes[source.imported.input.name] != data.shape:
            raise InputError(f"{source.title} takes pictures of shape "
                             f"{list(source.imported.shapes[source.imported.input.name])}, not "
                             f"{list(data.shape)} as data {data.name} has; see data.shape")
        graph = source.graph(module, example)
    check_graph(graph)
    outputs = math.prod(graph.shapes[graph.output])
    most = max(int(labels.max()) for _, labels in (data.train, data.test))
    if most >= outputs:
        raise InputError(f"labels of data {data.name} must be in 0 .. {outputs - 1}, for the "
                         f"{outputs} outputs of {source.title}, not {most}")
    QuantiseOptions(input_range=data.input_range, input_scale=data.scale,
                    act_width=recipe.quantise.act_width, acc_width=recipe.quantise.acc_width,
                    encoding=recipe.encoding)
    layers = [node.name for node in graph.nodes if node.weight is not None]
    _check_layers(recipe, list(weighted_layers(module)), layers)
    return graph


def _check_layers(recipe: Recipe, pruned: list[str], shared: list[str]) -> None:
    """Refuses names in the recipe that no layer has."""
    problems = []
    for key, given, known in (
            ("prune.keep", recipe.prune and recipe.prune.keep, pruned),
            ("share.slots", recipe.share and recipe.share.slots, shared),
            ("share.bits", recipe.share and recipe.share.bits, shared)):
        for name in given if isinstance(given, dict) else ():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                problems.append(f"{key}.{name} is no layer; "
                                + (f"did you mean {near[0]}? " if near else "")
                                + f"the layers are {', '.join(known)}")
    if problems:
        raise InputError("\n  ".join([f"recipe: {len(problems)} layers are wrong:", *problems]))


def _identity(source: Source, graph: FloatGraph, recipe: Recipe, data: Dataset, seed: int,
              device: torch.device, budget: float | None) -> dict[str, Any]:
    """Everything that a run's result follows from."""
    return {"recipe": recipe.model_dump(mode="json", exclude_none=True),
            "network": structure_digest(graph), "weights": source.weights_digest,
            "data": data.digest, "seed": seed, "device": device.type,
            "budget": budget if recipe.decides else None, "versions": _versions()}


def _versions() -> dict[str, str]:
    try:
        ours = metadata.version("openeie")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        ours = "unknown"
    return {"python": platform.python_version(), "numpy": np.__version__,
            "torch": torch.__version__, "openeie": ours}


def _run(course: Course, store: Checkpoints | None, seed: int) -> State:
    """All steps, from the last one that is kept."""
    steps = steps_of(course.recipe)
    state, ran = State(), False
    for number, (name, step) in enumerate(steps.items(), 1):
        course.watch.step(number, len(steps), name)
        kept = None if store is None or ran else store.load(number, name)
        if kept is None:
            ran = True
            torch.manual_seed(seed)         # of what a module draws while it is trained
            if "generator/state" in state.tensors:
                course.generator.set_state(state.tensors["generator/state"])
            kept = step(course, state).after(
                generator={"state": course.generator.get_state()})
            if store is not None:
                store.save(number, name, kept)
        state = kept
        if number == 1 and course.recipe.distill is not None:
            course.teacher = course.live(state, masked=False)
        course.watch.finished(_facts(state, name))
    return state


def _facts(state: State, name: str) -> dict[str, Any]:
    """What the state's notes say of a step."""
    return state.notes[{"retrain": "prune", "centroids": "share",
                        "measure": "integer"}.get(name, name)]


def _finish(course: Course, state: State, run: dict[str, Any], seed: int) -> Compressed:
    """The network with its provenance, and whether it keeps the budget."""
    errors, held_out = ({stage: state.notes[step][split] for stage, step in _STAGES.items()
                         if state.notes.get(step, {}).get(split) is not None}
                        for split in ("test_error", "held_out_error"))
    chosen: dict[str, dict] = {}
    if course.recipe.prune is not None and course.recipe.prune.keep == AUTO:
        chosen["prune"] = {"keep": state.notes["prune"]["keep"]}
    if course.recipe.share is not None and course.recipe.share.auto:
        chosen["share"] = {"slots": state.notes["slots"], "bits": None}
    recipe = course.recipe.resolved(**chosen)
    provenance = {"versions": run["versions"], "seed": seed,
                  "recipe": recipe.model_dump(mode="json", exclude_none=True),
                  "network": course.source.title, "data": course.data.name}
    if course.source.weights is not None:
        provenance["weights"] = course.source.weights.name
    provenance |= {f"{stage}_error": error for stage, error in errors.items()}
    if held_out:
        provenance["held_out_errors"] = held_out
    network = replace(network_of(state), provenance=provenance)
    result = Compressed(network=network, recipe=recipe, errors=errors, held_out_errors=held_out,
                        budget=course.budget, contents=inspect(artefact.dumps(network)))
    _check_budget(result)
    return result


def _check_budget(result: Compressed) -> None:
    excess = result.excess
    if result.budget is None or excess is None or excess <= result.budget + 1e-12:
        return
    raise BudgetError(
        f"the budget is not met: on the held-out pictures the integer network's error is "
        f"{result.held_out_errors['integer']:.2%}, {excess:.2%} above the float network's, and "
        f"may be {result.budget:.2%} above; keep more weights, share into more slots, or retrain "
        f"longer", result)


