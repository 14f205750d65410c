# SPDX-License-Identifier: Apache-2.0
"""Training of a float network from random weights: SGD in one cycle, on images kept as bytes."""
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .train import Augment, Loss, Watch, channels_last, fit

__all__ = ["Cycle", "FlipShift", "fit_cycle", "predict", "smooth_cross_entropy"]


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """SGD with Nesterov momentum; the rate rises linearly from zero to its peak, and falls again.

    Attributes
    ----------
    epochs : passes over the data.
    rate : the largest learning rate.
    rise : fraction of all steps until the peak.
    batch : images per step; an incomplete batch at the end of an epoch is skipped.
    momentum : of SGD.
    decay : weight decay (added to the gradient, as usual for SGD).
    """
    epochs: int
    rate: float = 0.1
    rise: float = 0.2
    batch: int = 128
    momentum: float = 0.9
    decay: float = 5e-4

    def rate_at(self, progress: float) -> float:
        """Learning rate after a fraction ``progress`` of all steps."""
        if progress < self.rise:
            return self.rate * progress / self.rise
        return self.rate * (1 - progress) / (1 - self.rise)

    def step_rate(self, epoch: int, step: int, steps: int) -> float:
        """Learning rate of step 0 .. steps - 1 of an epoch, counted from 0; never zero."""
        return self.rate_at((epoch + (step + 1) / (steps + 1)) / self.epochs)

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """SGD of ``parameters``."""
        return torch.optim.SGD(parameters, lr=self.rate, momentum=self.momentum,
                               nesterov=self.momentum > 0, weight_decay=self.decay)


@dataclass(frozen=True, kw_only=True)
class FlipShift:
    """Mirrors each image with probability 1/2, and shifts it by whole pixels; zero outside.

    Attributes
    ----------
    shift : largest shift along each axis, pixels.
    """
    shift: int = 4

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changed copies of ``images`` [batch, channels, height, width] of any type."""
        n, _, height, width = images.shape
        offsets = torch.randint(2 * self.shift + 1, (2, n), generator=generator)
        mirrored = torch.rand(n, generator=generator) < 0.5
        padded = functional.pad(images, (self.shift,) * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        moved = windows[torch.arange(n), :, offsets[0], offsets[1]]
        return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


def smooth_cross_entropy(smoothing: float) -> Loss:
    """Cross-entropy with smoothed labels: ``smoothing`` of a label's weight is spread evenly over
    all classes."""
    def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(model(images), labels, label_smoothing=smoothing)
    return loss


def fit_cycle(model: nn.Module, images: np.ndarray, labels: np.ndarray, cycle: Cycle, *,
              scale: float, generator: torch.Generator, loss: Loss,
              augment: Augment | None = None,
              watch: Watch = lambda done, total, loss: None) -> float:
    """Train ``model`` in place on images that stay bytes: :func:`~.train.fit` with ``cycle``.

    Parameters
    ----------
    images : uint8 [n, channels, height, width]; augmented as bytes.
    labels : uint8 [n].
    scale : value of one unit of a pixel to the model.
    generator, loss, watch : as of :func:`~.train.fit`; ``loss`` gets float32 images.

    Returns
    -------
    The last epoch's mean loss.

    Raises
    ------
    InputError : as :func:`~.train.fit`.
    """
    def on_bytes(model: nn.Module, pixels: Tensor, classes: Tensor) -> Tensor:
        return loss(model, _floats(pixels, scale), classes)
    return fit(model, torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), cycle,
               generator=generator, augment=augment, loss=on_bytes, watch=watch)


def _floats(pixels: Tensor, scale: float) -> Tensor:
    """Pixels as the model takes them."""
    return channels_last(pixels).to(torch.float32) * scale


def predict(model: nn.Module, images: np.ndarray, *, scale: float,
            batch: int = 500) -> np.ndarray:
    """The class of the largest output for each image, int64 [n].

    Parameters
    ----------
    images : uint8 [n, channels, height, width].
    scale : value of one unit of a pixel to the model.
    batch : images at a time.
    """
    model.eval()
    with torch.no_grad():
        return np.concatenate([
            model(_floats(torch.from_numpy(images[at:at + batch]), scale)).argmax(1).numpy()
            for at in range(0, len(images), batch)])
