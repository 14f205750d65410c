# SPDX-License-Identifier: Apache-2.0
"""Integer against float network: a bound proved from the roundings alone, and the shipped file."""
import dataclasses

import numpy as np
import openeie
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.numbers.sparse import SparseWeights
from openeie.sw.compress.methods.prune import prune
from openeie.sw.compress.methods.share import share, shared
from openeie.sw.compress.methods.train import deterministic
from openeie.sw.data.mnist import demo_images, load_mnist
from openeie.sw.quantise.integer_run import integer_error
from support.float_nodes import integers_of, linear_stack
from support.shared_data import MNIST, needs_mnist
from torch import nn


def errors_and_bounds(model, net, x):
    """Per layer |dequantised integer output - float64 output|, and what it cannot exceed.

    A layer's error has five sources: its input's error, half a unit for each weight, the bias
    and the output, and the multiplier's last place; ReLU makes none larger. The integers
    themselves do not enter the bound, so that wrong ones cannot widen it. Nothing may saturate.
    """
    scale = net.input_scale
    exact = seen = x * scale
    error = np.zeros(x.shape)
    for (_, layer, relu), integer, words in zip(linear_stack(model), net.layers,
                                                golden.network(net, x)):
        weight = layer.weight.detach().double().numpy()
        bias = layer.bias.detach().double().numpy()
        unit = integer.weight_scale * scale          # of the accumulator
        used = weight != 0
        bound = (error @ np.abs(weight).T + np.abs(seen) @ used.T * (integer.weight_scale / 2)
                 + unit / 2 + integer.output_scale / 2)
        # A multiplier of 15 significant bits: relative error at most 2**-15, of the sum as summed.
        summed = np.abs(seen) @ np.abs(weight).T + np.abs(bias) + bound
        bound = bound + summed * 2.0 ** -15
        assert np.abs(words).max() < 2 ** (net.act_width - 1) - 1, "saturated"
        exact = exact @ weight.T + bias
        exact = np.maximum(exact, 0) if relu else exact
        seen, scale, error = words * integer.output_scale, integer.output_scale, bound
        yield np.abs(seen - exact), bound * (1 + 1e-9)


def compressed(seed, act_width, images=200):
    with deterministic(seed):
        model = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU(),
                              nn.Linear(12, 7))
    prune(model, {"0": 0.4, "2": 0.5, "4": 0.6})
    share(model)
    high = (1 << (act_width - 1)) - 1 if act_width == 8 else 255
    x = np.random.default_rng(seed).integers(0, high + 1, (images, 30))
    return model, x, integers_of(model, x, high=high, act_width=act_width)


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 16]))
@settings(max_examples=40)
def test_the_error_stays_inside_the_proven_bound(seed, act_width):
    model, x, net = compressed(seed, act_width)
    for error, bound in errors_and_bounds(model, net, x):
        assert np.all(error <= bound)


def test_codebook_and_bias_are_rounded_to_the_nearest():
    model, _, net = compressed(4, 16)
    scale = net.input_scale
    for (_, layer, _), integer in zip(linear_stack(model), net.layers):
        _, codebook = shared(layer)
        away = integer.weights.codebook - codebook / integer.weight_scale
        assert np.abs(away).max() <= 0.5 + 1e-9
        away = integer.bias - layer.bias.detach().double().numpy() / (integer.weight_scale * scale)
        assert np.abs(away).max() <= 0.5 + 1e-6
        scale = integer.output_scale


def test_the_answers_agree_wherever_the_bound_says_so_and_nearly_everywhere():
    model, x, net = compressed(3, 16, images=2000)
    *_, (_, bound) = errors_and_bounds(model, net, x)
    got = golden.network(net, x)[-1].argmax(1)
    with torch.no_grad():
        wanted = model.double()(torch.tensor(x / 255)).numpy()
    ordered = np.sort(wanted, axis=1)
    proven = ordered[:, -1] - ordered[:, -2] > 2 * bound.max(axis=1)
    assert proven.mean() > 0.9
    assert np.array_equal(got[proven], wanted.argmax(1)[proven])
    assert np.mean(got == wanted.argmax(1)) > 0.99


def one_wrong_code_a_column(layer):
    codes = np.zeros(layer.weights.shape, int)
    codes[layer.weights.rows, layer.weights.columns] = layer.weights.codes
    columns = np.flatnonzero(codes.any(axis=0))
    first = (codes != 0).argmax(axis=0)[columns], columns
    codes[first] = (codes[first] + 6) % 15 + 1
    return {"weights": SparseWeights.from_codes(codes, layer.weights.codebook)}


@pytest.mark.parametrize("damage", [
    one_wrong_code_a_column,
    lambda layer: {"bias": layer.bias + np.abs(layer.bias).max() // 8},
    lambda layer: {"multiplier": layer.multiplier - 200},
    lambda layer: {"shift": layer.shift + 1},
    lambda layer: {"relu": not layer.relu},
], ids=["code", "bias", "multiplier", "shift", "relu"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_bound_sees_damage(damage, number):
    """The checker itself: what is wrong in one layer is seen in that layer's outputs.

    Only the golden model runs the damaged network; the bound comes from the sound one.
    """
    model, x, net = compressed(5, 16)
    layers = list(net.layers)
    layers[number] = dataclasses.replace(layers[number], **damage(layers[number]))
    damaged = golden.network(dataclasses.replace(net, layers=tuple(layers)), x)[number]
    sound = golden.network(net, x)[number]
    error, bound = list(errors_and_bounds(model, net, x))[number]
    moved = np.abs(damaged - sound) * net.layers[number].output_scale
    assert np.any(moved > error + bound)


def test_the_shipped_file_meets_the_paper():
    """Deep Compression, Table 1: 27 KB, 1.58 %. Integer outputs, the demo's images."""
    path = openeie.shipped("lenet-300-100")
    net = openeie.load(path)
    assert path.stat().st_size <= 27_000
    assert integer_error(net, *demo_images()) <= 0.0158


@needs_mnist
def test_the_shipped_file_misclassifies_what_it_says():
    net = openeie.load(openeie.shipped("lenet-300-100"))
    assert integer_error(net, *load_mnist(MNIST, "test")) == net.provenance["integer_error"]
