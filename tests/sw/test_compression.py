# SPDX-License-Identifier: Apache-2.0
"""Pruning, sharing and quantisation: each does what it says, and the whole is repeatable."""
import dataclasses

import kmeans1d
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import artefact, golden
from openeie.core.errors import InputError
from openeie.core.fixed import int_range
from openeie.sw.lenet import LenetRecipe, compress_lenet
from openeie.sw.compress.order import order_units
from openeie.sw.compress.prune import keep_schedule, kept, prune, top_magnitudes
from openeie.sw.quantise import accumulator_bound, quantise
from openeie.sw.compress.cluster import kmeans
from openeie.sw.compress.share import gather_centroids, share, shared
from openeie.sw.compress.train import Affine, Schedule, deterministic, fit
from torch import nn


def network(seed=0, sizes=(12, 10, 7)):
    with deterministic(seed):
        return nn.Sequential(nn.Linear(*sizes[:2]), nn.ReLU(), nn.Linear(*sizes[1:]))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.data())
def test_pruning_keeps_exactly_the_largest(values, data):
    weight = torch.tensor(values, dtype=torch.float32)
    count = data.draw(st.integers(0, len(values)))
    mask = top_magnitudes(weight, count)
    assert mask.sum() == count
    if 0 < count < len(values):
        assert weight[mask].abs().min() >= weight[~mask].abs().max()


def test_pruned_weights_stay_pruned_through_training():
    model = network()
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


def test_pruning_refuses():
    with pytest.raises(ValueError, match="layer must be one of 0, 2, not 'fc'"):
        prune(network(), {"fc": 0.5})
    with pytest.raises(ValueError, match="fraction kept of layer '0' must be in 0 .. 1, not 1.5"):
        prune(network(), {"0": 1.5})
    assert keep_schedule(0.25, 2) == pytest.approx([0.5, 0.25])


@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=60), st.integers(1, 6))
@settings(max_examples=60)
def test_kmeans_is_a_fixed_point_and_near_the_optimum(values, count):
    centroids = kmeans(np.array(values), count)
    assert len(centroids) == count and np.all(np.diff(centroids) >= 0)
    error = np.min((np.array(values)[:, np.newaxis] - centroids) ** 2, axis=1).sum()
    best = kmeans1d.cluster(values, min(count, len(set(values)))).centroids
    optimum = np.min((np.array(values)[:, np.newaxis] - best) ** 2, axis=1).sum()
    assert error >= optimum - 1e-6          # an oracle of its own: nothing can beat it
    spread = np.sum((np.array(values) - np.mean(values)) ** 2)
    assert error <= spread + 1e-6           # and no clustering is worse than a single cluster


def test_slot_0_is_zero_and_stays_zero():
    model = network()
    prune(model, {"0": 0.4, "2": 0.4})
    zero = model[0].weight.detach() == 0
    share(model, slots=8)
    codes, codebook = shared(model[0])
    assert codebook[0] == 0 and len(codebook) == 8
    assert np.array_equal(codes == 0, zero.numpy())
    assert len(np.unique(model[0].weight.detach().numpy())) <= 8


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_a_centroids_gradient_is_the_sum_over_its_members(seed):
    """Deep Compression's equation 3, against autograd through plain indexing."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 5, (6, 7), generator=generator)
    upstream = torch.randn(6, 7, generator=generator, dtype=torch.float64)
    ours = torch.randn(4, generator=generator, dtype=torch.float64).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    (gather_centroids(ours, codes) * upstream).sum().backward()
    (torch.cat([torch.zeros(1, dtype=torch.float64), theirs])[codes] * upstream).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)


@pytest.mark.parametrize("act_width", [8, 16])
def test_the_integer_network_computes_the_float_one(act_width):
    model = network(sizes=(30, 20, 7))
    prune(model, {"0": 0.5, "2": 0.5})
    share(model)
    rng = np.random.default_rng(1)
    x = rng.integers(0, 128 if act_width == 8 else 256, (400, 30))
    high = 127 if act_width == 8 else 255
    net = quantise(model, name="n", calibration=x, input_range=(0, high), input_scale=1 / high,
                   act_width=act_width)
    with torch.no_grad():
        wanted = model(torch.tensor(x / high, dtype=torch.float32)).numpy()
    got = golden.network(net, x)[-1] * net.layers[-1].output_scale
    # Rounding of codebook, bias and activations: a few units of the last place of the output.
    bound = np.abs(wanted).max() * (0.1 if act_width == 8 else 0.001)
    assert np.abs(got - wanted).max() < bound
    close = np.sort(wanted, axis=1)
    clear = close[:, -1] - close[:, -2] > 2 * bound
    assert clear.sum() > 50
    assert np.array_equal(got.argmax(1)[clear], wanted.argmax(1)[clear])


def test_no_sum_can_leave_the_accumulator():
    model = network(sizes=(300, 20, 7))
    share(model)
    net = quantise(model, name="n", calibration=np.full((2, 300), 200), input_range=(0, 255),
                   input_scale=1 / 255, acc_width=28)
    largest = 255
    for layer in net.layers:
        assert accumulator_bound(layer, largest) <= int_range(28)[1]
        largest = 32767
    with pytest.raises(InputError, match="sums must fit an accumulator of 17 bits"):
        quantise(model, name="n", calibration=np.full((2, 300), 200), input_range=(0, 255),
                 input_scale=1 / 255, acc_width=17)


@pytest.mark.parametrize("calibration, factor, message", [
    (0, 1e38, "layer '0': sums cannot be turned into outputs"),
    (1, np.nan, "layer '0': its outputs on the calibration inputs must be finite numbers, not nan"),
])
def test_weights_beyond_what_scales_can_be(calibration, factor, message):
    model = nn.Sequential(nn.Linear(4, 3, bias=False))
    share(model)
    with torch.no_grad():
        for table in model.parameters():
            if table.is_floating_point():
                table.mul_(factor)
    with pytest.raises(InputError, match=message):
        quantise(model, name="n", calibration=np.full((1, 4), calibration), input_range=(0, 1),
                 input_scale=1.0)


def test_unsupported_modules_are_all_named():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Tanh())
    with pytest.raises(InputError, match=r"not 1 \(Sigmoid\), 3 \(Tanh\)"):
        quantise(model, name="n", calibration=np.ones((1, 4), int), input_range=(0, 1),
                 input_scale=1.0)


def test_ordering_units_changes_nothing():
    model = network()
    prune(model, {"0": 0.3, "2": 0.3})
    x = torch.randn(20, 12)
    before = model(x)
    order_units(model)
    assert torch.allclose(before, model(x), atol=1e-6)
    counts = torch.count_nonzero(model[0].weight, dim=1)
    assert torch.all(counts[:-1] >= counts[1:])


def small_set(count, seed):
    """Ten classes of 8 x 8 pictures that differ in where they are bright."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    centres = np.random.default_rng(0).integers(0, 256, (10, 64))
    images = np.clip(centres[labels] + rng.normal(0, 40, (count, 64)), 0, 255).astype(np.uint8)
    return images, labels


def test_the_same_seed_gives_the_same_bytes():
    recipe = LenetRecipe(
        hidden=(24, 12), keep=(0.4, 0.5, 0.8), rounds=2,
        dense=Schedule(epochs=8, batch=50, rate=1e-2),
        between=Schedule(epochs=1, batch=50), sparse=Schedule(epochs=4, batch=50, rate=1e-2),
        centroids=Schedule(epochs=1, batch=50), calibration=100, augment=Affine(shift=0.5))
    train, test = small_set(600, 1), small_set(200, 2)
    first, again, other = (artefact.dumps(compress_lenet(train, test, recipe=recipe, seed=seed))
                           for seed in (5, 5, 6))
    assert first == again and first != other
    provenance = artefact.loads(first).provenance
    assert provenance["integer_error"] < 0.2 and provenance["seed"] == 5
    assert provenance["recipe"] == dataclasses.asdict(recipe) | {
        "hidden": [24, 12], "keep": [0.4, 0.5, 0.8]}
