# SPDX-License-Identifier: Apache-2.0
"""All measurements of Deep Compression's paper on LeNet-300-100, in one go."""
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
from .figure import NAMES, StudyFigure, Panel, series
from .histograms import weight_figure
from .kmeans_init import Start, start_figure, start_points
from .rates import Pruned, RatePoint, pruned_models, rate_figure, rate_points
from .subject import Effort, Subject, lenet

__all__ = ["Study", "train_float", "run_study", "steps", "sensitivity_figure"]


_SLOTS = 16             # of the network whose weights are drawn
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What was measured; empty or None where a figure was not asked for.

    Attributes
    ----------
    error_float : error rate of the float network.
    rates, starts : points of the figures.
    sensitivity : error rates with each layer pruned alone.
    figures : the pictures, as numbers.
    """
    error_float: float
    rates: tuple[RatePoint, ...]
    starts: tuple[Start, ...]
    sensitivity: Sensitivity | None
    figures: tuple[StudyFigure, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values without the figures, which have dictionaries of their own."""
        return {"error_float": self.error_float, "rates": [asdict(point) for point in self.rates],
                "starts": [asdict(point) for point in self.starts],
                "sensitivity": self.sensitivity and self.sensitivity.to_dict()}


def train_float(train: tuple[Tensor, Tensor], effort: Effort, seed: int) -> nn.Sequential:
    """LeNet-300-100, trained from random weights."""
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
    progress : called with a line after each measurement; about :func:`steps` times.
    """
    figures: list[StudyFigure] = []
    sensitivity, rates, starts = None, [], []
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
        starts = start_points(subject, paper.model, progress)
        figures.append(start_figure(starts))
    if "weights" in names:
        figures.append(_weights(subject, paper))
        progress("weights")
    return Study(error_float=subject.error_float, rates=tuple(rates), starts=tuple(starts),
                 sensitivity=sensitivity, figures=tuple(figures))


def steps(effort: Effort, names: Sequence[str]) -> int:
    """How often :func:`run_study` reports progress."""
    methods = len(effort.strengths) * (1 + 2 * len(effort.joint_slots)) + len(effort.slots) \
        + len(effort.rates)
    return (("sensitivity" in names) + (len(effort.strengths) if set(names) - {"sensitivity"}
                                        else 0)
            + (methods if "rates" in names else 0)
            + (len(effort.bits) * len(INITS) if "initialisation" in names else 0)
            + ("weights" in names))


def sensitivity_figure(sensitivity: Sensitivity) -> StudyFigure:
    """Accuracy lost with each layer pruned alone, not retrained."""
    lines = tuple(series(name, sensitivity.fractions[::-1],
                         [error - sensitivity.baseline for error in errors[::-1]])
                  for name, errors in sensitivity.layers.items())
    return StudyFigure(name="sensitivity", title="Each layer pruned alone, not retrained",
                       panels=(Panel(title="", x_label="weights kept", y_label="accuracy lost",
                                          series=lines, log="x", percent="xy"),))


def _weights(subject: Subject, pruned: Pruned) -> StudyFigure:
    """The first layer on its way."""
    started = copy.deepcopy(pruned.model)
    share(started, slots=_SLOTS)
    trained = copy.deepcopy(started)
    subject.retrain(trained)
    with torch.no_grad():
        return weight_figure(subject.model, pruned.model, started, trained,
                             next(iter(pruned.kept)))
