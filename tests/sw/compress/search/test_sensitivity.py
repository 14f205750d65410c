# SPDX-License-Identifier: Apache-2.0
"""Sensitivity scans: each layer pruned alone, and nothing left behind."""
import json

import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.compress.methods.prune import kept, prune
from openeie.sw.compress.search.sensitivity import Sensitivity, scan
from support.modules import chain


def removed(model):
    """Sum of the squares of all weights: what pruning takes away can be told exactly."""
    return sum(float(model[at].weight.detach().double().square().sum()) for at in (0, 2))


def largest(layer, fraction):
    """Squares of the largest weights of a layer, added up."""
    squares = layer.weight.detach().double().square().reshape(-1).sort(descending=True).values
    return float(squares[:round(fraction * len(squares))].sum())


def test_each_layer_alone():
    model = chain()
    found = scan(model, removed, [0.2, 0.5])
    assert found.fractions == (0.5, 0.2) and found.baseline == removed(model)
    assert found.weights == {"0": 120, "2": 70}
    for name, other in (("0", 2), ("2", 0)):
        rest = float(model[other].weight.detach().double().square().sum())
        assert found.layers[name] == pytest.approx(
            [rest + largest(model[int(name)], fraction) for fraction in (0.5, 0.2)])


def test_fractions_of_what_is_left():
    model = chain()
    prune(model, {"0": 0.5})
    counts = []
    scan(model, lambda trial: counts.append(kept(trial)["0"]) or 0.0, [1.0, 0.5, 0.1], ["0"],
         relative=True)
    assert counts == [60, 60, 30, 6]


def test_the_model_stays_as_it_was_bit_for_bit():
    """Whatever is done to what is measured; of a pruned model, too."""
    model = chain().train()
    prune(model, {"0": 0.5})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def vandal(trial):
        trial.eval()
        with torch.no_grad():
            for tensor in trial.state_dict().values():
                tensor.add_(1)
        return 0.0
    scan(model, vandal, [0.5, 0.1])
    after = model.state_dict()
    assert before.keys() == after.keys() and model.training and model[0].training
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert kept(model)["0"] == 60


def test_plain_values():
    found = scan(chain(), removed, [0.5], ["2"])
    assert isinstance(found, Sensitivity)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert list(found.to_dict()["layers"]) == ["2"]


@pytest.mark.parametrize("fractions, layers, message", [
    ([], None, "needs at least one fraction"),
    ([2.0], None, "must be in 0 .. 1, not 2.0"),
    ([0.5], ["fc"], "layer must be one of 0, 2, not 'fc'"),
])
def test_refusals(fractions, layers, message):
    with pytest.raises(InputError, match=message):
        scan(chain(), removed, fractions, layers)
