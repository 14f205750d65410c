# SPDX-License-Identifier: Apache-2.0
"""Accuracy against the rate of compression: pruning, sharing, both, and low rank."""
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from torch import nn

from ..compress.methods.prune import prune, weighted_layers
from ..compress.methods.share import share, shared
from .figure import StudyFigure, Panel, series
from .low_rank import low_rank, ranks_for
from .storage import (FLOAT_BITS, codebook_bits, huffman_bits, low_rank_bits, sparse_bits,
                      sparse_codebook_bits)
from .subject import LAYER_NAMES, Subject
from .table import PAPER, PAPER_ERRORS

__all__ = ["METHODS", "PAPER_KEPT", "RatePoint", "Pruned", "fractions_kept", "pruned_models",
           "rate_points", "front", "rate_figure"]

_NAME = "lenet-300-100"
#: What Deep Compression keeps of each layer (Table 2).
PAPER_KEPT = {name: row.kept for name, row in PAPER[_NAME].items() if name != "total"}
METHODS = ("pruned", "shared", "pruned, shared", "pruned, shared, Huffman coded", "low rank (SVD)")


@dataclass(frozen=True, kw_only=True)
class RatePoint:
    """One compressed network.

    Attributes
    ----------
    method : one of :data:`METHODS`.
    setting : what was chosen, for people.
    rate : bits of the compressed weights / bits of float32 weights.
    error_cut, error : error rate on the test set without and with retraining.
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
    kept : fraction of each layer.
    cut, model : pruned at once and not retrained; pruned step by step, retrained after each.
    error_cut, error : of the two.
    """
    strength: float
    kept: dict[str, float]
    cut: nn.Sequential
    model: nn.Sequential
    error_cut: float
    error: float


def fractions_kept(strength: float) -> dict[str, float]:
    """Fractions to keep: 0 keeps all, 1 what the paper keeps, 2 its square, and so on."""
    return {name: fraction ** strength for name, fraction in PAPER_KEPT.items()}


def pruned_models(subject: Subject, progress: Callable[[str], None] = lambda line: None
                  ) -> list[Pruned]:
    """The network pruned ever more strongly, each step from the one before, retrained: the nth of
    them n times in all."""
    model, result = subject.copy(), []
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
    """All networks of all methods; ``progress`` is called with a line for each."""
    points = []
    for point in chain(_pruned_points(subject, pruned), _shared_points(subject),
                       _low_rank_points(subject)):
        points.append(point)
        progress(f"{point.method}, {point.setting}: {point.rate:.2%} of the size, error "
                 f"{point.error:.2%}")
    return points


def front(points: Iterable[RatePoint], error: str = "error") -> list[RatePoint]:
    """Those that no other of the points beats, by rate: the error falls as the rate rises.

    What is shown of the points is so chosen by the images that the errors are measured on.

    error : the field that counts, ``error`` or ``error_cut``.
    """
    best: list[RatePoint] = []
    for point in sorted(points, key=lambda point: (point.rate, getattr(point, error))):
        if not best or getattr(point, error) < getattr(best[-1], error):
            best.append(point)
    return best


def rate_figure(subject: Subject, points: list[RatePoint]) -> StudyFigure:
    """Accuracy lost against the rate, without and with retraining (the paper's Figure 6), and
    where the paper's own LeNet-300-100 stands (its Tables 1 and 2)."""
    total, (before, after) = PAPER[_NAME]["total"], PAPER_ERRORS[_NAME]
    paper = series("the paper's network: coded, shared", (total.rate_stored, total.rate_shared),
                   (after - before,) * 2, "points")

    def panel(title: str, error: str) -> Panel:
        lines = []
        for method in METHODS:
            mine = [point for point in points if point.method == method]
            mine = front(mine, error) if "pruned, shared" in method else sorted(
                mine, key=lambda point: point.rate)
            lines.append(series(method, [point.rate for point in mine],
                                [getattr(point, error) - subject.error_float for point in mine],
                                "dashed" if "Huffman" in method else "line"))
        lines += [paper] if error == "error" else []
        return Panel(title=title, x_label="size of the weights, of float32", series=tuple(lines),
                     y_label="accuracy lost", log="x", percent="xy", y_range=(-0.005, 0.06))
    return StudyFigure(
        name="rates",
        title=f"Accuracy against size, LeNet-300-100 (float: {subject.error_float:.2%} wrong)",
        panels=(panel("as cut", "error_cut"), panel("retrained", "error")),
        note="pruned and shared: of all fractions kept and codebooks, those that no smaller one "
             "beats, chosen by the test images' errors\nretrained unequally: shared or low rank, "
             "one stretch; pruned, n at the nth fraction kept; then shared, one more")


def _kept_text(one: Pruned) -> str:
    return "keeps " + " ".join(f"{one.kept[name]:.1%}" for name in LAYER_NAMES)


def _point(subject: Subject, method: str, setting: str, bits: list[int], error_cut: float,
           error: float) -> RatePoint:
    """bits: of each layer."""
    return RatePoint(method=method, setting=setting, error_cut=error_cut, error=error,
                     rate=sum(bits) / (FLOAT_BITS * subject.weights))


def _pruned_points(subject: Subject, pruned: Iterable[Pruned]) -> Iterator[RatePoint]:
    for one in pruned:
        yield _point(subject, "pruned", _kept_text(one), [sparse_bits(weight) for weight in
                                                          _weights(one.model)],
                     one.error_cut, one.error)
        for slots in subject.effort.joint_slots:
            codes, *errors = _shared(subject, one.cut, one.model, slots)
            setting = f"{_kept_text(one)}, {slots} slots"
            for method, size in (("pruned, shared", sparse_codebook_bits),
                                 ("pruned, shared, Huffman coded", huffman_bits)):
                yield _point(subject, method, setting, [size(layer, slots) for layer in codes],
                             *errors)


def _shared_points(subject: Subject) -> Iterator[RatePoint]:
    for slots in subject.effort.slots:
        codes, *errors = _shared(subject, subject.model, subject.model, slots)
        yield _point(subject, "shared", f"{slots} slots",
                     [codebook_bits(layer.size, slots) for layer in codes], *errors)


def _low_rank_points(subject: Subject) -> Iterator[RatePoint]:
    shapes = {name: tuple(layer.weight.shape)
              for name, layer in weighted_layers(subject.model).items()}
    for rate in subject.effort.rates:
        ranks = ranks_for(subject.model, rate)
        model = low_rank(subject.model, ranks)
        error_cut = subject.error(model)
        subject.retrain(model)
        text = ", ".join("full" if rank is None else str(rank) for rank in ranks.values())
        yield _point(subject, "low rank (SVD)", f"ranks {text}",
                     [low_rank_bits(shapes[name], rank) for name, rank in ranks.items()],
                     error_cut, subject.error(model))


def _shared(subject: Subject, cut: nn.Sequential, model: nn.Sequential, slots: int
            ) -> tuple[list[np.ndarray], float, float]:
    """Codes of ``model``'s layers, and the errors of ``cut`` shared and of ``model`` shared and
    retrained; both are copied."""
    cut, model = copy.deepcopy(cut), copy.deepcopy(model)
    share(cut, slots=slots)
    share(model, slots=slots)
    subject.retrain(model)
    codes = [shared(layer)[0] for layer in weighted_layers(model).values()]
    return codes, subject.error(cut), subject.error(model)


def _weights(model: nn.Sequential) -> list[np.ndarray]:
    return [layer.weight.detach().numpy() for layer in weighted_layers(model).values()]
