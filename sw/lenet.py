# SPDX-License-Identifier: Apache-2.0
"""The recipe of the shipped LeNet-300-100: dense training to integer network in a few minutes.

``python -m openeie.sw.lenet --mnist DIR --seed S -o FILE.eie`` regenerates the artefact. The
same seed and tool versions give the same bytes.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from ..core.graph import Network
from .quantise import quantise
from .recipe import Course, Labelled, Recipe, regenerate
from .compress.train import Affine, Schedule, deterministic

__all__ = ["LenetRecipe", "LAYER_NAMES", "compress_lenet", "main"]

#: Deep Compression's names for the three layers.
LAYER_NAMES = ("ip1", "ip2", "ip3")
_PIXEL_SCALE = 1 / 255


@dataclass(frozen=True, kw_only=True)
class LenetRecipe(Recipe):
    """Every hyper-parameter of the pipeline.

    Attributes
    ----------
    hidden : units of the two hidden layers.
    dense : training before pruning.
    """
    hidden: tuple[int, int] = (300, 100)
    keep: tuple[float, ...] = (0.05, 0.08, 0.30)
    rounds: int = 10
    dense: Schedule = Schedule(epochs=30, rate=1e-3, final_rate=2e-4)
    between: Schedule = Schedule(epochs=3, rate=5e-4, final_rate=1e-4)
    sparse: Schedule = Schedule(epochs=30, rate=1e-3, final_rate=1e-5)
    centroids: Schedule = Schedule(epochs=8, rate=5e-4, final_rate=1e-5, batch=256)
    augment: Affine = Affine(shift=1.5, rotate=8.0, scale=0.08, shear=0.08)


def _build(recipe: LenetRecipe, inputs: int, classes: int) -> nn.Sequential:
    first, second = recipe.hidden
    return nn.Sequential(nn.Linear(inputs, first), nn.ReLU(), nn.Linear(first, second),
                         nn.ReLU(), nn.Linear(second, classes))


def compress_lenet(train: Labelled, test: Labelled, *, recipe: LenetRecipe | None = None,
                   seed: int = 0, progress: Callable[[str], None] = lambda message: None
                   ) -> Network:
    """Train, prune, share and quantise LeNet-300-100.

    Parameters
    ----------
    train, test : images uint8 [n, pixels] and labels; the test set is only ever measured.
    seed : of every random choice.
    progress : called with one line after each step.

    Returns
    -------
    The integer network; its provenance holds the error after each step, the seed, the recipe and
    the versions of the tools.
    """
    recipe = recipe or LenetRecipe()
    with deterministic(seed) as generator:
        model = _build(recipe, train[0].shape[1], int(train[1].max()) + 1)
        course = Course(model=model, train=train, test=test, pixel_scale=_PIXEL_SCALE,
                        recipe=recipe, generator=generator, progress=progress)
        course.learn(recipe.dense)
        course.measure("float")
        course.compress()
    network = quantise(model, name="lenet-300-100", layer_names=LAYER_NAMES,
                       calibration=train[0][:recipe.calibration], input_range=(0, 255),
                       input_scale=_PIXEL_SCALE, act_width=recipe.act_width,
                       acc_width=recipe.acc_width)
    return course.finish(network, seed=seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Regenerate the shipped artefact from the MNIST files."""
    regenerate("lenet", main.__doc__, compress_lenet, arguments)


if __name__ == "__main__":
    main()
