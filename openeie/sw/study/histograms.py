# SPDX-License-Identifier: Apache-2.0
"""Distribution of a layer's weights: float, pruned, and shared."""
import numpy as np
from torch import nn

from ..compress.methods.prune import weighted_layers
from ..compress.methods.share import shared
from .figure import StudyFigure, Panel, Series, series

__all__ = ["histogram", "codebook_stems", "weight_figure"]


def histogram(values: np.ndarray, bins: int, span: float, name: str) -> Series:
    """Counts of ``values`` in ``bins`` equal bins of -span .. span, at the bins' centres. Values
    beyond are counted in the outermost bins."""
    counts, edges = np.histogram(np.clip(values, -span, span), bins, (-span, span))
    return series(name, (edges[1:] + edges[:-1]) / 2, counts, "filled")


def codebook_stems(layer: nn.Linear | nn.Conv2d, name: str) -> Series:
    """The number of weights of each codebook value of a shared layer, by ascending value; unused
    slots are left out."""
    codes, codebook = shared(layer)
    counts = np.bincount(codes.reshape(-1), minlength=len(codebook))[1:]
    order = np.argsort(codebook[1:], kind="stable")
    order = order[counts[order] > 0]
    return series(name, codebook[1:][order], counts[order], "stems")


def weight_figure(dense: nn.Sequential, pruned: nn.Sequential, started: nn.Sequential,
                  trained: nn.Sequential, layer: str, bins: int = 60) -> StudyFigure:
    """The weights of one layer after each step of a compression.

    Parameters
    ----------
    dense, pruned : the float network, and the pruned and retrained one.
    started, trained : with shared weights, before and after training of the centroids.
    layer : its name.
    """
    values = weighted_layers(dense)[layer].weight.detach().numpy().reshape(-1)
    kept = weighted_layers(pruned)[layer].weight.detach().numpy().reshape(-1)
    kept = kept[kept != 0]
    span = float(np.quantile(np.abs(kept), 0.999))

    def panel(title: str, *lines: Series) -> Panel:
        return Panel(title=title, x_label="weight", y_label="weights", series=lines)

    panels = (
        panel(f"float: {len(values):,}", histogram(values, bins, span, "weights")),
        panel(f"pruned, retrained: {len(kept):,}", histogram(kept, bins, span, "weights")),
        panel("shared",
              codebook_stems(weighted_layers(started)[layer], "centroids as k-means found them"),
              codebook_stems(weighted_layers(trained)[layer], "centroids trained")))
    return StudyFigure(name="weights", title=f"Weights of {layer}, LeNet-300-100", panels=panels,
                       note="values beyond the axis are counted in the outermost bins")
