# SPDX-License-Identifier: Apache-2.0
"""Choice of the bits of each layer's codes within an accuracy budget."""
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ....core.entries.huffman import MAX_LENGTH, package_merge
from ....core.errors import BudgetError, InputError
from ..methods.prune import weighted_layers
from ..methods.share import share, share_layer, shared
from .lagrange import choices
from .sensitivity import Measure

__all__ = ["BitsTrial", "Bits", "code_bits", "choose_bits"]

_SLOT_BITS = 16 + 4         # of a codebook's value, and of the length of its codeword

Option = tuple[int, ...]    # for each layer, the number of a width in ``_Search.widths``


@dataclass(frozen=True, kw_only=True)
class BitsTrial:
    """One measured choice.

    Attributes
    ----------
    bits : layer name -> bits of a code.
    stored : bits of all codes and codebooks in a file, see :func:`code_bits`.
    error : as measured.
    valid : the error is within the budget.
    """
    bits: dict[str, int]
    stored: int
    error: float
    valid: bool


@dataclass(frozen=True, kw_only=True)
class Bits:
    """The smallest choice found within the budget.

    Attributes
    ----------
    bits, stored, error : of the best trial.
    budget : as given.
    trials : all trials, in order.
    """
    bits: dict[str, int]
    stored: int
    error: float
    budget: float
    trials: tuple[BitsTrial, ...]

    @property
    def slots(self) -> dict[str, int]:
        """Layer name -> codebook size, as ``share`` takes it."""
        return {name: 1 << bits for name, bits in self.bits.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        trials = [vars(trial) | {"bits": dict(trial.bits)} for trial in self.trials]
        return {"bits": dict(self.bits), "stored": self.stored, "error": self.error,
                "budget": self.budget, "trials": trials}


def code_bits(codes: np.ndarray, slots: int) -> int:
    """Bits of a layer's codes in a file, Huffman coded, with the codebook and the lengths of its
    codewords. Runs are left out: they do not depend on the codes."""
    frequencies = np.bincount(codes[codes != 0].reshape(-1), minlength=slots)
    lengths = package_merge(frequencies, MAX_LENGTH)
    return int(np.dot(frequencies, lengths)) + _SLOT_BITS * slots


def choose_bits(model: nn.Module, *, measure: Measure, budget: float,
                retrain: Callable[[nn.Module], None] | None = None,
                candidates: Sequence[int] = range(2, 9), loss: Measure | None = None,
                init: str = "linear", generator: torch.Generator | None = None,
                optimal: bool = False) -> Bits:
    """The code widths with which the model is smallest in a file, with its error within ``budget``.

    First, each layer alone is shared with each number of bits, and the loss is measured. Then
    choices for all layers are tried along falling bits, see :mod:`~.search.lagrange`: bisection
    finds the smallest valid one, and from there single layers get fewer bits while the budget is
    met. ``model`` does not change.

    Parameters
    ----------
    measure : error of a model that the budget limits, e.g. its error rate on held-out images.
    retrain : trains the centroids of a shared model, in place, before it is measured; None leaves
        them where k-means put them.
    candidates : numbers of bits to choose from, 1 .. 8 each.
    loss : measure for the comparison of layers, by default ``measure``; a smooth one, such as the
        cross-entropy, is better than an error rate.
    init, generator, optimal : as of :func:`~openeie.sw.compress.methods.share.share`.

    Raises
    ------
    BudgetError : no choice met the budget; its ``best`` is the :class:`Bits` of the trial with
        the least error.
    InputError : no candidate, a candidate out of range, or what sharing refuses.
    """
    widths = sorted({int(bits) for bits in candidates}, reverse=True)
    if not widths or not 1 <= widths[-1] <= widths[0] <= 8:
        raise InputError(f"candidates must be numbers of bits in 1 .. 8, not {candidates!r}")
    how = {"init": init, "generator": generator, "optimal": optimal}
    losses: dict[str, list[float]] = {}
    stored: dict[str, list[int]] = {}
    for name in weighted_layers(model):
        alone = [_alone(model, name, bits, loss or measure, how) for bits in widths]
        losses[name] = [one for one, _ in alone]
        stored[name] = [one for _, one in alone]
    search = _Search(model=model, measure=measure, budget=budget, retrain=retrain, widths=widths,
                     stored=stored, how=how)
    _descend([tuple(choice.option.values()) for choice in choices(losses, stored)], search)
    return search.result()


def _alone(model: nn.Module, name: str, bits: int, loss: Measure,
           how: dict[str, Any]) -> tuple[float, int]:
    """The loss with one layer shared, and that layer's bits in a file."""
    trial = copy.deepcopy(model)
    share_layer(trial, name, slots=1 << bits, **how)
    codes, codebook = shared(weighted_layers(trial)[name])
    return float(loss(trial)), code_bits(codes, len(codebook))


def _descend(path: list[Option], search: "_Search") -> None:
    """Try the smallest valid choice of a path of falling bits, by bisection, and choices near
    it."""
    if not search.valid(path[0]):
        path = [(0,) * len(path[0]), *path]         # the widest codes for all layers
    low = 0
    high = len(path)
    while high - low > 1:
        middle = (low + high) // 2
        if search.valid(path[middle]):
            low = middle
        else:
            high = middle
    if search.valid(path[low]):
        _narrow(path[low], search)


def _narrow(option: Option, search: "_Search") -> None:
    """Give single layers fewer bits, the largest saving first, while the budget is met."""
    while True:
        narrower = (option[:place] + (width,) + option[place + 1:]
                    for _, place, width in search.savings(option))
        found = next((one for one in narrower if search.valid(one)), None)
        if found is None:
            return
        option = found


@dataclass(kw_only=True)
class _Search:
    """A search and its trials so far.

    Attributes
    ----------
    model, measure, budget, retrain : as of :func:`choose_bits`.
    widths : candidates, descending.
    stored : layer name -> bits in a file at each width.
    how : options of ``share``.
    """
    model: nn.Module
    measure: Measure
    budget: float
    retrain: Callable[[nn.Module], None] | None
    widths: list[int]
    stored: dict[str, list[int]]
    how: dict[str, Any]
    trials: dict[Option, BitsTrial] = field(default_factory=dict)

    def valid(self, option: Option) -> bool:
        """True if a choice meets the budget; each is measured once."""
        if option not in self.trials:
            self.trials[option] = self._trial(option)
        return self.trials[option].valid

    def _trial(self, option: Option) -> BitsTrial:
        bits = {name: self.widths[at] for name, at in zip(self.stored, option)}
        model = copy.deepcopy(self.model)
        share(model, slots={name: 1 << one for name, one in bits.items()}, **self.how)
        if self.retrain is not None:
            self.retrain(model)
        error = float(self.measure(model))
        stored = sum(sizes[at] for sizes, at in zip(self.stored.values(), option))
        return BitsTrial(bits=bits, error=error, valid=error <= self.budget, stored=stored)

    def savings(self, option: Option) -> list[tuple[int, int, int]]:
        """``(-bits saved, layer, width)`` of each single step that makes the network smaller."""
        steps = []
        for place, (sizes, at) in enumerate(zip(self.stored.values(), option)):
            if at + 1 < len(sizes) and sizes[at + 1] < sizes[at]:
                steps.append((sizes[at + 1] - sizes[at], place, at + 1))
        return sorted(steps)

    def result(self) -> Bits:
        """The smallest valid trial; raises BudgetError if there is none."""
        trials = tuple(self.trials.values())
        valid = [trial for trial in trials if trial.valid]
        if valid:
            best = min(valid, key=lambda trial: (trial.stored, trial.error))
        else:
            best = min(trials, key=lambda trial: (trial.error, trial.stored))
        bits = Bits(bits=best.bits, stored=best.stored, error=best.error, budget=self.budget,
                    trials=trials)
        if not valid:
            raise BudgetError(f"no choice of bits met the budget of {self.budget:g}: the best of "
                              f"{len(trials)} trials reached {best.error:g}; allow more, or more "
                              f"bits, or retrain the centroids", bits)
        return bits
