# SPDX-License-Identifier: Apache-2.0
"""The float training loop: seeded, deterministic, with affine augmentation of small pictures."""
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

__all__ = ["Affine", "Schedule", "Loss", "Watch", "Inputs", "deterministic", "channels_last",
           "labelled_tensors", "cross_entropy", "fit", "error_rate"]

#: What training lowers: of a model on a batch of pictures and their labels, a scalar.
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
#: Told after each epoch: epochs done, epochs in all, mean loss.
Watch = Callable[[int, int, float], None]


class Inputs(Protocol):
    """Pictures that become float32 [batch, ...] when they are taken; a tensor is such a thing."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Tensor) -> Tensor: ...

    def split(self, size: int) -> Iterable[Tensor]:
        """All of them, in parts of ``size``."""


@dataclass(frozen=True, kw_only=True)
class Affine:
    """Random affine maps of a picture, drawn anew for each one.

    Attributes
    ----------
    shift : largest shift along each axis, pixels.
    rotate : largest rotation, degrees.
    scale : largest relative change of size along each axis, e.g. 0.1.
    shear : largest shear, as a tangent.
    flip : turn every second picture, at random, to its mirror image.
    """
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    flip: bool = False

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mapped copies of ``images`` [batch, side * side] or [batch, channels, height, width],
        bilinear, zero outside."""
        shape = _map_shape(images)
        # A map's coordinates run from -1 to 1 along both axes: where it is not square, a pixel is
        # another step along one than along the other.
        tall = shape[2] / shape[3]
        draw = torch.rand(len(images), 6, generator=generator) * 2 - 1
        angle = draw[:, 0] * math.radians(self.rotate)
        cos, sin = torch.cos(angle), torch.sin(angle)
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
    """Batch, channels, height and width of pictures, which may be flat if they are square."""
    if images.ndim == 4:
        return list(images.shape)
    side = math.isqrt(images.shape[1])
    if images.ndim != 2 or side * side != images.shape[1]:
        raise InputError(f"pictures that are augmented must be maps or flat squares, not "
                         f"{list(images.shape[1:])}")
    return [len(images), 1, side, side]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One stretch of training: AdamW with a half-cosine learning rate.

    Attributes
    ----------
    epochs : passes over the data.
    rate : learning rate at the start.
    final_rate : learning rate at the end.
    batch : pictures in a step; what is left over in an epoch is skipped.
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


@contextlib.contextmanager
def deterministic(seed: int, *, strict: bool = True) -> Iterator[torch.Generator]:
    """Everything torch does inside is repeatable bit for bit; yields a seeded generator.

    One thread, deterministic algorithms, and torch's global generator seeded (modules draw their
    initial weights from it); all three are put back afterwards. Where not ``strict``, operators
    of which torch has no repeatable version run all the same, as there are on CUDA.
    """
    threads = torch.get_num_threads()
    before = (torch.are_deterministic_algorithms_enabled(),
              torch.is_deterministic_algorithms_warn_only_enabled())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True, warn_only=not strict)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def labelled_tensors(images: np.ndarray, labels: np.ndarray, *, white: int = 255
                     ) -> tuple[Tensor, Tensor]:
    """Pixels uint8 [n, ...] as float32, of which ``white`` is 1, and labels [n] as int64."""
    return (torch.from_numpy(images.astype(np.float32)) / white,
            torch.from_numpy(labels.astype(np.int64)))


def channels_last(images: Tensor) -> Tensor:
    """The same maps in the layout that convolutions of several channels are fastest with, on a
    processor by more than half; what is no map, or of one channel, as it is."""
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images


def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the model's outputs and the labels, a scalar."""
    return functional.cross_entropy(model(images), labels)


def fit(model: nn.Module, images: Inputs, labels: Tensor, schedule: Schedule, *,
        generator: torch.Generator, augment: Affine | None = None,
        loss: Loss = cross_entropy, watch: Watch = lambda done, total, loss: None,
        section: str = "") -> float:
    """Train ``model`` in place; returns the last epoch's mean loss.

    Whatever requires a gradient is trained: parametrisations (masks, shared centroids) need no
    hook here.

    Parameters
    ----------
    images : float32 [n, ...], where the model is, or what gives such tensors.
    labels : int64 [n].
    generator : on the CPU, source of every random choice (order, augmentation).
    loss : of the model on a batch, ``loss(model, images, labels)``.
    watch : told after each epoch.
    section : of a recipe that the schedule is, for messages; "" if of none.

    Raises
    ------
    InputError : nothing to train, a batch larger than all pictures, or a loss that is not finite
        any more.
    """
    optimiser = _optimiser(model, len(images), schedule)
    model.train()
    mean = 0.0
    for epoch in range(schedule.epochs):
        mean = _train_epoch(model, optimiser, loss, _batches(images, labels, schedule, epoch,
                                                             generator, augment))
        if not math.isfinite(mean):
            raise InputError(f"training diverges: the loss of epoch {epoch + 1} must be a finite "
                             f"number, not {mean}; take a {section + '.' if section else ''}rate "
                             f"below {schedule.rate!r}")
        watch(epoch + 1, schedule.epochs, mean)
    model.eval()
    return mean


def _optimiser(model: nn.Module, count: int, schedule: Schedule) -> torch.optim.Optimizer:
    """Of all that requires a gradient, for ``count`` pictures."""
    if count < schedule.batch:
        raise InputError(f"batch must be at most the {count} pictures to train with, "
                         f"not {schedule.batch!r}")
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise InputError(f"{type(model).__name__} has no parameter to train")
    return torch.optim.AdamW(trained, lr=schedule.rate, weight_decay=schedule.decay)


def _batches(images: Inputs, labels: Tensor, schedule: Schedule, epoch: int,
             generator: torch.Generator, augment: Affine | None
             ) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Learning rate, pictures and labels of each step of an epoch, drawn when they are taken."""
    order = torch.randperm(len(images), generator=generator)
    steps = len(images) // schedule.batch
    for step in range(steps):
        chosen = order[step * schedule.batch:(step + 1) * schedule.batch]
        x = images[chosen]
        yield (schedule.rate_at((epoch + step / steps) / schedule.epochs),
               x if augment is None else augment(x, generator), labels[chosen])


def _train_epoch(model: nn.Module, optimiser: torch.optim.Optimizer, loss: Loss,
                 batches: Iterable[tuple[float, Tensor, Tensor]]) -> float:
    """Steps with the learning rates, pictures and labels of ``batches``; returns the mean loss."""
    loss_sum, steps = 0.0, 0
    for rate, x, y in batches:
        optimiser.param_groups[0]["lr"] = rate
        value = loss(model, channels_last(x), y)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        loss_sum += value.item()        # not sum(), which rounds otherwise
        steps += 1
    return loss_sum / steps


def error_rate(model: nn.Module, images: Inputs, labels: Tensor) -> float:
    """Fraction of pictures whose largest output is not their label."""
    model.eval()
    with torch.no_grad():
        answers = torch.cat([model(channels_last(part)).flatten(1).argmax(1)
                             for part in images.split(1000)])
    return float(np.mean((answers != labels).cpu().numpy()))
