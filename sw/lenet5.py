# SPDX-License-Identifier: Apache-2.0
"""The recipe of the shipped LeNet-5: Caffe's float weights to integer network in a quarter hour.

``python -m openeie.sw.lenet5 --mnist DIR --weights lenet_caffe_mnist.npz --seed S -o FILE.eie``
regenerates the artefact. The same seed and tool versions give the same bytes.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.graph import Network
from .importers.caffe_npz import load_npz
from .quantise_graph import quantise_graph
from .recipe import Course, Labelled, Recipe, regenerate
from .sequential import to_module, with_weights
from .compress.train import Affine, Schedule, deterministic

__all__ = ["Lenet5Recipe", "compress_lenet5", "main"]

_PIXEL_SCALE = 1 / 256          # as Caffe's LeNet takes its pixels


@dataclass(frozen=True, kw_only=True)
class Lenet5Recipe(Recipe):
    """Every hyper-parameter of the pipeline; there is no training before pruning."""
    keep: tuple[float, ...] = (0.60, 0.18, 0.022, 0.22)
    rounds: int = 6
    between: Schedule = Schedule(epochs=1, rate=1e-3, final_rate=5e-4)
    sparse: Schedule = Schedule(epochs=14, rate=1.5e-3, final_rate=1e-5)
    centroids: Schedule = Schedule(epochs=3, rate=5e-4, final_rate=1e-5, batch=256)
    augment: Affine = Affine(shift=1.5, rotate=8.0, scale=0.08, shear=0.08)


def compress_lenet5(train: Labelled, test: Labelled, *, weights: str | Path,
                    recipe: Lenet5Recipe | None = None, seed: int = 0,
                    progress: Callable[[str], None] = lambda message: None) -> Network:
    """Prune, share and quantise LeNet-5.

    Parameters
    ----------
    train, test : images uint8 [n, 784] and labels; the test set is only ever measured.
    weights : the float network, see :func:`~openeie.sw.importers.caffe_npz.load_npz`.
    seed : of every random choice.
    progress : called with one line after each step.

    Returns
    -------
    The integer network, its weights Huffman coded; its provenance holds the error after each
    step, the seed, the recipe and the versions of the tools.
    """
    recipe = recipe or Lenet5Recipe()
    graph = replace(load_npz(Path(weights)), name="lenet-5")
    with deterministic(seed) as generator:
        model = to_module(graph)
        course = Course(model=model, train=train, test=test, pixel_scale=_PIXEL_SCALE,
                        recipe=recipe, generator=generator, progress=progress)
        course.measure("float")
        course.compress()
        pictures = train[0][:recipe.calibration].reshape(-1, *graph.input.shape)
        network = quantise_graph(with_weights(graph, model),
                                 pictures.astype(np.float32) * np.float32(_PIXEL_SCALE),
                                 input_range=(0, 255), input_scale=_PIXEL_SCALE,
                                 act_width=recipe.act_width, acc_width=recipe.acc_width,
                                 encoding="huffman")
    return course.finish(network, seed=seed, source="float weights: Caffe's LeNet on MNIST")


def main(arguments: Sequence[str] | None = None) -> None:
    """Regenerate the shipped artefact from the MNIST files and Caffe's float weights."""
    regenerate("lenet5", main.__doc__, compress_lenet5, arguments, weights=True)


if __name__ == "__main__":
    main()
