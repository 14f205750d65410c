# SPDX-License-Identifier: Apache-2.0
"""Distribution of a layer's weights in float, pruned, and shared."""
import numpy as np
from torch import nn

from ..compress.methods.prune import weighted_layers
from ..compress.methods.share import shared
from .figure import StudyFigure, Panel, Series, series

__all__ = ["histogram", "codebook_stems", "weight_figure"]


def histogram(values: np.ndarray, bins: int, span: float, name: str) -> Series:
    """Counts of ``values`` in ``bins`` equal bins of -span .. span, at the bins' middles."""
    counts, edges = np.histogram(np.clip(values, -span, span), bins, (-span, span))
    return series(name, (edges[1:] + edges[:-1]) / 2, counts, "filled")


def codebook_stems(layer: nn.Linear | nn.Conv2d, name: str) -> Series:
    """How many weights stand on each value of a shared layer's codebook, ascending; a slot that
    no weight uses is left out."""
    codes, codebook = shared(layer)
    counts = np.bincount(codes.reshape(-1), minlength=len(codebook))[1:]
    order = np.argsort(codebook[1:], kind="stable")
    order = order[counts[order] > 0]
    return series(name, codebook[1:][order], counts[order], "stems")


def weight_figure(dense: nn.Sequential, pruned: nn.Sequential, started: nn.Sequential,
                  trained: nn.Sequential, layer: str, bins: int = 60) -> StudyFigure:
    """One layer on its way.

    Parameters
    ----------
    dense, pruned : the float network, and pruned and retrained.
    started, trained : shared, before and after its centroids were trained.
    layer : its name.
    """
    before, after, first, last = (weighted_layers(model)[layer]
                                  for model in (dense, pruned, started, trained))
    values = before.weight.detach().numpy().reshape(-1)
    kept = after.weight.detach().numpy().reshape(-1)
    kept = kept[kept != 0]
    span = float(np.quantile(np.abs(kept), 0.999))

    def panel(title: str, *lines: Series) -> Panel:
        return Panel(title=title, x_label="weight", y_label="weights", series=lines)
    return StudyFigure(name="weights", title=f"Weights of {layer}, LeNet-300-100", panels=(
        panel(f"float: {len(values):,}", histogram(values, bins, span, "weights")),
        panel(f"pruned, retrained: {len(kept):,}", histogram(kept, bins, span, "weights")),
        panel("shared", codebook_stems(first, "centroids as k-means found them"),
              codebook_stems(last, "centroids trained"))),
        note="what lies beyond the axis is counted in the outermost bins")
