# SPDX-License-Identifier: Apache-2.0
"""Where the centroids start: linear, density, random (Deep Compression, section 3.2)."""
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..compress.methods.kmeans import INITS, kmeans, optimal
from ..compress.methods.prune import weighted_layers
from ..compress.methods.share import share
from .figure import StudyFigure, Panel, series
from .subject import Subject

__all__ = ["Start", "inertia", "best_inertia", "start_points", "start_figure"]


@dataclass(frozen=True, kw_only=True)
class Start:
    """One pruned network, shared.

    Attributes
    ----------
    init : where k-means started.
    bits : of a code; one of the ``2 ** bits`` slots is zero.
    error_shared, error : error rate before and after the centroids were trained.
    inertia : sum of squared distances to the centroids found by k-means, all layers.
    best : the least there is with as many centroids.
    """
    init: str
    bits: int
    error_shared: float
    error: float
    inertia: float
    best: float


def inertia(values: np.ndarray, centroids: np.ndarray) -> float:
    """Sum of squared distances of ``values`` to the nearest of ascending ``centroids``."""
    values, centroids = np.asarray(values, np.float64), np.asarray(centroids, np.float64)
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)
    return float(np.square(values - centroids[nearest]).sum())


def best_inertia(model: nn.Module, bits: int) -> float:
    """The least sum over all layers' weights that are not zero, ``2 ** bits - 1`` centroids
    each."""
    return sum(inertia(values, optimal(values, 2 ** bits - 1)) for values in _kept(model))


def start_points(subject: Subject, pruned: nn.Module,
                 progress: Callable[[str], None] = lambda line: None) -> list[Start]:
    """Every initialisation at every number of bits; ``progress`` gets a line for each."""
    points = []
    for bits in subject.effort.bits:
        best = best_inertia(pruned, bits)
        for init in INITS:
            model = copy.deepcopy(pruned)
            share(model, slots=2 ** bits, init=init, generator=_generator(subject.seed))
            error_shared = subject.error(model)
            subject.retrain(model)
            draw = _generator(subject.seed)
            points.append(Start(
                init=init, bits=bits, best=best, error_shared=error_shared,
                error=subject.error(model), inertia=sum(
                    inertia(values, kmeans(values, 2 ** bits - 1, init=init, generator=draw))
                    for values in _kept(pruned))))
            progress(f"{bits} bits, {init}: error {error_shared:.2%}, trained "
                     f"{points[-1].error:.2%}")
    return points


def start_figure(points: Sequence[Start]) -> StudyFigure:
    """Errors before and after the centroids' training, and how far k-means is from the optimum
    (the paper's Figure 8)."""
    def panel(title: str, y_label: str, value: Callable[[Start], float], **options) -> Panel:
        return Panel(title=title, x_label="bits of a code", y_label=y_label, series=tuple(
            series(init, [point.bits for point in points if point.init == init],
                   [value(point) for point in points if point.init == init])
            for init in INITS), **options)
    panels = (
        panel("before the centroids are trained", "test error",
              lambda point: point.error_shared, percent="y"),
        panel("centroids trained", "test error", lambda point: point.error, percent="y"),
        panel("sum of squared distances", "of k-means / the least there is",
              lambda point: point.inertia / point.best, log="y"))
    return StudyFigure(name="initialisation", panels=panels,
                       title="Where the centroids start, LeNet-300-100 pruned")


def _kept(model: nn.Module) -> list[np.ndarray]:
    """The weights of each layer that are not zero."""
    weights = [layer.weight.detach().numpy() for layer in weighted_layers(model).values()]
    return [weight[weight != 0] for weight in weights]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
