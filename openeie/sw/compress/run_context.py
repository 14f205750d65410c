# SPDX-License-Identifier: Apache-2.0
"""What all steps of a compression have in common: images, training, measuring, modules."""
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
from .methods.prune import hold_zeros, kept, release, weight_parts, weighted_layers
from .methods.share import set_shared
from .methods.train import Loss, cross_entropy, error_rate, fit
from .recipe import Recipe, Training
from .source import Source

__all__ = ["ScaledImages", "Watcher", "Silent", "RunContext"]


class ScaledImages:
    """Images kept as bytes, converted to the float network's inputs when a batch is selected; see
    :class:`~openeie.sw.compress.methods.train.Inputs`.

    Parameters
    ----------
    data : gives scale and offset.
    images : uint8 [n, ...].
    """

    def __init__(self, data: Dataset, images: np.ndarray, device: torch.device) -> None:
        writable = images if images.flags.writeable else images.copy()
        self._images = torch.from_numpy(writable).to(device)
        self._offset: Tensor | None = None
        if data.offsets.any():
            self._offset = torch.from_numpy(data.offsets.astype(np.float32)).to(device)
        self._scale = data.scale

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        values = self._images[chosen].to(torch.float32)
        if self._offset is not None:
            values = values - self._offset
        return values * self._scale

    def split(self, size: int) -> Iterable[Tensor]:
        """All images, in parts of ``size``."""
        return (self[at:at + size] for at in range(0, len(self), size))


class Watcher(Protocol):
    """Follows the progress of a run."""

    def step(self, number: int, total: int, name: str) -> None:
        """Called when a step begins; ``number`` from 1."""

    def epoch(self, done: int, total: int, loss: float) -> None:
        """Called after each epoch of a step's training, with its mean loss."""

    def finished(self, facts: dict[str, Any]) -> None:
        """Called when a step is done, with its notes: errors, weights kept, estimated bytes."""


class Silent:
    """A watcher that does nothing."""

    def step(self, number: int, total: int, name: str) -> None:
        """Do nothing."""

    def epoch(self, done: int, total: int, loss: float) -> None:
        """Do nothing."""

    def finished(self, facts: dict[str, Any]) -> None:
        """Do nothing."""


@dataclass(kw_only=True, eq=False)
class RunContext:
    """Everything about a run that its steps share; a step is a function of it and of a state.

    Attributes
    ----------
    source, recipe : as given.
    data : with the recipe's shape, scale and offset.
    train, held_out, test : images and labels.
    device : torch device used for training.
    budget : as given, a share, or None.
    watch : follows the progress.
    generator : source of all random choices; each step continues where the last one stopped.
    teacher : of distillation; None until there is one.
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
        self._on_device: dict[str, tuple[ScaledImages, Tensor]] = {}
        splits = {"train": self.train, "held_out": self.held_out, "test": self.test}
        for name, (images, labels) in splits.items():
            self._on_device[name] = (ScaledImages(self.data, images, self.device),
                                     torch.from_numpy(labels).to(self.device))
        augment = self.recipe.data.augment
        self._augment = None if augment is None else augment.affine

    @property
    def example(self) -> np.ndarray:
        """One float input [1, ...]."""
        return self.data.floats(self.train[0][:1])

    def fit(self, model: nn.Module, training: Training, section: str) -> float:
        """Train a model, and return it to the CPU; gives the last epoch's mean loss.

        Parameters
        ----------
        section : name of the recipe's section ``training``, for messages.
        """
        model.to(self.device)
        loss = fit(model, *self._on_device["train"], training.schedule, generator=self.generator,
                   augment=self._augment, loss=self._loss(), watch=self.watch.epoch,
                   section=section)
        model.cpu()
        return loss

    def _loss(self) -> Loss:
        """The loss to train with: distillation if there is a teacher."""
        distill = self.recipe.distill
        if distill is None or self.teacher is None:
            return cross_entropy
        return distillation(self.teacher.to(self.device), temperature=distill.temperature,
                            soft=distill.soft)

    def error(self, model: nn.Module, split: str) -> float | None:
        """Share of a split's images that a model misclassifies; None if the split is empty. The
        model is on the CPU before and after."""
        images, labels = self._on_device[split]
        if not len(images):
            return None
        error = error_rate(model.to(self.device), images, labels)
        model.cpu()
        return error

    def loss(self, model: nn.Module) -> float:
        """Mean cross-entropy of a model on the held-out images."""
        images, labels = self._on_device["held_out"]
        model.to(self.device).eval()
        total = 0.0
        with torch.no_grad():
            for x, y in zip(images.split(1000), labels.split(1000)):
                outputs = model(x).flatten(1)
                total += float(nn.functional.cross_entropy(outputs, y, reduction="sum"))
        model.cpu()
        return total / len(images)

    def facts(self, model: nn.Module, **more: Any) -> dict[str, Any]:
        """A step's notes: errors of its model, its non-zero and all weights, and ``more``."""
        left = kept(model)
        layers = weighted_layers(model)
        weights = sum(layer.weight.numel() for layer in layers.values())
        return more | {"held_out_error": self.error(model, "held_out"),
                       "test_error": self.error(model, "test"), "kept": sum(left.values()),
                       "weights": weights}

    # Modules from states ----------------------------------------------------------------------
    def live(self, state: StepState, *, masked: bool = True) -> nn.Module:
        """The module of a state; with ``masked``, pruned weights stay zero in training."""
        model = self.source.empty()
        model.load_state_dict(state.part("model"))
        if masked:
            layers = weighted_layers(model)
            for name in state.notes.get("pruned", ()):
                hold_zeros(layers[name])
        return model.eval()

    @staticmethod
    def plain(model: nn.Module) -> dict[str, Tensor]:
        """A module's tensors, with masks applied and removed."""
        for layer in weighted_layers(model).values():
            release(layer)
        return model.state_dict()

    def graph(self, state: StepState) -> FloatGraph:
        """The graph of a state's module, with batch normalisation folded."""
        model = self.live(state, masked=False)
        key = digest(state.part("model"))
        if self._graph is None or self._graph[0] != key:        # kept: tracing takes seconds
            self._graph = key, self.source.graph(model, self.example)
        return self._graph[1]

    def folded(self, state: StepState) -> nn.Module:
        """A state's graph as a module, with shared weights if the state has them."""
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
            parts: Any = weight_parts(layer)
            tensors |= {f"{name}.codes": parts[0].codes, f"{name}.centroids": parts.original}
            if layer.bias is not None:
                tensors[f"{name}.bias"] = layer.bias
        return tensors
