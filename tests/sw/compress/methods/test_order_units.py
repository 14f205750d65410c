# SPDX-License-Identifier: Apache-2.0
"""Ordering of units: the same function, the heavy ones first."""
import copy
import re

import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.compress.methods.order_units import order_units, unorderable
from openeie.sw.compress.methods.prune import prune
from support.modules import chain
from torch import nn


def test_ordering_units_changes_nothing():
    model = chain()
    prune(model, {"0": 0.3, "2": 0.3})
    x = torch.randn(20, 12)
    before = model(x)
    order_units(model)
    assert torch.allclose(before, model(x), atol=1e-6)
    counts = torch.count_nonzero(model[0].weight, dim=1)
    assert torch.all(counts[:-1] >= counts[1:])


def twice():
    inner = nn.Linear(12, 12)
    return nn.Sequential(inner, nn.ReLU(), inner, nn.Linear(12, 5))


def tied():
    model = nn.Sequential(nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 12), nn.Linear(12, 5))
    model[2].weight = model[0].weight
    return model


def turned():
    """Tied as an autoencoder's layers are."""
    model = nn.Sequential(nn.Linear(12, 7), nn.Linear(7, 12), nn.Linear(12, 5))
    model[1].weight = nn.Parameter(model[0].weight.detach().T)
    return model


class Doubled(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + x


@pytest.mark.parametrize("model, wrong", [
    (twice(), "0 (Linear), 2 (Linear)"), (tied(), "0 (Linear), 2 (Linear)"),
    (turned(), "0 (Linear), 1 (Linear)"), (Doubled(nn.Linear(4, 4)), "the network (Doubled)"),
    (nn.Sequential(nn.Linear(12, 8), nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 3, 1)),
     "1 (Unflatten)")])
def test_what_cannot_be_ordered_is_named_and_left(model, wrong):
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=re.escape(f"each with its own weights, not {wrong}")):
        order_units(model)
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())


def test_a_relu_that_runs_twice_and_a_picture_unflattened_first_are_no_obstacle():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 6, 3), relu, nn.Flatten(),
                          nn.Linear(12, 9), relu, nn.Linear(9, 3))
    prune(model, {"1": 0.4, "4": 0.3})
    x = torch.randn(20, 12)
    before = model(x)
    order_units(model)
    assert torch.allclose(before, model(x), atol=1e-6)
    counts = torch.count_nonzero(model[4].weight, dim=1)
    assert torch.all(counts[:-1] >= counts[1:])


def test_an_attribute_called_chain_means_nothing():
    model = nn.Module()
    model.chain = nn.Linear(3, 3)
    assert unorderable(model) == ["the network (Module)"]
