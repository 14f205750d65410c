# SPDX-License-Identifier: Apache-2.0
"""Folding: the same function, without the normalisation; what cannot be folded refused or left."""
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.fold import fold_batch_norms
from openeie.sw.compress.prune import kept, prune
from openeie.sw.compress.share import share
from openeie.sw.networks.cifar import CifarNet
from torch import nn


def used(module, seed=0):
    """The module with statistics and parameters as training leaves them: none is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            size = norm.running_mean.shape
            norm.running_mean.copy_(torch.randn(size, generator=generator))
            norm.running_var.copy_(torch.rand(size, generator=generator) + 0.1)
            if norm.affine:
                with torch.no_grad():           # gains of either sign
                    norm.weight.copy_(torch.randn(size, generator=generator))
                    norm.bias.copy_(torch.randn(size, generator=generator))
    return module.eval()


def assert_same(module, shape, folded):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = module(x)
        assert fold_batch_norms(module) == folded
        after = module(x)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    return after


def test_a_chain_computes_the_same():
    module = used(CifarNet())
    assert_same(module, (3, 32, 32), {f"norm{n}": f"conv{n}" for n in range(1, 6)})
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert module.conv1.bias.shape == (32,)
    assert fold_batch_norms(module) == {}           # nothing is left to do


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**16))
def test_any_layer(conv, bias, affine, seed):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(4, 6, 3, groups=2, bias=bias), nn.BatchNorm2d(6, affine=affine)] if conv \
        else [nn.Linear(4, 6, bias=bias), nn.BatchNorm1d(6, affine=affine)]
    assert_same(used(nn.Sequential(*layers), seed), (4, 5, 5) if conv else (4,), {"1": "0"})


class Branches(nn.Module):
    """Two convolutions of one input, one of them read twice."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.BatchNorm2d(4)])

    def forward(self, x):
        right = self.right(x)
        return self.norms[2](torch.relu(self.norms[0](self.left(x)) + self.norms[1](right) + right))


def test_what_stands_elsewhere_is_left():
    module = used(Branches())
    assert_same(module, (2, 3, 3), {"norms.0": "left"})
    assert [type(norm).__name__ for norm in module.norms] == ["Identity", *["BatchNorm2d"] * 2]


def test_a_layer_that_runs_twice_is_left():
    layer, norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
    assert_same(used(nn.Sequential(layer, norm, layer)), (4,), {})


def test_a_normalisation_of_another_axis_is_left():
    """Behind a linear layer with outputs [batch, length, features], it is that of the length."""
    module = used(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))).train()
    x = torch.randn(3, 4, 4)
    state = {name: one.clone() for name, one in module.state_dict().items()}
    assert fold_batch_norms(module, x) == {} and module.training and module[1].training
    assert all(torch.equal(one, state[name]) for name, one in module.state_dict().items())
    assert_same(used(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(5))), (5, 4), {})
    with pytest.raises(InputError, match=r"on the example of shape \[3, 4, 5\], but raises"):
        fold_batch_norms(module, torch.randn(3, 4, 5))
    assert fold_batch_norms(module, x[0]) == {"1": "0"}
    assert not module[1]._forward_pre_hooks and isinstance(module[1], nn.Identity)


def test_pruned_weights_stay_pruned():
    module = used(nn.Sequential(nn.Conv2d(2, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()))
    prune(module, {"0": 0.25})
    mask = module[0].weight != 0
    assert_same(module, (2, 5, 5), {"1": "0"})
    assert torch.equal(module[0].weight != 0, mask) and kept(module) == {"0": 36}


def test_shared_weights_are_refused_and_nothing_is_changed():
    module = used(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4),
                                nn.BatchNorm1d(4)))
    share(module[3:4], slots=4)
    with pytest.raises(InputError, match="'4' must be folded into '3' before its weights are "
                                         "shared"):
        fold_batch_norms(module)
    assert isinstance(module[1], nn.BatchNorm1d)


def test_refusals():
    with pytest.raises(InputError, match="'1' must keep running statistics"):
        fold_batch_norms(nn.Sequential(nn.Linear(4, 4),
                                       nn.BatchNorm1d(4, track_running_stats=False)))

    class Untraceable(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="of Untraceable cannot be folded: torch.fx cannot trace"):
        fold_batch_norms(Untraceable())
