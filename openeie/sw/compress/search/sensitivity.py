# SPDX-License-Identifier: Apache-2.0
"""Sensitivity of a network to pruning each layer alone (Han et al., 2015, section 4)."""
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from ....core.errors import InputError
from ..methods.prune import kept, prune, weighted_layers

__all__ = ["Measure", "Sensitivity", "scan"]

#: Error or loss of a model, e.g. its error rate on held-out images; smaller is better.
Measure = Callable[[nn.Module], float]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Measurements with each layer pruned alone.

    Attributes
    ----------
    baseline : of the unchanged model.
    fractions : of a layer's weights kept, descending.
    relative : fractions are of a layer's non-zero weights, not of all its weights.
    layers : layer name -> the measurement at each fraction.
    weights : layer name -> number of its weights, zeros included.
    """
    baseline: float
    fractions: tuple[float, ...]
    layers: Mapping[str, tuple[float, ...]]
    weights: Mapping[str, int]
    relative: bool = False

    def to_dict(self) -> dict:
        """Plain values."""
        return {"baseline": self.baseline, "fractions": list(self.fractions),
                "layers": {name: list(values) for name, values in self.layers.items()},
                "weights": dict(self.weights), "relative": self.relative}


def scan(model: nn.Module, measure: Measure, fractions: Sequence[float],
         layers: Iterable[str] | None = None, *, relative: bool = False) -> Sensitivity:
    """Prune each layer alone to each fraction, without retraining, and measure.

    ``model`` does not change, whatever ``measure`` does: it gets copies.

    Parameters
    ----------
    measure : error or loss of a model.
    fractions : of a layer's weights to keep.
    layers : names, by default of all convolutions and linear layers.
    relative : fractions are of a layer's non-zero weights, not of all its weights.

    Raises
    ------
    InputError : no fraction, or what :func:`~openeie.sw.compress.methods.prune.prune` refuses.
    """
    if not fractions:
        raise InputError("a sensitivity scan needs at least one fraction to keep")
    steps = tuple(sorted({float(fraction) for fraction in fractions}, reverse=True))
    chosen = weighted_layers(model, layers)
    weights = {name: layer.weight.numel() for name, layer in chosen.items()}
    left = kept(model)

    def pruned(name: str, fraction: float) -> float:
        trial = copy.deepcopy(model)
        keep = fraction * left[name] / weights[name] if relative else fraction
        prune(trial, {name: keep})
        return float(measure(trial))

    baseline = float(measure(copy.deepcopy(model)))
    measured = {}
    for name in chosen:
        measured[name] = tuple(pruned(name, fraction) for fraction in steps)
    return Sensitivity(baseline=baseline, fractions=steps, layers=measured, weights=weights,
                       relative=relative)
