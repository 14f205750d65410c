# SPDX-License-Identifier: Apache-2.0
"""The training loop: seeded, deterministic, with affine augmentation of small images."""
import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ....core.errors import InputError

__all__ = ["Affine", "Augment", "Schedule", "TrainingSchedule", "Loss", "Watch", "Inputs",
           "deterministic", "channels_last", "labelled_tensors", "cross_entropy", "fit",
           "error_rate"]

#: What training minimises: ``loss(model, images, labels)`` of a batch, a scalar.
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
#: Random changes of a batch of images, ``augment(images, generator)``.
Augment = Callable[[Tensor, torch.Generator], Tensor]
#: Told after each epoch: epochs done, epochs in all, mean loss.
Watch = Callable[[int, int, float], None]


class Inputs(Protocol):
    """Images that are converted to what the model takes when a batch is selected; a tensor of
    float32 [n, ...] is one kind of these."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Tensor) -> Tensor: ...

    def split(self, size: int) -> Iterable[Tensor]:
        """All images, in parts of ``size``."""


class TrainingSchedule(Protocol):
    """What :func:`fit` needs of a schedule: length, optimiser and learning rates.

    Attributes
    ----------
    epochs : passes over the data.
    rate : the learning rate that messages name.
    batch : images per step; an incomplete batch at the end of an epoch is skipped.
    """
    @property
    def epochs(self) -> int: ...

    @property
    def rate(self) -> float: ...

    @property
    def batch(self) -> int: ...

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """A new optimiser of ``parameters``."""

    def step_rate(self, epoch: int, step: int, steps: int) -> float:
        """Learning rate of step 0 .. steps - 1 of an epoch, counted from 0."""


@dataclass(frozen=True, kw_only=True)
class Affine:
    """Random affine maps, drawn anew for each image.

    Attributes
    ----------
    shift : largest shift along each axis, pixels.
    rotate : largest rotation, degrees.
    scale : largest relative change of size along each axis, e.g. 0.1.
    shear : largest shear, as a tangent.
    flip : mirror each image with probability 1/2.
    """
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    flip: bool = False

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mapped copies of ``images`` [batch, side * side] or [batch, channels, height, width];
        bilinear, and zero outside."""
        shape = _map_shape(images)
        # torch's coordinates run from -1 to 1 along both axes: on a map that is not square, a
        # pixel is a different step along each.
        tall = shape[2] / shape[3]
        draw = torch.rand(len(images), 6, generator=generator) * 2 - 1
        angle = draw[:, 0] * math.radians(self.rotate)
        cos = torch.cos(angle)
        sin = torch.sin(angle)
        x_size, y_size = (1 + draw[:, 1:3] * self.scale).unbind(1)
        shear = draw[:, 3] * self.shear
        right = draw[:, 4] * (2 * self.shift / shape[3])
        down = draw[:, 5] * (2 * self.shift / shape[2])
        rows = [torch.stack([x_size * cos, x_size * (shear * cos - sin) * tall, right], 1),
                torch.stack([y_size * sin / tall, y_size * (shear * sin + cos), down], 1)]
        maps = torch.stack(rows, 1).to(images.device)
        grid = functional.affine_grid(maps, shape, align_corners=False)
        mapped = functional.grid_sample(images.reshape(shape), grid, align_corners=False)
        if self.flip:
            turned = torch.rand(len(images), generator=generator).to(images.device) < 0.5
            mapped = torch.where(turned.reshape(-1, 1, 1, 1), mapped.flip(3), mapped)
        return mapped.reshape(images.shape)


def _map_shape(images: Tensor) -> list[int]:
    """[batch, channels, height, width] of images, which may be flat if they are square."""
    if images.ndim == 4:
        return list(images.shape)
    side = math.isqrt(images.shape[1])
    if images.ndim != 2 or side * side != images.shape[1]:
        raise InputError(f"images that are augmented must be maps or flat squares, not "
                         f"{list(images.shape[1:])}")
    return [len(images), 1, side, side]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Training by AdamW, with a learning rate that falls along half a cosine.

    Attributes
    ----------
    epochs : passes over the data.
    rate : learning rate at the start.
    final_rate : learning rate at the end.
    batch : images per step; an incomplete batch at the end of an epoch is skipped.
    decay : weight decay, decoupled from the gradient.
    """
    epochs: int
    rate: float = 1e-3
    final_rate: float = 1e-5
    batch: int = 128
    decay: float = 0.0

    def rate_at(self, progress: float) -> float:
        """Learning rate after a fraction ``progress`` of all steps."""
        return self.final_rate + (self.rate - self.final_rate) * (
            1 + math.cos(math.pi * progress)) / 2

    def step_rate(self, epoch: int, step: int, steps: int) -> float:
        """Learning rate of step 0 .. steps - 1 of an epoch, counted from 0."""
        return self.rate_at((epoch + step / steps) / self.epochs)

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """AdamW of ``parameters``."""
        return torch.optim.AdamW(parameters, lr=self.rate, weight_decay=self.decay)


@contextlib.contextmanager
def deterministic(seed: int, *, strict: bool = True) -> Iterator[torch.Generator]:
    """Make everything that torch computes inside repeatable bit for bit; yields a seeded generator.

    Inside, torch uses one thread and deterministic algorithms, and its global generator, from
    which modules draw their initial weights, is seeded. All three are restored afterwards. Without
    ``strict``, operators that have no deterministic version are allowed, as some on CUDA have not.
    """
    threads = torch.get_num_threads()
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True, warn_only=not strict)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


def labelled_tensors(images: np.ndarray, labels: np.ndarray, *, white: int = 255
                     ) -> tuple[Tensor, Tensor]:
    """Pixels uint8 [n, ...] as float32, divided by ``white``, and labels [n] as int64."""
    return (torch.from_numpy(images.astype(np.float32)) / white,
            torch.from_numpy(labels.astype(np.int64)))


def channels_last(images: Tensor) -> Tensor:
    """The same maps in the memory layout in which convolutions of several channels are fastest, on
    a CPU by more than half; other tensors, and maps of one channel, unchanged."""
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images


def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the model's outputs and the labels, a scalar."""
    return functional.cross_entropy(model(images), labels)


def fit(model: nn.Module, images: Inputs, labels: Tensor, schedule: TrainingSchedule, *,
        generator: torch.Generator, augment: Augment | None = None,
        loss: Loss = cross_entropy, watch: Watch = lambda done, total, loss: None,
        section: str = "") -> float:
    """Train ``model`` in place; the only training loop there is.

    Every parameter that requires a gradient is trained, also those behind parametrisations (masks,
    shared centroids). The model is left in eval mode.

    Parameters
    ----------
    images : [n, ...] on the model's device, or an object that gives such tensors. ``augment`` and
        then ``loss`` get them as they are, maps in the memory layout of :func:`channels_last`.
    labels : int64 [n].
    schedule : epochs, batch, optimiser and learning rates: :class:`Schedule`, or
        :class:`~.one_cycle_sgd.Cycle`.
    generator : on the CPU, source of every random choice (order, augmentation).
    augment : random changes of each batch.
    loss : of the model on a batch, ``loss(model, images, labels)``.
    watch : told after each epoch, the model in eval mode.
    section : name of the recipe's section that the schedule comes from, for messages; or "".

    Returns
    -------
    The last epoch's mean loss.

    Raises
    ------
    InputError : the model has no parameter to train, a batch is larger than the training set, or
        the loss is no longer finite.
    """
    optimiser = _optimiser(model, len(images), schedule)
    mean = 0.0
    for epoch in range(schedule.epochs):
        model.train()
        mean = _train_epoch(model, optimiser, loss, _batches(images, labels, schedule, epoch,
                                                             generator, augment))
        if not math.isfinite(mean):
            raise InputError(f"training diverges: the loss of epoch {epoch + 1} must be a finite "
                             f"number, not {mean}; take a {section + '.' if section else ''}rate "
                             f"below {schedule.rate!r}")
        model.eval()
        watch(epoch + 1, schedule.epochs, mean)
    model.eval()
    return mean


def _optimiser(model: nn.Module, count: int, schedule: TrainingSchedule) -> torch.optim.Optimizer:
    """The optimiser of all parameters that require a gradient, for ``count`` images."""
    if count < schedule.batch:
        raise InputError(f"batch must be at most the {count} images to train with, "
                         f"not {schedule.batch!r}")
    trained = [one for one in model.parameters() if one.requires_grad]
    if not trained:
        raise InputError(f"{type(model).__name__} has no parameter to train")
    return schedule.optimiser(trained)


def _batches(images: Inputs, labels: Tensor, schedule: TrainingSchedule, epoch: int,
             generator: torch.Generator, augment: Augment | None
             ) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Learning rate, images and labels of each step of an epoch, drawn as they are used."""
    order = torch.randperm(len(images), generator=generator)
    steps = len(images) // schedule.batch
    for step in range(steps):
        chosen = order[step * schedule.batch:(step + 1) * schedule.batch]
        x = images[chosen]
        if augment is not None:
            x = augment(x, generator)
        yield schedule.step_rate(epoch, step, steps), x, labels[chosen]


def _train_epoch(model: nn.Module, optimiser: torch.optim.Optimizer, loss: Loss,
                 batches: Iterable[tuple[float, Tensor, Tensor]]) -> float:
    """One optimiser step for each of ``batches``; returns the mean loss."""
    steps = 0
    loss_sum = 0.0
    for rate, x, y in batches:
        optimiser.param_groups[0]["lr"] = rate
        value = loss(model, channels_last(x), y)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        loss_sum += value.item()        # not sum(), which rounds differently
        steps += 1
    return loss_sum / steps


def error_rate(model: nn.Module, images: Inputs, labels: Tensor) -> float:
    """Share of misclassified images: those whose largest output is not their label's."""
    model.eval()
    with torch.no_grad():
        answers = torch.cat([model(channels_last(part)).flatten(1).argmax(1)
                             for part in images.split(1000)])
    return float(np.mean((answers != labels).cpu().numpy()))
