# SPDX-License-Identifier: Apache-2.0
"""The steps of a compression. Each is a function from a state to a state, which holds everything
that passes between steps."""
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ...core.artefact import artefact
from ...core.artefact.payload_shape import WEIGHT_BITS
from ...core.errors import BudgetError, NumericWarning
from ...core.network.graph import Network
from ..data.labelled import Dataset, Labelled
from ..quantise.integer_run import integer_error
from ..quantise.quantise import quantise_graph
from ..quantise.report import QuantiseReport
from .checkpoint import StepState
from .graph_module import with_weights
from .methods.order_units import order_units, unorderable
from .methods.prune import kept, prune, prune_global, weighted_layers
from .methods.prune_schedule import gradual_schedule, keep_schedule
from .methods.share import share as share_weights, shared
from .recipe import Recipe
from .run_context import RunContext
from .search.code_bits import Bits, choose_bits
from .search.keep_ratios import choose_ratios, stored_bits

__all__ = ["Step", "steps_of", "network_of"]

Step = Callable[[RunContext, StepState], StepState]
_PART = 1000                            # images at a time
_SCHEDULES = {"geometric": keep_schedule, "gradual": gradual_schedule}
#: Share of the budget for pruning with keep = "auto"; the rest is for sharing and integers.
_PRUNING = 0.5
_FLOAT_BITS = 32.0
#: Bits of a row's bias, multiplier and shift, as in the files that come with the package.
_ROW_BITS = 24
#: Bits of a code as long as they are not chosen.
_AUTO_BITS = 4.0


def steps_of(recipe: Recipe) -> dict[str, Step]:
    """The steps of a recipe, by name and in order."""
    share = recipe.share
    wanted: dict[str, tuple[Step, bool]] = {
        "float": (make_float, True), "prune": (make_pruned, recipe.prune is not None),
        "retrain": (retrain, recipe.retrain is not None),
        "bits": (choose_slots, share is not None and share.auto),
        "share": (make_shared, share is not None),
        "centroids": (train_centroids, recipe.centroids is not None),
        "quantise": (make_integer, True), "measure": (measure, True)}
    return {name: step for name, (step, included) in wanted.items() if included}


def make_float(context: RunContext, state: StepState) -> StepState:
    """The float network, with its weights or trained."""
    model, masked = context.source.start()
    more = {}
    if not context.source.has_weights:
        more["loss"] = context.fit(model, context.recipe.train, "train")
    model.eval()
    parameters = sum(one.numel() for one in model.parameters())
    facts = context.facts(model, estimated_bytes=4 * parameters, **more)
    return StepState().after(model=model.state_dict(), notes={"float": facts,
                                                               "pruned": list(masked)})


def make_pruned(context: RunContext, state: StepState) -> StepState:
    """Prune in rounds, or as far as the budget allows; then order the units."""
    recipe = context.recipe.prune
    model = context.live(state)
    schedule = _SCHEDULES[recipe.schedule]
    if isinstance(recipe.keep, str):                # "auto"
        model = _prune_within_budget(context, state, model)
    elif isinstance(recipe.keep, dict):
        keeps = {name: schedule(keep, recipe.rounds) for name, keep in recipe.keep.items()}
        for number in range(recipe.rounds):
            prune(model, {name: shares[number] for name, shares in keeps.items()},
                  balance=recipe.balance)
            _between(context, model)
    else:
        for keep in schedule(recipe.keep, recipe.rounds):
            prune_global(model, keep)
            _between(context, model)
    _order(context, model)
    return _pruned(context, state, model, {})


def _order(context: RunContext, model: nn.Module) -> None:
    """Order the units of a chain; ordering them again changes nothing."""
    recipe = context.recipe.prune
    if recipe is not None and not unorderable(model):
        order_units(model, balance=recipe.balance)


def _between(context: RunContext, model: nn.Module) -> None:
    """Training between rounds of pruning, if the recipe has any."""
    if context.recipe.prune.between is not None:
        context.fit(model, context.recipe.prune.between, "prune.between")


def _prune_within_budget(context: RunContext, state: StepState, model: nn.Module) -> nn.Module:
    found = choose_ratios(
        model, measure=lambda one: context.error(one, "held_out"), loss=context.loss,
        retrain=lambda one: _between(context, one), balance=context.recipe.prune.balance,
        code_bits=_code_bits(context.recipe, list(weighted_layers(model))),
        budget=state.notes["float"]["held_out_error"] + _PRUNING * context.budget)
    return found.model


def _code_bits(recipe: Recipe, names: list[str]) -> dict[str, float]:
    """Bits of a weight's code in each layer, before Huffman coding."""
    share = recipe.share
    if share is None or recipe.encoding == "csr":
        return dict.fromkeys(names, float(WEIGHT_BITS))
    if share.auto:                      # chosen after pruning
        return dict.fromkeys(names, _AUTO_BITS)
    return {name: math.log2(slots) for name, slots in share.by_layer(names).items()}


def _pruned(context: RunContext, state: StepState, model: nn.Module, more: dict[str, Any]
            ) -> StepState:
    """The state with a pruned module, and the names of layers that must keep their zeros."""
    layers = weighted_layers(model)
    left = kept(model)
    keep = {name: left[name] / layer.weight.numel() for name, layer in layers.items()}
    size = sum(stored_bits(layer.weight.numel(), left[name], _FLOAT_BITS)
               for name, layer in layers.items())
    others = sum(one.numel() for one in model.parameters()) \
        - sum(layer.weight.numel() for layer in layers.values())
    size += _FLOAT_BITS * others
    facts = context.facts(model, estimated_bytes=round(size / 8), keep=keep, **more)
    masked = [name for name, layer in layers.items() if hasattr(layer, "parametrizations")]
    return state.after(model=context.plain(model), notes={"pruned": masked, "prune": facts})


def retrain(context: RunContext, state: StepState) -> StepState:
    """Train the remaining weights."""
    model = context.live(state)
    loss = context.fit(model, context.recipe.retrain, "retrain")
    return _pruned(context, state, model, {"loss": loss})


def choose_slots(context: RunContext, state: StepState) -> StepState:
    """Choose the fewest bits of each layer's codes that the budget allows."""
    try:
        found = choose_bits(context.folded(state), loss=context.loss,
                            measure=lambda one: context.error(one, "held_out"),
                            init=context.recipe.share.init, generator=context.generator,
                            budget=state.notes["float"]["held_out_error"] + context.budget)
    except BudgetError as error:        # training of the centroids may still reach the budget
        found = cast(Bits, error.best)
    trials = {"bits": found.bits, "held_out_error": found.error, "trials": len(found.trials)}
    return state.after(notes={"slots": found.slots, "bits": trials})


def make_shared(context: RunContext, state: StepState) -> StepState:
    """Replace the weights of each layer by a few values."""
    model = context.folded(state)
    _order(context, model)          # batch normalisation, now folded, may have prevented it before
    recipe = context.recipe.share
    slots = state.notes.get("slots") or recipe.by_layer(list(weighted_layers(model)))
    share_weights(model, slots=slots, init=recipe.init, generator=context.generator)
    return _shared(context, state.after(notes={"slots": slots}), model, {})


def train_centroids(context: RunContext, state: StepState) -> StepState:
    """Train the shared values; each weight keeps its code."""
    model = context.folded(state)
    loss = context.fit(model, context.recipe.centroids, "centroids")
    return _shared(context, state, model, {"loss": loss})


def _shared(context: RunContext, state: StepState, model: nn.Module, more: dict[str, Any]
            ) -> StepState:
    """The state with a module of shared weights."""
    size = 0.0
    for layer in weighted_layers(model).values():
        codes, codebook = shared(layer)
        size += stored_bits(codes.size, int(np.count_nonzero(codes)),
                            float(np.log2(len(codebook)))) + 16 * len(codebook)
        size += _ROW_BITS * len(codes)
    facts = context.facts(model, estimated_bytes=round(size / 8), **more)
    return state.after(shared=context.shared(model), notes={"share": facts})


def make_integer(context: RunContext, state: StepState) -> StepState:
    """The integer network, as an artefact."""
    recipe = context.recipe
    data = context.data
    graph = context.graph(state)
    if state.part("shared"):
        graph = with_weights(graph, context.folded(state))
    reports: list[QuantiseReport] = []
    with warnings.catch_warnings():         # issued at the end, so that resumed runs warn, too
        warnings.simplefilter("ignore", NumericWarning)
        network = quantise_graph(
            replace(graph, name=recipe.name or graph.name),
            data.floats(context.train[0][:recipe.quantise.calibration]),
            input_range=data.input_range, input_scale=data.scale,
            act_width=recipe.quantise.act_width, acc_width=recipe.quantise.acc_width,
            encoding=recipe.encoding, report=reports.append)
    content = bytearray(artefact.dumps(network))
    notes = {"bytes": len(content), "report": reports[0].to_dict()}
    return StepState(notes=state.notes).after(
        notes={"quantise": notes},
        network={"artefact": torch.frombuffer(content, dtype=torch.uint8)})


def measure(context: RunContext, state: StepState) -> StepState:
    """Errors of the integer network."""
    network = network_of(state)
    errors = {"held_out_error": _integer_error(network, context.data, context.held_out),
              "test_error": _integer_error(network, context.data, context.test)}
    return state.after(notes={"integer": errors})


def _integer_error(network: Network, data: Dataset, split: Labelled) -> float | None:
    """Share of misclassified images; None if there are none."""
    images, labels = split
    if not len(images):
        return None
    wrong = 0.0
    for at in range(0, len(images), _PART):
        part = labels[at:at + _PART]
        wrong += integer_error(network, data.integers(images[at:at + _PART]), part) * len(part)
    return round(wrong) / len(images)


def network_of(state: StepState) -> Network:
    """The integer network of a state."""
    return artefact.loads(state.tensors["network/artefact"].numpy().tobytes())


