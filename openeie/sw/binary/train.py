# SPDX-License-Identifier: Apache-2.0
"""Training and export of the networks of :mod:`openeie.sw.binary.networks`."""
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from ...core.network.array_order import to_array_order
from ...core.network.graph import Network
from ..compress.methods.train import Schedule, deterministic, fit, labelled_tensors
from .export import export
from .networks import cifar_net, lenet5

__all__ = ["Task", "TASKS", "tensors", "train", "exported", "integer_inputs"]

_WHITE = 256                    # pixel value of 1.0; a power of two, so that pixels are exact
_CALIBRATION = 2000             # training images that set the activations' scales


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network and its training.

    Attributes
    ----------
    name : of the network.
    build : gives a new network of a mode.
    shape : of an image, (channels, height, width).
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
    """Images and labels as the network takes them: float32 maps of 0 .. 255 / 256, and int64 [n].

    Parameters
    ----------
    images : uint8 [n, channels, height, width], or of the same order and flat.
    labels : uint8 [n].
    """
    return labelled_tensors(images.reshape(len(images), *task.shape), labels, white=_WHITE)


def train(task: Task, mode: str, images: Tensor, labels: Tensor, *, seed: int) -> nn.Sequential:
    """A network, trained from random weights; the same seed gives the same weights.

    Parameters
    ----------
    mode : ``float``, ``bwn`` or ``xnor``.
    images, labels : as :func:`tensors` gives them.

    Raises
    ------
    InputError : another mode.
    """
    with deterministic(seed) as generator:
        model = task.build(mode)
        fit(model, images, labels, task.schedule, generator=generator)
    return model.eval()


def exported(task: Task, mode: str, model: nn.Sequential, images: Tensor, *, seed: int,
             **provenance: Any) -> Network:
    """The integer network of a trained model; the first training ``images`` set its scales, and
    ``provenance`` is added to it."""
    made = {"mode": mode, "seed": seed, "schedule": asdict(task.schedule)}
    return export(model, images[:_CALIBRATION], name=f"{task.name}-{mode}", input_range=(0, 255),
                  input_scale=1 / _WHITE, provenance=made | provenance)


def integer_inputs(task: Task, images: np.ndarray) -> np.ndarray:
    """Images as the integer network takes them: uint8 [n, pixels] in (row, column, channel) order.

    Parameters
    ----------
    images : uint8 [n, channels, height, width], or of the same order and flat.
    """
    return to_array_order(images.reshape(len(images), *task.shape))
