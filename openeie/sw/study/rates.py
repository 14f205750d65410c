# SPDX-License-Identifier: Apache-2.0
"""Accuracy against the rate of compression: pruning, sharing, both, and low-rank approximation."""
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from torch import nn

from ..compress.methods.prune import prune, weighted_layers
from ..compress.methods.share import share, shared
from .figure import Panel, Series, StudyFigure, series
from .low_rank import low_rank, ranks_for
from .storage import (FLOAT_BITS, codebook_bits, huffman_bits, low_rank_bits, sparse_bits,
                      sparse_codebook_bits)
from .subject import LAYER_NAMES, Subject
from .table import PAPER, PAPER_ERRORS

__all__ = ["METHODS", "PAPER_KEPT", "RatePoint", "Pruned", "fractions_kept", "pruned_models",
           "rate_points", "front", "rate_figure"]

_NAME = "lenet-300-100"
#: Fraction of each layer's weights that Deep Compression keeps (Table 2).
PAPER_KEPT = {name: row.kept for name, row in PAPER[_NAME].items() if name != "total"}
METHODS = ("pruned", "shared", "pruned, shared", "pruned, shared, Huffman coded", "low rank (SVD)")


@dataclass(frozen=True, kw_only=True)
class RatePoint:
    """One compressed network.

    Attributes
    ----------
    method : one of :data:`METHODS`.
    setting : parameters of the method, as text.
    rate : bits of the compressed weights / bits of float32 weights.
    error_cut, error : error rate on the test set, without and with retraining.
    """
    method: str
    setting: str
    rate: float
    error_cut: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A pruned network.

    Attributes
    ----------
    strength : see :func:`fractions_kept`.
    kept : fraction of each layer.
    cut, model : pruned at once and not retrained; pruned in steps, retrained after each.
    error_cut, error : error rates of these two.
    """
    strength: float
    kept: dict[str, float]
    cut: nn.Sequential
    model: nn.Sequential
    error_cut: float
    error: float


def fractions_kept(strength: float) -> dict[str, float]:
    """Fraction of each layer to keep: the paper's fractions to the power of ``strength``."""
    return {name: fraction ** strength for name, fraction in PAPER_KEPT.items()}


def pruned_models(subject: Subject, progress: Callable[[str], None] = lambda line: None
                  ) -> list[Pruned]:
    """The network pruned with increasing strength. Each is the one before, pruned further and
    retrained; the nth has therefore been retrained n times."""
    model = subject.copy()
    result = []
    for strength in sorted(subject.effort.strengths):
        kept = fractions_kept(strength)
        cut = subject.copy()
        prune(cut, kept)
        prune(model, kept)
        subject.retrain(model)
        result.append(Pruned(strength=strength, kept=kept, cut=cut, model=copy.deepcopy(model),
                             error_cut=subject.error(cut), error=subject.error(model)))
        progress(f"pruned, {_kept_text(result[-1])}: error {result[-1].error:.2%}")
    return result


def rate_points(subject: Subject, pruned: Iterable[Pruned],
                progress: Callable[[str], None] = lambda line: None) -> list[RatePoint]:
    """All networks of all methods; ``progress`` gets a line for each."""
    points = []
    for point in chain(_pruned_points(subject, pruned), _shared_points(subject),
                       _low_rank_points(subject)):
        points.append(point)
        progress(f"{point.method}, {point.setting}: {point.rate:.2%} of the size, error "
                 f"{point.error:.2%}")
    return points


def front(points: Iterable[RatePoint], error: str = "error") -> list[RatePoint]:
    """The Pareto front of points, by rate: no other point has a smaller rate and error.

    The choice uses the same images on which the errors are measured, and is therefore optimistic.

    Parameters
    ----------
    error : the field that is compared, ``error`` or ``error_cut``.
    """
    best: list[RatePoint] = []
    for point in sorted(points, key=lambda point: (point.rate, getattr(point, error))):
        if not best or getattr(point, error) < getattr(best[-1], error):
            best.append(point)
    return best


def rate_figure(subject: Subject, points: list[RatePoint]) -> StudyFigure:
    """Accuracy lost against the rate, without and with retraining (the paper's Figure 6), with the
    paper's own LeNet-300-100 (its Tables 1 and 2)."""
    total = PAPER[_NAME]["total"]
    before, after = PAPER_ERRORS[_NAME]
    paper = series("the paper's network: coded, shared", (total.rate_stored, total.rate_shared),
                   (after - before,) * 2, "points")

    def line(method: str, error: str) -> Series:
        mine = [point for point in points if point.method == method]
        if "pruned, shared" in method:
            mine = front(mine, error)
        mine.sort(key=lambda point: point.rate)
        return series(method, [point.rate for point in mine],
                      [getattr(point, error) - subject.error_float for point in mine],
                      "dashed" if "Huffman" in method else "line")

    def panel(title: str, error: str) -> Panel:
        lines = [line(method, error) for method in METHODS]
        if error == "error":
            lines.append(paper)
        return Panel(title=title, x_label="size of the weights, of float32", series=tuple(lines),
                     y_label="accuracy lost", log="x", percent="xy", y_range=(-0.005, 0.06))

    return StudyFigure(
        name="rates",
        title=f"Accuracy against size, LeNet-300-100 (float: {subject.error_float:.2%} wrong)",
        panels=(panel("as cut", "error_cut"), panel("retrained", "error")),
        note="pruned, shared: the best of all fractions kept and codebook sizes, chosen by the "
             "error on the test images\nretraining differs: shared or low rank once; pruned n "
             "times at the nth fraction kept; pruned, shared once more")


def _kept_text(one: Pruned) -> str:
    return "keeps " + " ".join(f"{one.kept[name]:.1%}" for name in LAYER_NAMES)


def _point(subject: Subject, method: str, setting: str, bits: list[int], error_cut: float,
           error: float) -> RatePoint:
    """A point; ``bits`` of each layer."""
    return RatePoint(method=method, setting=setting, error_cut=error_cut, error=error,
                     rate=sum(bits) / (FLOAT_BITS * subject.weights))


def _pruned_points(subject: Subject, pruned: Iterable[Pruned]) -> Iterator[RatePoint]:
    for one in pruned:
        bits = [sparse_bits(weight) for weight in _weights(one.model)]
        yield _point(subject, "pruned", _kept_text(one), bits, one.error_cut, one.error)
        for slots in subject.effort.joint_slots:
            codes, *errors = _shared(subject, one.cut, one.model, slots)
            setting = f"{_kept_text(one)}, {slots} slots"
            for method, size in (("pruned, shared", sparse_codebook_bits),
                                 ("pruned, shared, Huffman coded", huffman_bits)):
                bits = [size(layer, slots) for layer in codes]
                yield _point(subject, method, setting, bits, *errors)


def _shared_points(subject: Subject) -> Iterator[RatePoint]:
    for slots in subject.effort.slots:
        codes, *errors = _shared(subject, subject.model, subject.model, slots)
        bits = [codebook_bits(layer.size, slots) for layer in codes]
        yield _point(subject, "shared", f"{slots} slots", bits, *errors)


def _low_rank_points(subject: Subject) -> Iterator[RatePoint]:
    layers = weighted_layers(subject.model)
    for rate in subject.effort.rates:
        ranks = ranks_for(subject.model, rate)
        model = low_rank(subject.model, ranks)
        error_cut = subject.error(model)
        subject.retrain(model)
        bits = []
        for name, rank in ranks.items():
            rows, columns = layers[name].weight.shape
            bits.append(low_rank_bits((rows, columns), rank))
        text = ", ".join("full" if rank is None else str(rank) for rank in ranks.values())
        yield _point(subject, "low rank (SVD)", f"ranks {text}", bits, error_cut,
                     subject.error(model))


def _shared(subject: Subject, cut: nn.Sequential, model: nn.Sequential, slots: int
            ) -> tuple[list[np.ndarray], float, float]:
    """Codes of the layers of ``model``, and the errors of ``cut`` shared, and of ``model`` shared
    and retrained. Both are copied."""
    cut = copy.deepcopy(cut)
    model = copy.deepcopy(model)
    share(cut, slots=slots)
    share(model, slots=slots)
    subject.retrain(model)
    codes = [shared(layer)[0] for layer in weighted_layers(model).values()]
    return codes, subject.error(cut), subject.error(model)


def _weights(model: nn.Sequential) -> list[np.ndarray]:
    return [layer.weight.detach().numpy() for layer in weighted_layers(model).values()]
