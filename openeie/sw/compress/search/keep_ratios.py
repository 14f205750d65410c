# SPDX-License-Identifier: Apache-2.0
"""Choice of the fraction of weights to keep in each layer, within an accuracy budget."""
import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ....core.errors import BudgetError, InputError
from ..methods.prune import kept, prune, weighted_layers
from .lagrange import choices
from .sensitivity import Measure, scan

__all__ = ["Trial", "Ratios", "stored_bits", "choose_ratios"]

#: Fractions of a layer's remaining weights that a round may keep.
FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One pruned, retrained and measured network.

    Attributes
    ----------
    keep : layer name -> fraction of its weights kept.
    bits : estimated bits of its entries in a file, see :func:`stored_bits`.
    error : as measured.
    multiplier : price of a bit, in loss, at which its layers were pruned in this round.
    valid : the error is within the budget.
    """
    keep: dict[str, float]
    bits: float
    error: float
    multiplier: float
    valid: bool


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """The smallest network found within the budget.

    Attributes
    ----------
    keep, bits, error : of the best trial.
    budget : as given.
    trials : all trials, in order; the first is the given model.
    model : the best network, pruned and retrained.
    """
    keep: dict[str, float]
    bits: float
    error: float
    budget: float
    trials: tuple[Trial, ...]
    model: nn.Module = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the model."""
        trials = [vars(trial) | {"keep": dict(trial.keep)} for trial in self.trials]
        return {"keep": dict(self.keep), "bits": self.bits, "error": self.error,
                "budget": self.budget, "trials": trials}


def stored_bits(weights: int, kept: int, code_bits: float = 4.0) -> float:
    """Estimated bits of a layer's entries: ``code_bits`` for each kept weight, and the entropy of
    the positions, if each weight is kept with the same probability."""
    share = kept / weights
    entropy = 0.0
    if 0 < share < 1:
        entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    return weights * entropy + kept * code_bits


def choose_ratios(model: nn.Module, *, measure: Measure, retrain: Callable[[nn.Module], None],
                  budget: float, loss: Measure | None = None,
                  layers: Iterable[str] | None = None,
                  code_bits: float | Mapping[str, float] = 4.0,
                  fractions: Sequence[float] = FRACTIONS, step: float = 0.7, finest: float = 0.97,
                  balance: int | None = None) -> Ratios:
    """Prune in rounds to the smallest network whose error stays within ``budget``.

    Each round measures how much the loss rises when each layer alone is pruned further. It then
    prunes all layers at one price of a bit, the smallest at which the network's bits fall to the
    share ``step``, and retrains. A round whose result exceeds the budget is undone and repeated
    with a finer step (the square root), until steps are finer than ``finest``. Each scan starts
    from a retrained network, and therefore need not predict what retraining recovers.

    ``model`` does not change.

    Parameters
    ----------
    measure : error of a model that the budget limits, e.g. its error rate on held-out images.
    retrain : trains a model briefly, in place.
    loss : measure for the scans, by default ``measure``; a smooth one, such as the cross-entropy,
        is better than an error rate.
    layers : names of the layers to prune, by default all.
    code_bits : bits of a weight's code, see :func:`stored_bits`; for all layers, or for each by
        its name.
    fractions : of a layer's remaining weights that a round may keep.
    step, finest : share of the bits that a round keeps, in the first round and at the finest.
    balance : as of :func:`~openeie.sw.compress.methods.prune.prune`.

    Raises
    ------
    BudgetError : no network met the budget; its ``best`` is the :class:`Ratios` of the trial with
        the least error.
    InputError : a step outside 0 .. 1, a layer without code bits, or what pruning refuses.
    """
    if not 0 < step <= finest < 1:
        raise InputError(f"step and finest must be above 0 and below 1, finest not below step, "
                         f"not {step!r} and {finest!r}")
    search = _Search(measure=measure, loss=loss or measure, budget=budget, fractions=fractions,
                     code_bits=_by_layer(code_bits, list(weighted_layers(model, layers))))

    def pruned(state: nn.Module, keep: dict[str, float]) -> nn.Module:
        candidate = copy.deepcopy(state)
        prune(candidate, keep, balance=balance)
        retrain(candidate)
        return candidate

    _descend(copy.deepcopy(model), search, pruned, step, finest)
    return search.result()


def _by_layer(code_bits: float | Mapping[str, float], names: list[str]) -> dict[str, float]:
    """Bits of a code for each layer to prune."""
    if not isinstance(code_bits, Mapping):
        return dict.fromkeys(names, code_bits)
    missing = [name for name in names if name not in code_bits]
    if missing:
        raise InputError(f"code_bits must be given for each of the layers {', '.join(names)}, "
                         f"not for {', '.join(code_bits)}")
    return {name: code_bits[name] for name in names}


def _descend(state: nn.Module, search: "_Search",
             pruned: Callable[[nn.Module, dict[str, float]], nn.Module], step: float,
             finest: float) -> None:
    """Rounds from ``state`` on until steps are too fine; ``pruned`` makes a retrained copy."""
    search.note(state, 0.0)
    while step <= finest:
        choice = _next(state, search, step)
        if choice is None:
            break
        keep, multiplier = choice
        candidate = pruned(state, keep)
        if search.note(candidate, multiplier).valid:
            state = candidate
        else:
            step = math.sqrt(step)


def _next(state: nn.Module, search: "_Search",
          step: float) -> tuple[dict[str, float], float] | None:
    """Fractions to keep in the next round, and its price of a bit; None if no layer can be pruned
    further."""
    found = scan(state, search.loss, search.fractions, search.names, relative=True)
    left = kept(state)
    counts: dict[str, list[int]] = {}
    bits: dict[str, list[float]] = {}
    for name, code in search.code_bits.items():
        least = min(1, left[name])
        counts[name] = [max(least, round(fraction * left[name])) for fraction in found.fractions]
        bits[name] = [stored_bits(found.weights[name], count, code) for count in counts[name]]
    target = step * search.bits(state)
    options = choices(found.layers, bits)
    choice = next((one for one in options if one.bits <= target), options[-1])
    if choice.bits >= search.bits(state):
        return None
    keep = {name: counts[name][choice.option[name]] / found.weights[name]
            for name in search.names}
    return keep, choice.multiplier


@dataclass(kw_only=True)
class _Search:
    """A search, its trials so far and the best network; ``code_bits`` of each layer to prune."""
    measure: Measure
    loss: Measure
    budget: float
    fractions: Sequence[float]
    code_bits: dict[str, float]
    trials: list[Trial] = field(default_factory=list)
    best: Trial | None = None
    model: nn.Module | None = None

    @property
    def names(self) -> list[str]:
        """Layers to prune."""
        return list(self.code_bits)

    def bits(self, model: nn.Module) -> float:
        """Estimated bits of the entries of the layers to prune, see :func:`stored_bits`."""
        layers = weighted_layers(model)
        left = kept(model)
        return sum(stored_bits(layers[name].weight.numel(), left[name], bits)
                   for name, bits in self.code_bits.items())

    def note(self, model: nn.Module, multiplier: float) -> Trial:
        """Measure a network; keep it if it is the best so far."""
        layers = weighted_layers(model)
        left = kept(model)
        error = float(self.measure(model))
        keep = {name: left[name] / layers[name].weight.numel() for name in self.names}
        trial = Trial(keep=keep, bits=self.bits(model), error=error, multiplier=multiplier,
                      valid=error <= self.budget)
        self.trials.append(trial)
        if self.best is None or _rank(trial) < _rank(self.best):
            self.best = trial
            self.model = model
        return trial

    def result(self) -> Ratios:
        """The best trial; raises BudgetError if none is valid."""
        best = self.best
        assert best is not None and self.model is not None
        ratios = Ratios(keep=best.keep, bits=best.bits, error=best.error, budget=self.budget,
                        trials=tuple(self.trials), model=self.model)
        if not best.valid:
            raise BudgetError(f"no choice of weights met the budget of {self.budget:g}: the best "
                              f"of {len(self.trials)} trials reached {best.error:g}; allow more, "
                              f"or retrain longer", ratios)
        return ratios


def _rank(trial: Trial) -> tuple:
    """Sort key: valid trials first, by size; then the others, by error."""
    return (0, trial.bits, trial.error) if trial.valid else (1, trial.error, trial.bits)
