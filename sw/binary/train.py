# SPDX-License-Identifier: Apache-2.0
"""Training and export of the networks of :mod:`openeie.sw.binary.networks`."""
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...core.graph import Network
from ..compress.train import Schedule, cross_entropy, deterministic, fit
from .export import export
from .networks import cifar_net, lenet5

__all__ = ["Task", "TASKS", "tensors", "train", "exported", "integer_inputs"]

_PIXEL_SCALE = 1 / 256          # of a byte; a power of two, so that pixels are exact
_CALIBRATION = 2000             # training pictures that choose the activations' scales


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network, and how it is trained.

    Attributes
    ----------
    name : of the network.
    build : makes it, of a mode.
    shape : of a picture, (channels, height, width).
    schedule : of the training, the same for every mode.
    """
    name: str
    build: Callable[[str], nn.Sequential]
    shape: tuple[int, int, int]
    schedule: Schedule


TASKS = {
    "mnist": Task(name="lenet-5", build=lenet5, shape=(1, 28, 28),
                  schedule=Schedule(epochs=5, rate=2e-3, final_rate=1e-5)),
    "cifar10": Task(name="cifar-net", build=cifar_net, shape=(3, 32, 32),
                    schedule=Schedule(epochs=6, rate=2e-3, final_rate=1e-5)),
}


def tensors(task: Task, images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Pictures uint8 [n, channels, height, width], flat or not, and labels uint8 [n] as what a
    network takes: float32 maps of 0 .. 255 / 256, and int64 [n]."""
    maps = torch.from_numpy(images.reshape(len(images), *task.shape).astype(np.float32))
    return maps * _PIXEL_SCALE, torch.from_numpy(labels.astype(np.int64))


def train(task: Task, mode: str, images: Tensor, labels: Tensor, *, seed: int) -> nn.Sequential:
    """A network of a mode, trained from its beginning; the same seed gives the same weights.

    Parameters
    ----------
    images, labels : as :func:`tensors` gives them.

    Raises
    ------
    InputError : another mode than ``float``, ``bwn`` and ``xnor``.
    """
    with deterministic(seed) as generator:
        model = task.build(mode)
        fit(model, images, labels, task.schedule, generator=generator, loss=_loss)
    return model.eval()


def _loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy; in this layout convolutions of several channels take a third less time."""
    return cross_entropy(model, images.contiguous(memory_format=torch.channels_last), labels)


def exported(task: Task, mode: str, model: nn.Sequential, images: Tensor, *, seed: int,
             **provenance) -> Network:
    """The integer network of a trained model, scaled by the first of the training ``images``."""
    return export(model, images[:_CALIBRATION], name=f"{task.name}-{mode}", input_range=(0, 255),
                  input_scale=_PIXEL_SCALE,
                  provenance={"mode": mode, "seed": seed, "schedule": asdict(task.schedule)}
                  | provenance)


def integer_inputs(task: Task, images: np.ndarray) -> np.ndarray:
    """Pictures uint8 [n, channels, height, width], flat or not, as an integer network takes them:
    uint8 [n, pixels] in (row, column, channel) order."""
    maps = images.reshape(len(images), *task.shape)
    return np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).reshape(len(images), -1)
