# SPDX-License-Identifier: Apache-2.0
"""Weight sharing: slot 0 is zero, gradients are sums, and what is shared is what was clustered."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.methods.kmeans import kmeans, optimal
from openeie.sw.compress.methods.prune import prune
from openeie.sw.compress.methods.share import gather_centroids, share, share_layer, shared
from openeie.sw.compress.methods.train import Schedule, fit
from support.modules import chain


def test_slot_0_is_zero_and_stays_zero():
    model = chain()
    prune(model, {"0": 0.4, "2": 0.4})
    zero = model[0].weight.detach() == 0
    share(model, slots=8)
    codes, codebook = shared(model[0])
    assert codebook[0] == 0 and len(codebook) == 8 and codes.dtype == np.uint8
    assert np.array_equal(codes == 0, zero.numpy())
    assert len(np.unique(model[0].weight.detach().numpy())) <= 8
    fit(model, torch.randn(64, 12), torch.randint(0, 7, (64,)), Schedule(epochs=1, batch=16),
        generator=torch.Generator().manual_seed(1))
    after, trained = shared(model[0])
    used = np.isin(np.arange(8), codes) & (np.arange(8) > 0)
    assert np.array_equal(after, codes) and trained[0] == 0
    assert np.array_equal(trained != codebook, used)        # a centroid without members stays
    assert np.array_equal(model[0].weight.detach().numpy(),
                          trained.astype(np.float32)[codes])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_centroids_gradient_is_the_sum_over_its_members(seed):
    """Deep Compression's equation 3, against autograd through plain indexing."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 5, (6, 7), generator=generator)
    upstream = torch.randn(6, 7, generator=generator, dtype=torch.float64)
    ours = torch.randn(4, generator=generator, dtype=torch.float64).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    (gather_centroids(ours, codes.to(torch.uint8)) * upstream).sum().backward()
    (torch.cat([torch.zeros(1, dtype=torch.float64), theirs])[codes] * upstream).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)


def test_each_layer_has_its_own_slots_and_way():
    weights = [layer.weight.detach().numpy() for layer in (chain()[0], chain()[2])]
    generator = torch.Generator().manual_seed(5)
    for options, wanted in [
            ({}, lambda values, count: kmeans(values, count)),
            ({"optimal": True}, optimal),
            ({"init": "density"}, lambda values, count: kmeans(values, count, init="density"))]:
        model = chain()
        share(model, slots={"0": 256, "2": 3}, **options)
        for layer, weight, slots in zip((model[0], model[2]), weights, (256, 3)):
            assert np.array_equal(shared(layer)[1][1:].astype(np.float32),
                                  wanted(weight, slots - 1).astype(np.float32))
    share(drawn := chain(), slots=4, init="random", generator=generator)
    share(again := chain(), slots=4, init="random", generator=generator.manual_seed(5))
    assert np.array_equal(shared(drawn[2])[1], shared(again[2])[1])


def test_one_layer_alone():
    model = chain()
    share_layer(model, "2", slots=5)
    assert len(shared(model[2])[1]) == 5 and torch.equal(model[0].weight, chain()[0].weight)
    with pytest.raises(InputError, match=r"must have shared weights; call share\(\) first"):
        shared(model[0])


@pytest.mark.parametrize("slots, message", [
    (1, "slots of layer '0' must be 2 .. 256 .slot 0 is zero., not 1"),
    ({"0": 4, "2": 257}, "slots of layer '2' must be 2 .. 256 .slot 0 is zero., not 257"),
    ({"0": 4}, "slots must be given for each of the layers 0, 2, not for 0"),
    ({"0": 4, "2": 4, "4": 4}, "for each of the layers 0, 2, not for 0, 2, 4"),
])
def test_refused_slots_change_nothing(slots, message):
    model = chain()
    with pytest.raises(InputError, match=message):
        share(model, slots=slots)
    assert torch.equal(model[0].weight, chain()[0].weight)


@pytest.mark.parametrize("value, message", [
    (np.nan, "layer '2': weights must be finite numbers to be shared, and 70 of 70 are not"),
    (-np.inf, "layer '2': weights must be finite numbers to be shared, and 70 of 70 are not"),
    (0.0, "layer '2' must have a weight other than zero"),
])
def test_refused_weights_are_named(value, message):
    model = chain()
    torch.nn.init.constant_(model[2].weight, value)
    with pytest.raises(InputError, match=message):
        share(model)
    assert torch.equal(model[0].weight, chain()[0].weight)
