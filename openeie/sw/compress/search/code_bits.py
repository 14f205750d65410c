# SPDX-License-Identifier: Apache-2.0
"""Bits of each layer's codes, chosen under an accuracy budget."""
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

_SLOT_BITS = 16 + 4         # a codebook's value, and the length of its codeword


@dataclass(frozen=True, kw_only=True)
class BitsTrial:
    """One choice that was measured.

    Attributes
    ----------
    bits : layer name -> bits of a code.
    stored : bits that codes and codebooks take, see :func:`code_bits`.
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
    budget : that was given.
    trials : all that were measured, in order.
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

    def to_dict(self) -> dict:
        """Plain values."""
        return {"bits": dict(self.bits), "stored": self.stored, "error": self.error,
                "budget": self.budget, "trials": [vars(trial) | {"bits": dict(trial.bits)}
                                                  for trial in self.trials]}


def code_bits(codes: np.ndarray, slots: int) -> int:
    """Bits that a layer's codes take in a file, Huffman coded, with its codebook and its code's
    lengths; runs, which do not depend on the codes, are not counted."""
    frequencies = np.bincount(codes[codes != 0].reshape(-1), minlength=slots)
    lengths = package_merge(frequencies, MAX_LENGTH)
    return int(np.dot(frequencies, lengths)) + _SLOT_BITS * slots


def choose_bits(model: nn.Module, *, measure: Measure, budget: float,
                retrain: Callable[[nn.Module], None] | None = None,
                candidates: Sequence[int] = range(2, 9), loss: Measure | None = None,
                init: str = "linear", generator: torch.Generator | None = None,
                optimal: bool = False) -> Bits:
    """The code widths with which the model is stored smallest, its error within ``budget``.

    Each layer alone is shared with each number of bits, and the loss measured; then choices for
    all layers are tried at falling prices of a bit: the cheapest valid one is found by bisection,
    and single layers are narrowed from there as long as the budget is met. ``model`` is left as
    it was.

    Parameters
    ----------
    measure : of a model, what the budget bounds, e.g. its error rate on held-out images.
    retrain : trains the centroids of a shared model, in place, before it is measured; by default
        they stay where k-means put them.
    candidates : numbers of bits to choose from, 1 .. 8 each.
    loss : of a model, what compares layers, by default ``measure``; a smooth one, such as the
        cross-entropy, tells more than an error rate.
    init, generator, optimal : as of :func:`~openeie.sw.compress.methods.share.share`.

    Raises
    ------
    BudgetError : no choice met the budget; its ``best`` is the :class:`Bits` of the trial with
        the least error.
    InputError : no candidate, or one out of range, or what sharing refuses.
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
    search = _Search(model, measure, budget, retrain, widths, stored, how)
    _descend([tuple(choice.option.values()) for choice in choices(losses, stored)], search)
    return search.result()


def _alone(model: nn.Module, name: str, bits: int, loss: Measure,
           how: dict[str, Any]) -> tuple[float, int]:
    """Loss with one layer shared, and the bits it is stored in."""
    trial = copy.deepcopy(model)
    share_layer(trial, name, slots=1 << bits, **how)
    codes, codebook = shared(weighted_layers(trial)[name])
    return float(loss(trial)), code_bits(codes, len(codebook))


def _descend(path: list[tuple[int, ...]], search: "_Search") -> None:
    """The cheapest valid choice of a path of falling bits, by bisection, and what is near it."""
    if not search.valid(path[0]):
        path = [(0,) * len(path[0]), *path]         # all layers as wide as they can be
    low, high = 0, len(path)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if search.valid(path[middle]) else (low, middle)
    if search.valid(path[low]):
        _narrow(path[low], search)


def _narrow(option: tuple[int, ...], search: "_Search") -> None:
    """Give single layers fewer bits, the largest saving first, while the budget is met."""
    moved = True
    while moved:
        moved = False
        for _, place, to in search.savings(option):
            trial = option[:place] + (to,) + option[place + 1:]
            if search.valid(trial):
                option, moved = trial, True
                break


class _Search:
    """Trials so far; a choice is a number of a width for each layer."""

    def __init__(self, model, measure, budget, retrain, widths, stored, how):
        self.model, self.measure, self.budget = model, measure, budget
        self.retrain, self.widths, self.stored, self.how = retrain, widths, stored, how
        self.trials: dict[tuple[int, ...], BitsTrial] = {}

    def valid(self, option: tuple[int, ...]) -> bool:
        """Whether a choice meets the budget; measured once."""
        if option not in self.trials:
            bits = {name: self.widths[at] for name, at in zip(self.stored, option)}
            trial = copy.deepcopy(self.model)
            share(trial, slots={name: 1 << one for name, one in bits.items()}, **self.how)
            if self.retrain is not None:
                self.retrain(trial)
            error = float(self.measure(trial))
            self.trials[option] = BitsTrial(
                bits=bits, error=error, valid=error <= self.budget,
                stored=sum(of[at] for of, at in zip(self.stored.values(), option)))
        return self.trials[option].valid

    def savings(self, option: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """``(-bits saved, layer, width)`` of each single step that makes the network smaller."""
        steps = [(of[at + 1] - of[at], place, at + 1)
                 for place, (of, at) in enumerate(zip(self.stored.values(), option))
                 if at + 1 < len(of) and of[at + 1] < of[at]]
        return sorted(steps)

    def result(self) -> Bits:
        trials = tuple(self.trials.values())
        valid = [trial for trial in trials if trial.valid]
        best = min(valid, key=lambda trial: (trial.stored, trial.error)) if valid \
            else min(trials, key=lambda trial: (trial.error, trial.stored))
        bits = Bits(bits=best.bits, stored=best.stored, error=best.error, budget=self.budget,
                    trials=trials)
        if not valid:
            raise BudgetError(f"no choice of bits met the budget of {self.budget:g}: the best of "
                              f"{len(trials)} trials reached {best.error:g}; allow more, or more "
                              f"bits, or retrain the centroids", bits)
        return bits
