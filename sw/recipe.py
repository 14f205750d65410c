# SPDX-License-Identifier: Apache-2.0
"""What the recipes of the shipped networks share: training data, compression, provenance."""
import argparse
import dataclasses
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata

import numpy as np
import torch
from torch import Tensor, nn

from ..core import artefact, golden
from ..core.graph import Network
from .data import load_mnist
from .compress.order import order_units
from .compress.prune import keep_schedule, kept, prune
from .compress.share import share
from .compress.train import Affine, Loss, Schedule, cross_entropy, error_rate, fit

__all__ = ["Labelled", "Recipe", "Course", "integer_error", "regenerate"]

#: Images and labels, uint8 [n, pixels] and uint8 [n].
Labelled = tuple[np.ndarray, np.ndarray]
Progress = Callable[[str], None]
_BATCH = 500                # pictures of which golden unfolds the windows at a time


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every hyper-parameter of a compression.

    Attributes
    ----------
    keep : fraction of weights kept in each layer.
    rounds : pruning steps; each is followed by a short retraining (``between``).
    between, sparse, centroids : training during and after pruning, and after sharing.
    slots : codebook size of every layer, slot 0 (zero) included.
    augment : random distortion of every training picture; None for none.
    calibration : training pictures that choose the activations' scales.
    act_width, acc_width : widths that the integer network must respect.
    """
    keep: tuple[float, ...]
    rounds: int
    between: Schedule
    sparse: Schedule
    centroids: Schedule
    augment: Affine | None
    slots: int = 16
    calibration: int = 2000
    act_width: int = 16
    acc_width: int = 32


@dataclass(kw_only=True)
class Course:
    """One model on its way through a recipe.

    Attributes
    ----------
    model : trained in place.
    train, test : the test set is only ever measured.
    pixel_scale : what one unit of a pixel is worth to the model.
    generator : source of every random choice.
    progress : called with one line after each step.
    loss : what training lowers, e.g. a distillation.
    errors : error rate on the test set after each step.
    """
    model: nn.Module
    train: Labelled
    test: Labelled
    pixel_scale: float
    recipe: Recipe
    generator: torch.Generator
    progress: Progress
    loss: Loss = cross_entropy
    errors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._train = _tensors(self.train, self.pixel_scale)
        self._test = _tensors(self.test, self.pixel_scale)

    def learn(self, schedule: Schedule) -> None:
        """Train for a stretch."""
        fit(self.model, *self._train, schedule, generator=self.generator,
            augment=self.recipe.augment, loss=self.loss)

    def measure(self, step: str) -> None:
        """Note the error after a step."""
        error = self.errors[f"{step}_error"] = error_rate(self.model, *self._test)
        self.progress(f"{step:8} test error {error:.2%}  "
                      f"weights {' '.join(map(str, kept(self.model).values()))}")

    def compress(self) -> None:
        """Prune in rounds, order the units, share the weights; retrain after each."""
        recipe, model = self.recipe, self.model
        schedules = [keep_schedule(fraction, recipe.rounds) for fraction in recipe.keep]
        for fractions in zip(*schedules):
            prune(model, dict(zip(kept(model), fractions)))
            self.learn(recipe.between)
        order_units(model)
        self.learn(recipe.sparse)
        self.measure("pruned")
        share(model, slots=recipe.slots)
        self.learn(recipe.centroids)
        self.measure("shared")

    def finish(self, network: Network, *, seed: int, **notes) -> Network:
        """The integer network with its provenance: versions, seed, recipe, errors, ``notes``."""
        error = self.errors["integer_error"] = integer_error(network, *self.test)
        self.progress(f"integer  test error {error:.2%}")
        return dataclasses.replace(network, provenance={
            "versions": _versions(), "seed": seed, "recipe": dataclasses.asdict(self.recipe)}
            | notes | self.errors)


def _tensors(pictures: Labelled, scale: float) -> tuple[Tensor, Tensor]:
    images, labels = pictures
    return (torch.from_numpy(images.astype(np.float32)) * scale,
            torch.from_numpy(labels.astype(np.int64)))


def _versions() -> dict[str, str]:
    try:
        ours = metadata.version("openeie")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        ours = "unknown"
    return {"python": platform.python_version(), "numpy": np.__version__,
            "torch": torch.__version__, "openeie": ours}


def integer_error(network: Network, images: np.ndarray, labels: np.ndarray) -> float:
    """Error rate of the integer network, from the golden model's last outputs."""
    answers = [golden.network(network, images[at:at + _BATCH])[-1].argmax(1)
               for at in range(0, len(images), _BATCH)]
    return float(np.mean(np.concatenate(answers) != labels))


def regenerate(program: str, description: str, compress: Callable[..., Network],
               arguments: Sequence[str] | None, *, weights: bool = False) -> None:
    """The command line of a recipe: MNIST's files in, an artefact out.

    Parameters
    ----------
    program, description : what ``--help`` calls it and says of it.
    compress : called with training and test pictures, ``seed`` and ``progress``, and ``weights``,
        a path, where it asks for them.
    arguments : of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m openeie.sw.{program}",
                                     description=description)
    parser.add_argument("--mnist", required=True, metavar="DIR",
                        help="folder with the four MNIST *.gz files")
    if weights:
        parser.add_argument("--weights", required=True, metavar="FILE.npz",
                            help="float weights to start from")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument("--hold-out", type=int, default=0, metavar="N",
                        help="train without the last N training pictures and measure on them "
                             "instead of the test set: to choose hyper-parameters")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="artefact to write")
    options = parser.parse_args(arguments)
    begin = time.monotonic()

    def progress(message: str) -> None:
        print(f"[{time.monotonic() - begin:5.0f} s] {message}", flush=True)

    images, labels = load_mnist(options.mnist, "train")
    cut = len(images) - options.hold_out
    if not 0 <= options.hold_out < len(images):
        parser.error(f"--hold-out must be in 0 .. {len(images) - 1}, not {options.hold_out}")
    test = (images[cut:], labels[cut:]) if options.hold_out else load_mnist(options.mnist, "test")
    network = compress((images[:cut], labels[:cut]), test, seed=options.seed, progress=progress,
                       **({"weights": options.weights} if weights else {}))
    artefact.save(network, options.out)
    progress(f"wrote {options.out}")
