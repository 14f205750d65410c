# SPDX-License-Identifier: Apache-2.0
"""The steps of a compression: each takes a state and leaves one; nothing else passes between."""
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import nn

from ...core.artefact import artefact
from ...core.artefact.payload_shape import WEIGHT_BITS
from ...core.errors import BudgetError, NumericWarning
from ...core.network.graph import Network
from ..quantise.integer_run import integer_error
from ..quantise.quantise import quantise_graph
from ..quantise.report import QuantiseReport
from .checkpoint import StepState
from .graph_module import with_weights
from .methods.order_units import order_units, unorderable
from .methods.prune import prune, prune_global, weighted_layers
from .methods.prune_schedule import gradual_schedule, keep_schedule
from .methods.share import share as share_weights, shared
from .recipe import AUTO, Recipe
from .run_context import Course
from .search.code_bits import Bits, choose_bits
from .search.keep_ratios import choose_ratios, stored_bits

__all__ = ["Step", "steps_of", "network_of"]

Step = Callable[[Course, StepState], StepState]
_SCHEDULES = {"geometric": keep_schedule, "gradual": gradual_schedule}
#: Of the budget, what pruning alone may use where it chooses for itself; the rest is for sharing
#: and integers.
_PRUNING = 0.5
_FLOAT_BITS = 32.0
#: Of a row's bias, multiplier and shift, as in the files that come with the package.
_ROW_BITS = 24
#: Of a code, where the bits are not chosen yet.
_AUTO_BITS = 4.0


def steps_of(recipe: Recipe) -> dict[str, Step]:
    """The steps that a recipe asks for, in order."""
    share = recipe.share
    wanted: dict[str, tuple[Step, bool]] = {
        "float": (make_float, True), "prune": (make_pruned, recipe.prune is not None),
        "retrain": (retrain, recipe.retrain is not None),
        "bits": (choose_slots, share is not None and share.auto),
        "share": (make_shared, share is not None),
        "centroids": (train_centroids, recipe.centroids is not None),
        "quantise": (make_integer, True), "measure": (measure, True)}
    return {name: step for name, (step, asked) in wanted.items() if asked}


def make_float(course: Course, state: StepState) -> StepState:
    """The float network: its weights, or its training."""
    (model, masked), more = course.source.start(), {}
    if not course.source.has_weights:
        more["loss"] = course.fit(model, course.recipe.train, "train")
    model.eval()
    parameters = sum(one.numel() for one in model.parameters())
    facts = course.facts(model, estimated_bytes=4 * parameters, **more)
    return StepState().after(model=model.state_dict(), notes={"float": facts,
                                                               "pruned": list(masked)})


def make_pruned(course: Course, state: StepState) -> StepState:
    """Pruned in rounds, or as far as the budget allows; then units in order."""
    recipe = course.recipe.prune
    model = course.live(state)
    if recipe.keep == AUTO:
        model = _prune_within_budget(course, state, model)
    elif isinstance(recipe.keep, dict):
        schedules = {name: _SCHEDULES[recipe.schedule](keep, recipe.rounds)
                     for name, keep in recipe.keep.items()}
        for number in range(recipe.rounds):
            prune(model, {name: keeps[number] for name, keeps in schedules.items()},
                  balance=recipe.balance)
            _between(course, model)
    else:
        for keep in _SCHEDULES[recipe.schedule](recipe.keep, recipe.rounds):
            prune_global(model, keep)
            _between(course, model)
    _order(course, model)
    return _pruned(course, state, model, {})


def _order(course: Course, model: nn.Module) -> None:
    """Units in order, where there are chains to be ordered; once they are, nothing moves."""
    recipe = course.recipe.prune
    if recipe is not None and not unorderable(model):
        order_units(model, balance=recipe.balance)


def _between(course: Course, model: nn.Module) -> None:
    if course.recipe.prune.between is not None:
        course.fit(model, course.recipe.prune.between, "prune.between")


def _prune_within_budget(course: Course, state: StepState, model: nn.Module) -> nn.Module:
    found = choose_ratios(
        model, measure=lambda one: course.error(one, "held_out"), loss=course.loss,
        retrain=lambda one: _between(course, one), balance=course.recipe.prune.balance,
        code_bits=_code_bits(course.recipe, list(weighted_layers(model))),
        budget=state.notes["float"]["held_out_error"] + _PRUNING * course.budget)
    return found.model


def _code_bits(recipe: Recipe, names: list[str]) -> dict[str, float]:
    """What a weight's code takes where the recipe's layers are stored, before Huffman coding."""
    share = recipe.share
    if share is None or recipe.encoding == "csr":
        return dict.fromkeys(names, float(WEIGHT_BITS))
    if share.auto:                      # chosen after pruning
        return dict.fromkeys(names, _AUTO_BITS)
    return {name: math.log2(slots) for name, slots in share.by_layer(names).items()}


def _pruned(course: Course, state: StepState, model: nn.Module, more: dict) -> StepState:
    """The state with a pruned module, and which layers must keep their zeros."""
    layers = weighted_layers(model)
    left = {name: int(torch.count_nonzero(layer.weight.detach()))
            for name, layer in layers.items()}
    keep = {name: left[name] / layer.weight.numel() for name, layer in layers.items()}
    size = sum(stored_bits(layer.weight.numel(), left[name], _FLOAT_BITS)
               for name, layer in layers.items())
    size += _FLOAT_BITS * (sum(one.numel() for one in model.parameters())
                           - sum(layer.weight.numel() for layer in layers.values()))
    facts = course.facts(model, estimated_bytes=round(size / 8), keep=keep, **more)
    masked = [name for name, layer in layers.items() if hasattr(layer, "parametrizations")]
    return state.after(model=course.plain(model), notes={"pruned": masked, "prune": facts})


def retrain(course: Course, state: StepState) -> StepState:
    """The weights that are left, trained."""
    model = course.live(state)
    loss = course.fit(model, course.recipe.retrain, "retrain")
    return _pruned(course, state, model, {"loss": loss})


def choose_slots(course: Course, state: StepState) -> StepState:
    """The fewest bits of each layer's codes that the budget allows."""
    try:
        found = choose_bits(course.folded(state), loss=course.loss,
                            measure=lambda one: course.error(one, "held_out"),
                            init=course.recipe.share.init, generator=course.generator,
                            budget=state.notes["float"]["held_out_error"] + course.budget)
    except BudgetError as error:        # training the centroids may still mend it
        found = cast(Bits, error.best)
    return state.after(notes={"slots": found.slots, "bits": {
        "bits": found.bits, "held_out_error": found.error, "trials": len(found.trials)}})


def make_shared(course: Course, state: StepState) -> StepState:
    """The weights of each layer replaced by a few values."""
    model = course.folded(state)
    _order(course, model)           # what batch normalisation kept from being ordered before
    recipe = course.recipe.share
    slots = state.notes.get("slots") or recipe.by_layer(list(weighted_layers(model)))
    share_weights(model, slots=slots, init=recipe.init, generator=course.generator)
    return _shared(course, state.after(notes={"slots": slots}), model, {})


def train_centroids(course: Course, state: StepState) -> StepState:
    """The shared values trained; which weight has which stays."""
    model = course.folded(state)
    loss = course.fit(model, course.recipe.centroids, "centroids")
    return _shared(course, state, model, {"loss": loss})


def _shared(course: Course, state: StepState, model: nn.Module, more: dict) -> StepState:
    size = 0.0
    for layer in weighted_layers(model).values():
        codes, codebook = shared(layer)
        size += stored_bits(codes.size, int(np.count_nonzero(codes)),
                            float(np.log2(len(codebook)))) + 16 * len(codebook)
        size += _ROW_BITS * len(codes)
    facts = course.facts(model, estimated_bytes=round(size / 8), **more)
    return state.after(shared=course.shared(model), notes={"share": facts})


def make_integer(course: Course, state: StepState) -> StepState:
    """The integer network."""
    recipe, data = course.recipe, course.data
    graph = course.graph(state)
    if state.part("shared"):
        graph = with_weights(graph, course.folded(state))
    reports: list[QuantiseReport] = []
    with warnings.catch_warnings():         # told at the end, after a resumed run too
        warnings.simplefilter("ignore", NumericWarning)
        network = quantise_graph(
            replace(graph, name=recipe.name or graph.name),
            data.floats(course.train[0][:recipe.quantise.calibration]),
            input_range=data.input_range, input_scale=data.scale,
            act_width=recipe.quantise.act_width, acc_width=recipe.quantise.acc_width,
            encoding=recipe.encoding, report=reports.append)
    data_bytes = artefact.dumps(network)
    return StepState(notes=state.notes | {"quantise": {
        "bytes": len(data_bytes), "report": reports[0].to_dict()}}).after(
        network={"artefact": torch.frombuffer(bytearray(data_bytes), dtype=torch.uint8)})


def measure(course: Course, state: StepState) -> StepState:
    """What the integer network misreads."""
    network, data = network_of(state), course.data

    def error(split: str) -> float | None:
        images, labels = getattr(course, split)
        if not len(images):
            return None
        parts = [integer_error(network, data.integers(images[at:at + 1000]),
                               labels[at:at + 1000]) * len(labels[at:at + 1000])
                 for at in range(0, len(images), 1000)]
        return round(sum(parts)) / len(images)
    return state.after(notes={"integer": {"held_out_error": error("held_out"),
                                          "test_error": error("test")}})


def network_of(state: StepState) -> Network:
    """The integer network that a state holds."""
    return artefact.loads(state.tensors["network/artefact"].numpy().tobytes())


