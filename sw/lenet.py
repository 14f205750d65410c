# SPDX-License-Identifier: Apache-2.0
"""The recipe of the shipped LeNet-300-100: dense training to integer network in a few minutes.

``python -m openeie.sw.lenet --mnist DIR --seed S -o FILE.eie`` regenerates the artefact. The
same seed and tool versions give the same bytes.
"""
import argparse
import dataclasses
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata

import numpy as np
import torch
from torch import Tensor, nn

from ..core import artefact, golden
from ..core.graph import Network
from .data import load_mnist
from .prune import keep_schedule, kept, prune
from .quantise import order_units, quantise
from .share import share
from .train import Affine, Schedule, deterministic, error_rate, fit

__all__ = ["LenetRecipe", "LAYER_NAMES", "compress_lenet", "integer_error", "main"]

#: Deep Compression's names for the three layers.
LAYER_NAMES = ("ip1", "ip2", "ip3")
_PIXEL_SCALE = 1 / 255


@dataclass(frozen=True, kw_only=True)
class LenetRecipe:
    """Every hyper-parameter of the pipeline.

    Attributes
    ----------
    hidden : units of the two hidden layers.
    keep : fraction of weights kept in each layer.
    rounds : pruning steps; each is followed by a short retraining (``between``).
    dense, between, sparse, centroids : training before, during and after pruning, and after
        sharing.
    slots : codebook size of every layer, slot 0 (zero) included.
    augment : random distortion of every training picture.
    calibration : training pictures that choose the activations' scales.
    act_width, acc_width : widths that the integer network must respect.
    """
    hidden: tuple[int, int] = (300, 100)
    keep: tuple[float, float, float] = (0.05, 0.08, 0.30)
    rounds: int = 10
    dense: Schedule = Schedule(epochs=30, rate=1e-3, final_rate=2e-4)
    between: Schedule = Schedule(epochs=3, rate=5e-4, final_rate=1e-4)
    sparse: Schedule = Schedule(epochs=30, rate=1e-3, final_rate=1e-5)
    centroids: Schedule = Schedule(epochs=8, rate=5e-4, final_rate=1e-5, batch=256)
    slots: int = 16
    augment: Affine = Affine(shift=1.5, rotate=8.0, scale=0.08, shear=0.08)
    calibration: int = 2000
    act_width: int = 16
    acc_width: int = 32


def _build(recipe: LenetRecipe, inputs: int, classes: int) -> nn.Sequential:
    first, second = recipe.hidden
    return nn.Sequential(nn.Linear(inputs, first), nn.ReLU(), nn.Linear(first, second),
                         nn.ReLU(), nn.Linear(second, classes))


def _pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32)) * _PIXEL_SCALE


def _labels(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def integer_error(network: Network, images: np.ndarray, labels: np.ndarray) -> float:
    """Error rate of the integer network, from the golden model's last outputs."""
    return float(np.mean(golden.network(network, images)[-1].argmax(1) != labels))


def _versions() -> dict[str, str]:
    try:
        ours = metadata.version("openeie")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        ours = "unknown"
    return {"python": platform.python_version(), "numpy": np.__version__,
            "torch": torch.__version__, "openeie": ours}


def compress_lenet(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], *,
                   recipe: LenetRecipe | None = None, seed: int = 0,
                   progress: Callable[[str], None] = lambda message: None) -> Network:
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
    images, labels = _pixels(train[0]), _labels(train[1])
    test_images, test_labels = _pixels(test[0]), _labels(test[1])
    errors: dict[str, float] = {}

    def measure(step: str) -> None:
        errors[f"{step}_error"] = error_rate(model, test_images, test_labels)
        progress(f"{step:8} test error {errors[f'{step}_error']:.2%}  "
                 f"weights {' '.join(map(str, kept(model).values()))}")

    with deterministic(seed) as generator:
        def learn(schedule: Schedule) -> None:
            fit(model, images, labels, schedule, generator=generator, augment=recipe.augment)

        model = _build(recipe, images.shape[1], int(labels.max()) + 1)
        learn(recipe.dense)
        measure("float")
        schedules = [keep_schedule(fraction, recipe.rounds) for fraction in recipe.keep]
        for fractions in zip(*schedules):
            prune(model, dict(zip(kept(model), fractions)))
            learn(recipe.between)
        order_units(model)
        learn(recipe.sparse)
        measure("pruned")
        share(model, slots=recipe.slots)
        learn(recipe.centroids)
        measure("shared")
    network = quantise(model, name="lenet-300-100", layer_names=LAYER_NAMES,
                       calibration=train[0][:recipe.calibration], input_range=(0, 255),
                       input_scale=_PIXEL_SCALE, act_width=recipe.act_width,
                       acc_width=recipe.acc_width)
    errors["integer_error"] = integer_error(network, *test)
    progress(f"integer  test error {errors['integer_error']:.2%}")
    return dataclasses.replace(network, provenance={
        "versions": _versions(), "seed": seed, "recipe": dataclasses.asdict(recipe)} | errors)


def main(arguments: Sequence[str] | None = None) -> None:
    """Regenerate the shipped artefact from the MNIST files."""
    parser = argparse.ArgumentParser(prog="python -m openeie.sw.lenet", description=main.__doc__)
    parser.add_argument("--mnist", required=True, metavar="DIR",
                        help="folder with the four MNIST *.gz files")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="artefact to write")
    options = parser.parse_args(arguments)
    begin = time.monotonic()

    def progress(message: str) -> None:
        print(f"[{time.monotonic() - begin:5.0f} s] {message}", flush=True)

    network = compress_lenet(load_mnist(options.mnist, "train"),
                             load_mnist(options.mnist, "test"),
                             seed=options.seed, progress=progress)
    artefact.save(network, options.out)
    progress(f"wrote {options.out}")


if __name__ == "__main__":
    main()
