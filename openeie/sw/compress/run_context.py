# SPDX-License-Identifier: Apache-2.0
"""What all steps of a compression share: images, training, measuring, modules from states."""
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..data.labelled import Dataset, Labelled
from ..float.graph import FloatGraph
from .checkpoint import StepState, digest
from .graph_module import GraphModule
from .methods.distill import distillation
from .methods.prune import hold_zeros, kept, release, weighted_layers
from .methods.share import set_shared
from .methods.train import Loss, cross_entropy, error_rate, fit
from .recipe import Recipe, Training
from .source import Source

__all__ = ["ScaledImages", "Watcher", "Silent", "Course"]


class ScaledImages:
    """Bytes that become the float network's inputs when they are taken; see
    :class:`~openeie.sw.compress.methods.train.Inputs`."""

    def __init__(self, data: Dataset, images: np.ndarray, device: torch.device) -> None:
        writable = images if images.flags.writeable else images.copy()
        self._images = torch.from_numpy(writable).to(device)
        offsets = data.offsets
        self._offset = torch.from_numpy(offsets.astype(np.float32)).to(device) \
            if offsets.any() else None
        self._scale = data.scale

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        values = self._images[chosen].to(torch.float32)
        if self._offset is not None:
            values = values - self._offset
        return values * self._scale

    def split(self, size: int) -> Iterable[Tensor]:
        """All of them, in parts of ``size``."""
        return (self[at:at + size] for at in range(0, len(self), size))


class Watcher(Protocol):
    """Who is told how a run goes on."""

    def step(self, number: int, total: int, name: str) -> None:
        """A step begins."""

    def epoch(self, done: int, total: int, loss: float) -> None:
        """An epoch of its training is done."""

    def finished(self, facts: dict) -> None:
        """A step is done; ``facts`` are what it is known by."""


class Silent:
    """A watcher that says nothing."""

    def step(self, number: int, total: int, name: str) -> None:
        """Nothing."""

    def epoch(self, done: int, total: int, loss: float) -> None:
        """Nothing."""

    def finished(self, facts: dict) -> None:
        """Nothing."""


@dataclass(kw_only=True, eq=False)
class Course:
    """A run's unchanging part; steps are functions of it and of a state.

    Attributes
    ----------
    source, recipe, budget : as given; the budget is a share, or None.
    data : with the recipe's shape, scale and offset.
    train, held_out, test : images and labels.
    device : where is trained.
    generator : source of every random choice; each step goes on where the last one left it.
    teacher : whom distillation follows; None while there is none.
    """
    source: Source
    recipe: Recipe
    data: Dataset
    train: Labelled
    held_out: Labelled
    test: Labelled
    device: torch.device
    budget: float | None
    watch: Watcher
    generator: torch.Generator
    teacher: nn.Module | None = None
    _graph: tuple[str, FloatGraph] | None = None

    def __post_init__(self) -> None:
        self._on_device = {name: (ScaledImages(self.data, images, self.device),
                                  torch.from_numpy(labels).to(self.device))
                           for name, (images, labels) in (
                               ("train", self.train), ("held_out", self.held_out),
                               ("test", self.test))}
        augment = self.recipe.data.augment
        self._augment = None if augment is None else augment.affine

    @property
    def example(self) -> np.ndarray:
        """One float input [1, ...]."""
        return self.data.floats(self.train[0][:1])

    def fit(self, model: nn.Module, training: Training, section: str) -> float:
        """Train a model, which ends on the CPU; returns the last epoch's mean loss.

        section : of the recipe that ``training`` is, for messages.
        """
        model.to(self.device)
        loss = fit(model, *self._on_device["train"], training.schedule, generator=self.generator,
                   augment=self._augment, loss=self._loss(), watch=self.watch.epoch,
                   section=section)
        model.cpu()
        return loss

    def _loss(self) -> Loss:
        distill = self.recipe.distill
        if distill is None or self.teacher is None:
            return cross_entropy
        return distillation(self.teacher.to(self.device), temperature=distill.temperature,
                            soft=distill.soft)

    def error(self, model: nn.Module, split: str) -> float | None:
        """Share of a split's images that a model, on the CPU, misreads; None of none."""
        images, labels = self._on_device[split]
        if not len(images):
            return None
        error = error_rate(model.to(self.device), images, labels)
        model.cpu()
        return error

    def loss(self, model: nn.Module) -> float:
        """Mean cross-entropy on the held-out images."""
        images, labels = self._on_device["held_out"]
        model.to(self.device).eval()
        total = 0.0
        with torch.no_grad():
            for x, y in zip(images.split(1000), labels.split(1000)):
                total += float(nn.functional.cross_entropy(model(x).flatten(1), y,
                                                           reduction="sum"))
        model.cpu()
        return total / len(images)

    def facts(self, model: nn.Module, **more) -> dict:
        """What a step is known by: errors of a model, weights left, bytes they would take."""
        left = kept(model)
        layers = weighted_layers(model)
        weights = sum(layer.weight.numel() for layer in layers.values())
        return more | {"held_out_error": self.error(model, "held_out"),
                       "test_error": self.error(model, "test"), "kept": sum(left.values()),
                       "weights": weights}

    # Modules from states ----------------------------------------------------------------------
    def live(self, state: StepState, *, masked: bool = True) -> nn.Module:
        """The module that a state holds; pruned layers keep their zeros, unless not ``masked``."""
        model = self.source.empty()
        model.load_state_dict(state.part("model"))
        if masked:
            layers = weighted_layers(model)
            for name in state.notes.get("pruned", ()):
                hold_zeros(layers[name])
        return model.eval()

    @staticmethod
    def plain(model: nn.Module) -> dict[str, Tensor]:
        """A module's tensors, masks applied."""
        for layer in weighted_layers(model).values():
            release(layer)
        return model.state_dict()

    def graph(self, state: StepState) -> FloatGraph:
        """The graph of the module that a state holds, batch normalisation folded."""
        model = self.live(state, masked=False)
        key = digest(state.part("model"))
        if self._graph is None or self._graph[0] != key:        # tracing takes seconds
            self._graph = key, self.source.graph(model, self.example)
        return self._graph[1]

    def folded(self, state: StepState) -> nn.Module:
        """The graph as a module, its weights shared if the state says so."""
        model = GraphModule(self.graph(state)).eval()
        tensors = state.part("shared")
        for name, layer in weighted_layers(model).items():
            if f"{name}.codes" in tensors:
                set_shared(layer, tensors[f"{name}.codes"].numpy(),
                           tensors[f"{name}.centroids"].numpy())
                if layer.bias is not None:
                    layer.bias.data.copy_(tensors[f"{name}.bias"])
        return model

    @staticmethod
    def shared(model: nn.Module) -> dict[str, Tensor]:
        """Codes, centroids and biases of a module with shared weights."""
        tensors: dict[str, Tensor] = {}
        for name, layer in weighted_layers(model).items():
            holder: Any = layer.parametrizations.weight
            tensors |= {f"{name}.codes": holder[0].codes, f"{name}.centroids": holder.original}
            if layer.bias is not None:
                tensors[f"{name}.bias"] = layer.bias
        return tensors
