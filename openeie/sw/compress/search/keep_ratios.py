# SPDX-License-Identifier: Apache-2.0
"""Fractions of weights to keep in each layer, chosen under an accuracy budget."""
import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from ....core.errors import BudgetError, InputError
from ..methods.prune import kept, prune, weighted_layers
from .lagrange import choices
from .sensitivity import Measure, scan

__all__ = ["Trial", "Ratios", "stored_bits", "choose_ratios"]

#: Of the weights a layer still has, what a round may leave.
FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One network that was pruned, retrained and measured.

    Attributes
    ----------
    keep : layer name -> fraction of its weights kept.
    bits : what its entries are estimated to take, see :func:`stored_bits`.
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
    budget : that was given.
    trials : all networks tried, in order; the first is the model as given.
    model : the best network, pruned and retrained.
    """
    keep: dict[str, float]
    bits: float
    error: float
    budget: float
    trials: tuple[Trial, ...]
    model: nn.Module = field(repr=False, compare=False)

    def to_dict(self) -> dict:
        """Plain values, without the model."""
        return {"keep": dict(self.keep), "bits": self.bits, "error": self.error,
                "budget": self.budget, "trials": [vars(trial) | {"keep": dict(trial.keep)}
                                                  for trial in self.trials]}


def stored_bits(weights: int, kept: int, code_bits: float = 4.0) -> float:
    """Bits that the entries of a layer take, estimated: the entropy of which weights are kept, if
    each is with the same probability, and the codes."""
    share = kept / weights
    entropy = 0.0 if share in (0.0, 1.0) else \
        -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    return weights * entropy + kept * code_bits


def choose_ratios(model: nn.Module, *, measure: Measure, retrain: Callable[[nn.Module], None],
                  budget: float, loss: Measure | None = None,
                  layers: Iterable[str] | None = None,
                  code_bits: float | Mapping[str, float] = 4.0,
                  fractions: Sequence[float] = FRACTIONS, step: float = 0.7, finest: float = 0.97,
                  balance: int | None = None) -> Ratios:
    """Prune in rounds to the smallest network whose error stays within ``budget``.

    Each round scans how much the loss rises when each layer alone is pruned further, prunes all
    layers at one price of a bit (the smallest at which the network's bits fall to ``step`` of
    what they were), and retrains. A round that ends outside the budget is taken back and tried
    again with half the step (its square root), until steps are finer than ``finest``. Since every
    scan starts from a retrained network, it need not tell what retraining can mend.

    ``model`` is left as it was.

    Parameters
    ----------
    measure : of a model, what the budget bounds, e.g. its error rate on held-out images.
    retrain : trains a model for a short while, in place.
    loss : of a model, what the scans compare, by default ``measure``; a smooth one, such as the
        cross-entropy, tells more than an error rate.
    layers : names of the layers to prune, by default all.
    code_bits : what a weight's code takes, see :func:`stored_bits`; of all layers, or of each by
        its name.
    fractions : what a round may leave of the weights that a layer still has.
    step, finest : share of the bits that a round leaves, at first and at last.
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
    """Rounds from ``state`` on until no step is left; ``pruned`` makes a retrained copy."""
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
    """Fractions to keep next and the price of a bit; None if nothing can be given up."""
    found = scan(state, search.loss, search.fractions, search.names, relative=True)
    left = kept(state)
    counts = {name: [max(min(1, left[name]), round(fraction * left[name]))
                     for fraction in found.fractions]
              for name in search.names}
    bits = {name: [stored_bits(found.weights[name], count, search.code_bits[name])
                   for count in counts[name]] for name in search.names}
    target = step * search.bits(state)
    options = choices(found.layers, bits)
    choice = next((one for one in options if one.bits <= target), options[-1])
    if choice.bits >= search.bits(state):
        return None
    return ({name: counts[name][choice.option[name]] / found.weights[name]
             for name in search.names}, choice.multiplier)


@dataclass(kw_only=True)
class _Search:
    """Trials so far, and the best network."""
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
        """What the entries of the layers to prune take, see :func:`stored_bits`."""
        layers, left = weighted_layers(model), kept(model)
        return sum(stored_bits(layers[name].weight.numel(), left[name], bits)
                   for name, bits in self.code_bits.items())

    def note(self, model: nn.Module, multiplier: float) -> Trial:
        """Measure a network; keep it if it is the best so far."""
        layers, left = weighted_layers(model), kept(model)
        error = float(self.measure(model))
        trial = Trial(keep={name: left[name] / layers[name].weight.numel()
                            for name in self.names},
                      bits=self.bits(model), error=error, multiplier=multiplier,
                      valid=error <= self.budget)
        self.trials.append(trial)
        if self.best is None or _rank(trial) < _rank(self.best):
            self.best, self.model = trial, model
        return trial

    def result(self) -> Ratios:
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
    """Valid before invalid; among valid ones the smallest, among others the most accurate."""
    return (0, trial.bits, trial.error) if trial.valid else (1, trial.error, trial.bits)
