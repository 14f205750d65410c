# SPDX-License-Identifier: Apache-2.0
"""All measurements of Deep Compression's paper on LeNet-300-100."""
import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..compress.methods.kmeans import INITS
from ..compress.methods.share import share
from ..compress.methods.train import deterministic, fit
from ..compress.search.sensitivity import Sensitivity, scan
from .figure import NAMES, Panel, StudyFigure, series
from .histograms import weight_figure
from .kmeans_init import InitPoint, init_figure, init_points
from .rates import Pruned, RatePoint, pruned_models, rate_figure, rate_points
from .subject import Effort, Subject, lenet

__all__ = ["Study", "train_float", "run_study", "steps", "sensitivity_figure"]

_SLOTS = 16             # of the network in the figure of weights
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Study:
    """The measurements; empty, or None, for figures that were not asked for.

    Attributes
    ----------
    error_float : error rate of the float network.
    rates, initialisations : points of the figures.
    sensitivity : error rates with each layer pruned alone.
    figures : the figures, as numbers.
    """
    error_float: float
    rates: tuple[RatePoint, ...]
    initialisations: tuple[InitPoint, ...]
    sensitivity: Sensitivity | None
    figures: tuple[StudyFigure, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values without the figures, which have their own ``to_dict``."""
        return {"error_float": self.error_float, "rates": [asdict(point) for point in self.rates],
                "starts": [asdict(point) for point in self.initialisations],
                "sensitivity": self.sensitivity and self.sensitivity.to_dict()}


def train_float(train: tuple[Tensor, Tensor], effort: Effort, seed: int) -> nn.Sequential:
    """LeNet-300-100, trained from random weights.

    Parameters
    ----------
    train : images float32 [n, pixels] and labels int64 [n].
    """
    model = lenet(seed)
    with deterministic(seed) as generator:
        fit(model, *train, effort.dense, generator=generator)
    return model


def run_study(subject: Subject, names: Sequence[str] = NAMES,
              progress: Progress = lambda line: None) -> Study:
    """Measure what the named figures need, and nothing else.

    Parameters
    ----------
    names : of :data:`.figure.NAMES`.
    progress : called with a line after each measurement, :func:`steps` times.
    """
    figures: list[StudyFigure] = []
    sensitivity = None
    rates: list[RatePoint] = []
    initialisations: list[InitPoint] = []
    if "sensitivity" in names:
        sensitivity = scan(subject.model, subject.error, subject.effort.fractions)
        progress("sensitivity of the layers")
        figures.append(sensitivity_figure(sensitivity))
    if set(names) - {"sensitivity"}:
        pruned = pruned_models(subject, progress)
        paper = min(pruned, key=lambda one: abs(one.strength - 1))
    if "rates" in names:
        rates = rate_points(subject, pruned, progress)
        figures.append(rate_figure(subject, rates))
    if "initialisation" in names:
        initialisations = init_points(subject, paper.model, progress)
        figures.append(init_figure(initialisations))
    if "weights" in names:
        figures.append(_weights(subject, paper))
        progress("weights")
    return Study(error_float=subject.error_float, rates=tuple(rates),
                 initialisations=tuple(initialisations), sensitivity=sensitivity,
                 figures=tuple(figures))


def steps(effort: Effort, names: Sequence[str]) -> int:
    """How often :func:`run_study` reports progress."""
    count = 0
    if "sensitivity" in names:
        count += 1
    if set(names) - {"sensitivity"}:
        count += len(effort.strengths)
    if "rates" in names:
        count += len(effort.strengths) * (1 + 2 * len(effort.joint_slots))
        count += len(effort.slots) + len(effort.rates)
    if "initialisation" in names:
        count += len(effort.bits) * len(INITS)
    if "weights" in names:
        count += 1
    return count


def sensitivity_figure(sensitivity: Sensitivity) -> StudyFigure:
    """Accuracy lost with each layer pruned alone, not retrained."""
    lines = []
    for name, errors in sensitivity.layers.items():
        lost = [error - sensitivity.baseline for error in errors[::-1]]
        lines.append(series(name, sensitivity.fractions[::-1], lost))
    panel = Panel(title="", x_label="weights kept", y_label="accuracy lost", series=tuple(lines),
                  log="x", percent="xy")
    return StudyFigure(name="sensitivity", title="Each layer pruned alone, not retrained",
                       panels=(panel,))


def _weights(subject: Subject, pruned: Pruned) -> StudyFigure:
    """The weights of the first layer after each step."""
    started = copy.deepcopy(pruned.model)
    share(started, slots=_SLOTS)
    trained = copy.deepcopy(started)
    subject.retrain(trained)
    with torch.no_grad():
        return weight_figure(subject.model, pruned.model, started, trained,
                             next(iter(pruned.kept)))
