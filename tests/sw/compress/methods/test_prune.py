# SPDX-License-Identifier: Apache-2.0
"""Pruning: exactly the largest weights stay, spread as asked, and none comes back."""
import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.methods.order_units import order_units
from openeie.sw.compress.methods.prune import kept, prune, prune_global, weighted_layers
from openeie.sw.compress.methods.prune_schedule import gradual_schedule, keep_schedule
from openeie.sw.compress.methods.share import share
from openeie.sw.compress.methods.train import Schedule, deterministic, fit
from support.modules import chain
from torch import nn


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.data())
def test_pruning_keeps_exactly_the_largest(values, data):
    model = nn.Sequential(nn.Linear(len(values), 1))
    model[0].weight.data = torch.tensor([values], dtype=torch.float32)
    count = data.draw(st.integers(1, len(values)))
    prune(model, {"0": count / len(values)})
    mask = model[0].parametrizations.weight[0].mask[0]
    # Independently: a stable sort, so that of equals the first stay.
    order = sorted(range(len(values)), key=lambda at: -abs(values[at]))
    assert torch.nonzero(mask).reshape(-1).tolist() == sorted(order[:count])


def test_pruned_weights_stay_pruned_through_training():
    model = chain()
    prune(model, {"0": 0.3, "2": 0.5})
    assert kept(model) == {"0": 36, "2": 35}
    zero = model[0].weight == 0
    x, y = torch.randn(64, 12), torch.randint(0, 7, (64,))
    before = model[0].weight.detach().clone()
    fit(model, x, y, Schedule(epochs=2, batch=16), generator=torch.Generator().manual_seed(1))
    assert torch.all(model[0].weight[zero] == 0)
    assert not torch.equal(before, model[0].weight)
    prune(model, {"0": 0.1})
    assert kept(model)["0"] == 12 and torch.all(model[0].weight[zero] == 0)


@pytest.mark.parametrize("again", [lambda model: prune(model, {"0": 0.9}),
                                   lambda model: prune(model, {"0": 0.9}, balance=3),
                                   lambda model: prune_global(model, 0.9)])
def test_none_comes_back_when_more_are_asked_for(again):
    model = chain()
    prune(model, {"0": 0.3})
    zero = model[0].weight == 0
    again(model)
    fit(model, torch.randn(64, 12), torch.randint(0, 7, (64,)), Schedule(epochs=1, batch=16),
        generator=torch.Generator().manual_seed(1))
    assert torch.all(model[0].weight[zero] == 0) and kept(model)["0"] == 36


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9), st.integers(1, 15),
       st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_every_pe_keeps_as_many(seed, rows, columns, pes, fraction):
    """And inside each PE the largest; convolutions by output channels."""
    weight = torch.randn(rows, columns, 1, 1, generator=torch.Generator().manual_seed(seed))
    model = nn.Sequential(nn.Conv2d(columns, rows, 1))
    model[0].weight.data.copy_(weight)
    prune(model, {"0": fraction}, balance=pes)
    left = model[0].weight.detach() != 0
    assert left.sum() == max(1, round(fraction * rows * columns))
    parts = [(weight[pe::pes].abs(), left[pe::pes]) for pe in range(min(pes, rows))]
    most = max(int(mask.sum()) for _, mask in parts)
    for _, mask in parts:
        assert int(mask.sum()) >= most - 1 or mask.all()
    chosen = [(magnitude, mask) for magnitude, mask in parts if mask.any() and not mask.all()]
    assert all(magnitude[mask].min() >= magnitude[~mask].max() for magnitude, mask in chosen)


def test_balance_stays_through_rounds_and_ordering():
    with deterministic(3):
        model = nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 6))
    for fraction in keep_schedule(0.2, 3):
        prune(model, {"0": fraction, "2": 0.5}, balance=4)
    counts = [int((model[0].weight[pe::4] != 0).sum()) for pe in range(4)]
    assert counts == [10, 10, 10, 10]
    x = torch.randn(5, 20)
    before = model(x)
    order_units(model, balance=4)
    assert [int((model[0].weight[pe::4] != 0).sum()) for pe in range(4)] == counts
    assert torch.allclose(before, model(x), atol=1e-6)
    rows = torch.count_nonzero(model[0].weight, dim=1)
    assert all((rows[pe::4].diff() <= 0).all() for pe in range(4))


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_one_threshold_for_all_layers(seed, keep, normalise):
    generator = torch.Generator().manual_seed(seed)
    model = chain()
    model[0].weight.data.copy_(torch.randn(10, 12, generator=generator) * 100)
    model[2].weight.data.copy_(torch.randn(7, 10, generator=generator))
    magnitudes = [layer.weight.detach().abs() for layer in (model[0], model[2])]
    if normalise:
        magnitudes = [m / m.double().square().mean().sqrt().float() for m in magnitudes]
    prune_global(model, keep, normalise=normalise)
    left = torch.cat([(layer.weight != 0).reshape(-1) for layer in (model[0], model[2])])
    together = torch.cat([m.reshape(-1) for m in magnitudes])
    assert left.sum() == max(2, round(keep * 190))
    for largest in (together[:120].argmax(), 120 + together[120:].argmax()):    # never all of one
        assert left[largest]
        left[largest], together[largest] = True, torch.inf
    if left.any() and not left.all():
        assert together[left].min() >= together[~left].max()


def test_global_pruning_of_some_layers():
    model = chain()
    prune_global(model, 0.5, layers=["2"])
    assert kept(model) == {"0": 120, "2": 35}
    dead = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 1))
    dead[0].weight.data.zero_()
    prune_global(dead, 0.2, normalise=True)     # a layer of zeros has no root mean square
    assert kept(dead) == {"0": 0, "2": 2}


def test_no_layer_is_emptied():
    """One threshold would take all of a layer of small weights; a share may round to none."""
    model = chain()
    model[2].weight.data.mul_(1e-3)
    strict = copy.deepcopy(model)
    largest = model[2].weight.detach().abs().max()
    prune_global(strict, 0.3)
    assert kept(strict) == {"0": 56, "2": 1} and strict[2].weight.abs().max() == largest
    prune_global(strict, 0.01)
    assert kept(strict) == {"0": 1, "2": 1}
    for balance in (None, 3):
        prune(model, {"0": 0.001, "2": 0.0}, balance=balance)
        assert kept(model) == {"0": 1, "2": 1}
    share(model)


def test_a_copy_is_pruned_and_shared_for_itself():
    """torch's parametrised copies share a class: what one gives up must stay with the other."""
    model = chain()
    prune(model, {"0": 0.5, "2": 0.5})
    other = copy.deepcopy(model)
    prune(other, {"0": 0.1})
    share(other)
    assert kept(model) == {"0": 60, "2": 35} and kept(other)["0"] == 12


@pytest.mark.parametrize("act, message", [
    (lambda m: prune(m, {"fc": 0.5}), "layer must be one of 0, 2, not 'fc'"),
    (lambda m: prune(m, {"0": 1.5}), "fraction kept of layer '0' must be in 0 .. 1, not 1.5"),
    (lambda m: prune(m, {"0": np.nan}), "fraction kept of layer '0' must be in 0 .. 1, not nan"),
    (lambda m: prune(m, {"0": 0.5}, balance=0), "balance must be a number of PEs, an integer of at "
                                                "least 1, not 0"),
    (lambda m: prune(m, {"0": 0.5}, balance=2.5), "an integer of at least 1, not 2.5"),
    (lambda m: prune(m, {"0": 0.5}, balance=True), "an integer of at least 1, not True"),
    (lambda m: prune(m, {"0": 0.5}, balance="2"), "an integer of at least 1, not '2'"),
    (lambda m: prune_global(m, -1), "fraction kept must be in 0 .. 1, not -1"),
    (lambda m: prune_global(m[1:2], 0.5), "must have a convolution or a linear layer"),
    (lambda m: prune_global(m, 0.5, layers=["9"]), "layer must be one of 0, 2, not '9'"),
    (lambda m: keep_schedule(0.5, 0), "rounds must be at least 1, not 0"),
    (lambda m: gradual_schedule(0, 3), "final must be in 0 .. 1 and above 0, not 0"),
    (lambda m: (share(m), prune(m, {"0": 0.5})), "'0' must be pruned before its weights are sha"),
])
def test_refusals(act, message):
    model = chain()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        act(model)
    if "shared" not in message and "sha" not in message:
        assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_layer(value):
    model = chain()
    with torch.no_grad():
        model[2].weight[1, 1] = value
    with pytest.raises(InputError, match="layer '2': weights must be finite numbers to be pruned, "
                                         "and 1 are not"):
        prune(model, {"0": 0.5, "2": 0.5})
    assert kept(model)["0"] == 120              # nothing was pruned


def test_schedules():
    assert keep_schedule(0.25, 2) == pytest.approx([0.5, 0.25])
    assert gradual_schedule(0.2, 4) == pytest.approx(
        [1 - 0.8 * (1 - (1 - t) ** 3) for t in (0.25, 0.5, 0.75, 1.0)])
    for schedule in (keep_schedule, gradual_schedule):
        fractions = schedule(0.03, 7)
        assert fractions[-1] == pytest.approx(0.03) and fractions == sorted(fractions)[::-1]


def test_layers_by_name():
    assert list(weighted_layers(chain())) == ["0", "2"]
    assert list(weighted_layers(chain(), ["2", "0"])) == ["0", "2"]
