# SPDX-License-Identifier: Apache-2.0
"""The float training loop: seeded, deterministic, with affine augmentation of small pictures."""
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Affine", "Schedule", "Loss", "deterministic", "cross_entropy", "fit", "error_rate"]

#: What training lowers: of a model on a batch of pictures and their labels, a scalar.
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Affine:
    """Random affine maps of a picture, drawn anew for each one.

    Attributes
    ----------
    shift : largest shift along each axis, pixels.
    rotate : largest rotation, degrees.
    scale : largest relative change of size along each axis, e.g. 0.1.
    shear : largest shear, as a tangent.
    """
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mapped copies of ``images`` [batch, side * side], bilinear, zero outside."""
        side = math.isqrt(images.shape[1])
        if side * side != images.shape[1]:
            raise ValueError(f"images must be square, not {images.shape[1]} pixels")
        draw = torch.rand(len(images), 6, generator=generator) * 2 - 1
        angle = draw[:, 0] * math.radians(self.rotate)
        cos, sin = torch.cos(angle), torch.sin(angle)
        x_size, y_size = (1 + draw[:, 1:3] * self.scale).unbind(1)
        shear = draw[:, 3] * self.shear
        offset = draw[:, 4:6] * (2 * self.shift / side)
        rows = [torch.stack([x_size * cos, x_size * (shear * cos - sin), offset[:, 0]], 1),
                torch.stack([y_size * sin, y_size * (shear * sin + cos), offset[:, 1]], 1)]
        shape = [len(images), 1, side, side]
        grid = functional.affine_grid(torch.stack(rows, 1), shape, align_corners=False)
        mapped = functional.grid_sample(images.reshape(shape), grid, align_corners=False)
        return mapped.reshape(images.shape)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One stretch of training: Adam with a half-cosine learning rate.

    Attributes
    ----------
    epochs : passes over the data.
    rate : learning rate at the start.
    final_rate : learning rate at the end.
    batch : pictures in a step; what is left over in an epoch is skipped.
    decay : weight decay, decoupled from the gradient (AdamW).
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
def deterministic(seed: int) -> Iterator[torch.Generator]:
    """Everything torch does inside is repeatable bit for bit; yields a seeded generator.

    One thread, deterministic algorithms, and torch's global generator seeded (modules draw their
    initial weights from it); all three are put back afterwards.
    """
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)


def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the model's outputs and the labels, a scalar."""
    return functional.cross_entropy(model(images), labels)


def fit(model: nn.Module, images: Tensor, labels: Tensor, schedule: Schedule, *,
        generator: torch.Generator, augment: Affine | None = None,
        loss: Loss = cross_entropy) -> float:
    """Train ``model`` in place; returns the last epoch's mean loss.

    Whatever requires a gradient is trained: parametrisations (masks, shared centroids) need no
    hook here.

    Parameters
    ----------
    images : float32 [n, pixels].
    labels : int64 [n].
    generator : source of every random choice (order, augmentation).
    loss : of the model on a batch, ``loss(model, images, labels)``.
    """
    steps = len(images) // schedule.batch
    if steps < 1:
        raise ValueError(f"batch must be at most the {len(images)} pictures, "
                         f"not {schedule.batch!r}")
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad],
                                  lr=schedule.rate, weight_decay=schedule.decay)
    model.train()
    loss_sum = 0.0
    for epoch in range(schedule.epochs):
        order = torch.randperm(len(images), generator=generator)
        loss_sum = 0.0
        for step in range(steps):
            progress = (epoch + step / steps) / schedule.epochs
            optimiser.param_groups[0]["lr"] = schedule.rate_at(progress)
            chosen = order[step * schedule.batch:(step + 1) * schedule.batch]
            x = images[chosen]
            x = x if augment is None else augment(x, generator)
            value = loss(model, x, labels[chosen])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            loss_sum += value.item()
    model.eval()
    return loss_sum / steps


def error_rate(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Fraction of pictures whose largest output is not their label."""
    model.eval()
    with torch.no_grad():
        answers = np.concatenate([model(part).argmax(1).numpy() for part in images.split(1000)])
    return float(np.mean(answers != labels.numpy()))
