# SPDX-License-Identifier: Apache-2.0
"""Initialisations of the centroids: linear, density, random (Deep Compression, section 3.2)."""
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

__all__ = ["InitPoint", "inertia", "best_inertia", "init_points", "init_figure"]


@dataclass(frozen=True, kw_only=True)
class InitPoint:
    """One pruned network with shared weights.

    Attributes
    ----------
    init : initialisation of k-means.
    bits : of a code; one of the ``2 ** bits`` slots is zero.
    error_shared, error : error rate before and after training of the centroids.
    inertia : sum of squared distances to the centroids found by k-means, over all layers.
    best : the smallest possible sum with the same number of centroids.
    """
    init: str
    bits: int
    error_shared: float
    error: float
    inertia: float
    best: float


def inertia(values: np.ndarray, centroids: np.ndarray) -> float:
    """Sum of squared distances of ``values`` to the nearest of ascending ``centroids``."""
    values = np.asarray(values, np.float64)
    centroids = np.asarray(centroids, np.float64)
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)
    return float(np.square(values - centroids[nearest]).sum())


def best_inertia(model: nn.Module, bits: int) -> float:
    """The smallest possible sum of squared distances of all non-zero weights, with
    ``2 ** bits - 1`` centroids for each layer."""
    return sum(inertia(values, optimal(values, 2 ** bits - 1)) for values in _kept(model))


def init_points(subject: Subject, pruned: nn.Module,
                progress: Callable[[str], None] = lambda line: None) -> list[InitPoint]:
    """All initialisations with all numbers of bits; ``progress`` gets a line for each."""
    points = []
    for bits in subject.effort.bits:
        best = best_inertia(pruned, bits)
        for init in INITS:
            point = _init_point(subject, pruned, init, bits, best)
            points.append(point)
            progress(f"{bits} bits, {init}: error {point.error_shared:.2%}, trained "
                     f"{point.error:.2%}")
    return points


def _init_point(subject: Subject, pruned: nn.Module, init: str, bits: int, best: float
                ) -> InitPoint:
    """The pruned network, shared and trained."""
    model = copy.deepcopy(pruned)
    share(model, slots=2 ** bits, init=init, generator=_generator(subject.seed))
    error_shared = subject.error(model)
    subject.retrain(model)
    draw = _generator(subject.seed)
    distances = sum(inertia(values, kmeans(values, 2 ** bits - 1, init=init, generator=draw))
                    for values in _kept(pruned))
    return InitPoint(init=init, bits=bits, best=best, error_shared=error_shared,
                     error=subject.error(model), inertia=distances)


def init_figure(points: Sequence[InitPoint]) -> StudyFigure:
    """Errors before and after training of the centroids (the paper's Figure 8), and how far k-means
    is from the optimum."""
    def panel(title: str, y_label: str, value: Callable[[InitPoint], float], **options: str
              ) -> Panel:
        lines = []
        for init in INITS:
            mine = [point for point in points if point.init == init]
            lines.append(series(init, [point.bits for point in mine], map(value, mine)))
        return Panel(title=title, x_label="bits of a code", y_label=y_label, series=tuple(lines),
                     log=options.get("log", ""), percent=options.get("percent", ""))

    panels = (
        panel("before the centroids are trained", "test error",
              lambda point: point.error_shared, percent="y"),
        panel("centroids trained", "test error", lambda point: point.error, percent="y"),
        panel("sum of squared distances", "of k-means / the least there is",
              lambda point: point.inertia / point.best, log="y"))
    return StudyFigure(name="initialisation", panels=panels,
                       title="Initialisation of the centroids, LeNet-300-100 pruned")


def _kept(model: nn.Module) -> list[np.ndarray]:
    """The weights of each layer that are not zero."""
    weights = [layer.weight.detach().numpy() for layer in weighted_layers(model).values()]
    return [weight[weight != 0] for weight in weights]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
