# SPDX-License-Identifier: Apache-2.0
"""The recipe of the shipped LeNet-5: Caffe's float weights to integer network in a quarter hour.

``python -m openeie.sw.lenet5 --mnist DIR --weights lenet_caffe_mnist.npz --seed S -o FILE.eie``
regenerates the artefact. The same seed and tool versions give the same bytes.
"""
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..core.errors import InputError
from ..core.graph import Network
from .prune import weighted_layers
from .quantise_graph import quantise_graph
from .recipe import Course, Labelled, Recipe, regenerate
from .sequential import sequential_graph
from .train import Affine, Schedule, deterministic

__all__ = ["Lenet5Recipe", "LAYER_NAMES", "lenet5", "load_weights", "compress_lenet5", "main"]

#: Caffe's names for the four layers; the file has ``NAME_w`` and ``NAME_b`` of each.
LAYER_NAMES = ("conv1", "conv2", "ip1", "ip2")
_PIXEL_SCALE = 1 / 256          # as Caffe's LeNet takes its pixels
_SIDE = 28


@dataclass(frozen=True, kw_only=True)
class Lenet5Recipe(Recipe):
    """Every hyper-parameter of the pipeline; there is no training before pruning."""
    keep: tuple[float, ...] = (0.60, 0.18, 0.022, 0.22)
    rounds: int = 6
    between: Schedule = Schedule(epochs=1, rate=1e-3, final_rate=5e-4)
    sparse: Schedule = Schedule(epochs=14, rate=1.5e-3, final_rate=1e-5)
    centroids: Schedule = Schedule(epochs=3, rate=5e-4, final_rate=1e-5, batch=256)
    augment: Affine = Affine(shift=1.5, rotate=8.0, scale=0.08, shear=0.08)


def lenet5() -> nn.Sequential:
    """Caffe's LeNet-5 with random weights; it takes flat pictures, float32 [batch, 784]."""
    return nn.Sequential(
        nn.Unflatten(1, (1, _SIDE, _SIDE)), nn.Conv2d(1, 20, 5), nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 500), nn.ReLU(),
        nn.Linear(500, 10))


def load_weights(model: nn.Sequential, path: str | Path) -> None:
    """Give the model the float weights of an ``.npz``: ``conv1_w``, ``conv1_b``, ..., float32.

    Raises
    ------
    InputError : the file cannot be read, or an array is missing, not float32, of another shape or
        not finite.
    """
    for name, layer in zip(LAYER_NAMES, weighted_layers(model).values()):
        for key, parameter in ((f"{name}_w", layer.weight), (f"{name}_b", layer.bias)):
            array, wanted = _array(path, key), tuple(parameter.shape)
            if array.dtype != np.float32 or array.shape != wanted:
                raise InputError(f"{path}: array {key!r} must be float32 {list(wanted)}, "
                                 f"not {array.dtype} {list(array.shape)}")
            if not np.isfinite(array).all():
                raise InputError(f"{path}: array {key!r} must hold finite numbers")
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(array))


def _array(path: str | Path, key: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[key]
    except KeyError:
        raise InputError(f"{path} has no array {key!r}; it must have NAME_w and NAME_b of "
                         f"{', '.join(LAYER_NAMES)}") from None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read weights from {path}: {error}") from error


def compress_lenet5(train: Labelled, test: Labelled, *, weights: str | Path,
                    recipe: Lenet5Recipe | None = None, seed: int = 0,
                    progress: Callable[[str], None] = lambda message: None) -> Network:
    """Prune, share and quantise LeNet-5.

    Parameters
    ----------
    train, test : images uint8 [n, 784] and labels; the test set is only ever measured.
    weights : the float network, see :func:`load_weights`.
    seed : of every random choice.
    progress : called with one line after each step.

    Returns
    -------
    The integer network, its weights Huffman coded; its provenance holds the error after each
    step, the seed, the recipe and the versions of the tools.
    """
    recipe = recipe or Lenet5Recipe()
    with deterministic(seed) as generator:
        model = lenet5()
        load_weights(model, weights)
        course = Course(model=model, train=train, test=test, pixel_scale=_PIXEL_SCALE,
                        recipe=recipe, generator=generator, progress=progress)
        course.measure("float")
        course.compress()
        graph = sequential_graph(model, name="lenet-5", shape=(1, _SIDE, _SIDE),
                                 layer_names=LAYER_NAMES)
        pictures = train[0][:recipe.calibration].reshape(-1, 1, _SIDE, _SIDE)
        network = quantise_graph(graph, pictures.astype(np.float32) * np.float32(_PIXEL_SCALE),
                                 input_range=(0, 255), input_scale=_PIXEL_SCALE,
                                 act_width=recipe.act_width, acc_width=recipe.acc_width,
                                 encoding="huffman")
    return course.finish(network, seed=seed, source="float weights: Caffe's LeNet on MNIST")


def main(arguments: Sequence[str] | None = None) -> None:
    """Regenerate the shipped artefact from the MNIST files and Caffe's float weights."""
    regenerate("lenet5", main.__doc__, compress_lenet5, arguments, weights=True)


if __name__ == "__main__":
    main()
