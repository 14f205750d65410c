# SPDX-License-Identifier: Apache-2.0
"""How much each layer's pruning alone costs (Han et al. 2015, section 4, "sensitivity")."""
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from ....core.errors import InputError
from ..methods.prune import kept, prune, weighted_layers

__all__ = ["Measure", "Sensitivity", "scan"]

#: What is lost by a model, e.g. its error rate or loss on held-out images: smaller is better.
Measure = Callable[[nn.Module], float]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What was measured with each layer pruned alone.

    Attributes
    ----------
    baseline : of the model as it was.
    fractions : of a layer's weights kept, descending.
    relative : the fractions are of the weights that a layer had left, not of all.
    layers : layer name -> what was measured at each fraction.
    weights : layer name -> its weights, zeros included.
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

    Copies are pruned and measured: ``model`` stays bit for bit what it was, whatever ``measure``
    does to what it is given.

    Parameters
    ----------
    measure : of a model; smaller is better.
    fractions : of a layer's weights to keep.
    layers : names, by default all convolutions and linear layers.
    relative : the fractions are of the weights that a layer has left, not of all it has.

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
        prune(trial, {name: fraction * left[name] / weights[name] if relative else fraction})
        return float(measure(trial))
    return Sensitivity(
        baseline=float(measure(copy.deepcopy(model))), fractions=steps,
        layers={name: tuple(pruned(name, fraction) for fraction in steps) for name in chosen},
        weights=weights, relative=relative)
