# SPDX-License-Identifier: Apache-2.0
"""Ratios under a budget: met, small, repeatable; and a budget that cannot be met says so."""
import copy
import json
import pickle

import numpy as np
import pytest
import torch
from openeie.core.errors import BudgetError, InputError
from openeie.sw.compress.methods.prune import kept, prune, prune_global
from openeie.sw.compress.methods.train import (Schedule, cross_entropy, deterministic, error_rate,
                                               fit)
from openeie.sw.compress.search.keep_ratios import choose_ratios, stored_bits
from support.modules import chain


class Task:
    """Ten noisy classes, a network that has learned them, and 500 images held out."""

    def __init__(self):
        with deterministic(1) as generator:
            self.generator = generator
            centres = torch.randn(10, 20)
            self.y = torch.randint(0, 10, (1500,))
            self.x = centres[self.y] + torch.randn(1500, 20) * 0.8
            self.model = chain(sizes=(20, 30, 10))
            self.learn(self.model, epochs=10, rate=1e-2)

    def learn(self, model, epochs=1, rate=3e-3):
        fit(model, self.x[:1000], self.y[:1000], Schedule(epochs=epochs, batch=50, rate=rate),
            generator=self.generator)

    def error(self, model):
        return error_rate(model, self.x[1000:], self.y[1000:])

    def loss(self, model):
        with torch.no_grad():
            return float(cross_entropy(model, self.x[1000:], self.y[1000:]))

    def choose(self, budget, **options):
        with deterministic(2) as self.generator:
            return choose_ratios(self.model, measure=self.error, loss=self.loss,
                                 retrain=self.learn, budget=budget, **options)


@pytest.fixture(scope="module")
def task():
    return Task()


def test_the_smallest_network_within_the_budget(task):
    before = copy.deepcopy(task.model.state_dict())
    budget = task.error(task.model) + 0.01
    found = task.choose(budget)
    assert all(torch.equal(before[name], task.model.state_dict()[name]) for name in before)
    assert found.error <= budget and found.error == task.error(found.model)
    assert found.keep == {name: count / size for (name, count), size in
                          zip(kept(found.model).items(), (600, 300))}
    valid = [trial for trial in found.trials if trial.error <= budget]
    assert found.bits == min(trial.bits for trial in valid) < 0.7 * found.trials[0].bits
    assert all(trial.valid == (trial.error <= budget) for trial in found.trials)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    # Beside one threshold for all, with as much retraining: no more bits in the same error.
    rival, size = copy.deepcopy(task.model), sum(kept(found.model).values()) / 900
    with deterministic(2) as task.generator:
        for part in np.linspace(1, size, len(found.trials))[1:]:
            prune_global(rival, part)
            task.learn(rival)
    assert found.error <= task.error(rival) + 0.01
    again = task.choose(budget)
    assert again.to_dict() == found.to_dict()


def test_more_budget_is_never_a_larger_network(task):
    base = task.error(task.model)
    sizes = [task.choose(base + more, step=0.5, finest=0.8).bits for more in (0.004, 0.05, 0.3)]
    assert sizes[0] >= sizes[1] >= sizes[2]


def test_some_layers_and_balance(task):
    found = task.choose(task.error(task.model) + 0.05, layers=["0"], balance=3, step=0.5,
                        finest=0.8)
    assert set(found.keep) == {"0"} and kept(found.model)["2"] == 300
    counts = [int((found.model[0].weight[pe::3] != 0).sum()) for pe in range(3)]
    assert max(counts) - min(counts) <= 1 and found.keep["0"] < 0.7


def test_a_budget_that_cannot_be_met(task):
    with pytest.raises(BudgetError, match="no choice of weights met the budget of -1: the best of "
                                          r"\d+ trials reached 0") as caught:
        task.choose(-1.0, step=0.5, finest=0.8)
    best = caught.value.best
    assert best.error == min(trial.error for trial in best.trials)
    assert not any(trial.valid for trial in best.trials) and best.model is not None
    assert isinstance(caught.value, InputError)
    assert pickle.loads(pickle.dumps(BudgetError("far", {"a": 1}))).best == {"a": 1}


@pytest.mark.parametrize("options, message", [
    ({"step": 1.0}, "step and finest must be above 0 and below 1, finest not below step, not 1.0"),
    ({"step": 0.9, "finest": 0.8}, "finest not below step, not 0.9 and 0.8"),
    ({"layers": ["fc"]}, "layer must be one of 0, 2, not 'fc'"),
    ({"code_bits": {"0": 4.0}}, "code_bits must be given for each of the layers 0, 2, not for 0"),
])
def test_refusals(task, options, message):
    with pytest.raises(InputError, match=message):
        task.choose(0.5, **options)


def test_stored_bits_of_the_extremes_and_between():
    assert stored_bits(100, 0) == 0 and stored_bits(100, 100, 3) == 300
    assert stored_bits(64, 32, 0) == 64                 # which half: one bit a weight
    positions = np.random.default_rng(1).random(200_000) < 0.05
    gaps = np.diff(np.flatnonzero(positions))           # as a file stores them: gaps, entropy coded
    share = np.bincount(gaps) / len(gaps)
    entropy = -np.sum(share[share > 0] * np.log2(share[share > 0]))
    assert stored_bits(200_000, int(positions.sum()), 0) == pytest.approx(
        entropy * len(gaps), rel=0.02)


def test_the_last_weight_of_a_layer_stays(task):
    model = copy.deepcopy(task.model)
    prune(model, {"0": 3 / 600, "2": 2 / 300})
    found = choose_ratios(model, measure=task.error, retrain=lambda one: None, budget=1.0)
    assert kept(found.model) == {"0": 1, "2": 1}


def test_a_network_without_weights_left_ends_the_search(task):
    model = copy.deepcopy(task.model)
    for layer in (model[0], model[2]):
        layer.weight.data.zero_()
    found = choose_ratios(model, measure=task.error, retrain=task.learn, budget=1.0)
    assert found.bits == 0 and len(found.trials) == 1


def test_a_layer_of_longer_codes_is_pruned_further(task):
    def first_round(code_bits):
        with pytest.raises(BudgetError) as caught:      # the first round is the last
            task.choose(-1.0, step=0.8, finest=0.8, code_bits=code_bits)
        return caught.value.best.trials
    rounds = {bits: first_round({"0": bits, "2": 20 - bits}) for bits in (2.0, 18.0)}
    assert rounds[18.0][1].keep["0"] < rounds[2.0][1].keep["0"]
    assert rounds[2.0][1].keep["2"] < rounds[18.0][1].keep["2"]
    assert rounds[2.0][0].bits == 600 * 2 + 300 * 18
    assert first_round({"0": 4.0, "2": 4.0}) == first_round(4.0)
