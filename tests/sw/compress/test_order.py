# SPDX-License-Identifier: Apache-2.0
"""Ordering of units: the same function, the heavy ones first."""
import torch
from modules import chain
from openeie.sw.compress.order import order_units
from openeie.sw.compress.prune import prune


def test_ordering_units_changes_nothing():
    model = chain()
    prune(model, {"0": 0.3, "2": 0.3})
    x = torch.randn(20, 12)
    before = model(x)
    order_units(model)
    assert torch.allclose(before, model(x), atol=1e-6)
    counts = torch.count_nonzero(model[0].weight, dim=1)
    assert torch.all(counts[:-1] >= counts[1:])
