# SPDX-License-Identifier: Apache-2.0
"""Trained modules as integers: the same numbers as torch, and nothing left out silently."""
import copy
import dataclasses
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from support.binary_modules import exported, flat, norm
from support.binary_networks import draw_binary
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.artefact import artefact
from openeie.core.errors import InputError
from openeie.core.network.binary import SignConv, SignLinear
from openeie.core.network.graph import Conv, Depthwise, Linear, Network, Pool
from openeie.core.numbers.signs import SignMatrix
from openeie.sw.binary import modules
from openeie.sw.binary.exact import exact_outputs
from openeie.sw.binary.export import export
from torch import nn

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
@settings(max_examples=80)
def test_golden_and_torch_compute_the_same_integers(seed):
    net = draw_binary(seed)
    x = np.random.default_rng(seed).integers(-100, 121, (3, net.inputs))
    for this, ours, theirs in zip(net.layers, golden.network(net, x), exact_outputs(net, x)):
        assert np.array_equal(ours, theirs), this.name


def draw_module(seed):
    """A chain with every kind of stage, at random sizes, its batch norms and weights at random."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    mode = str(rng.choice(["bwn", "xnor"]))
    a, b, c = (int(size) for size in rng.integers(1, 7, 3))
    pool = [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 1, 1)][rng.integers(3)]
    parts = [nn.Conv2d(2, a, 3, padding=1, bias=bool(rng.integers(2))), nn.BatchNorm2d(a),
             *[nn.ReLU()] * int(rng.integers(2)), pool, nn.BatchNorm2d(a),
             modules.BinaryConv2d(a, b, 3, stride=int(rng.integers(1, 3)), mode=mode,
                                  padding=int(rng.integers(3)), bias=bool(rng.integers(2))),
             *[nn.BatchNorm2d(b)] * int(rng.integers(2)), nn.ReLU(), nn.Dropout(0.5),
             nn.BatchNorm2d(b), *[nn.AdaptiveAvgPool2d(1)] * int(rng.integers(2)), nn.Flatten()]
    x = torch.rand(4, 2, 9, 8)
    features = nn.Sequential(*parts).eval()(x).shape[1]
    model = nn.Sequential(*parts, modules.BinaryLinear(features, c, mode=mode), nn.BatchNorm1d(c),
                          nn.ReLU(), nn.Linear(c, 3))
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            with torch.no_grad():
                module.running_mean.copy_(torch.randn(module.num_features) * 0.2)
                module.running_var.copy_(torch.rand(module.num_features) + 0.1)
                module.weight.copy_(torch.randn(module.num_features))
                module.bias.copy_(torch.randn(module.num_features) * 0.3)
    return model.eval(), mode


@given(SEEDS)
@settings(max_examples=40)
def test_a_module_s_integers_are_near_its_floats_and_the_same_in_torch(seed):
    model, mode = draw_module(seed)
    x = torch.randint(0, 256, (16, 2, 9, 8), generator=torch.Generator().manual_seed(seed))
    try:
        network = exported(model, x)
    except InputError as error:         # a batch norm that leaves next to nothing of its inputs
        assert "its weights are too small for what is added to them" in str(error)
        reject()
    net = artefact.loads(artefact.dumps(network))
    outputs = golden.network(net, flat(x))
    for ours, theirs in zip(outputs, exact_outputs(net, flat(x))):
        assert np.array_equal(ours, theirs)
    with torch.no_grad():
        floats = model.double()(x.double() / 256).numpy()
    away = np.abs(outputs[-1] * net.layers[-1].output_scale - floats).max(axis=1)
    size = np.abs(floats).max()
    if mode == "bwn":
        assert away.max() < 2e-3 * size
    else:           # a sign that rounding changes is a step, and rare
        assert np.median(away) < 2e-3 * size


def test_the_layers_of_a_network():
    model = nn.Sequential(OrderedDict([
        ("conv", nn.Conv2d(2, 4, 3)), ("norm", norm(4)), ("relu", nn.ReLU()),
        ("pool", nn.MaxPool2d(2)), ("sign", norm(4)),
        ("inner", nn.Sequential(modules.BinaryConv2d(4, 6, 3, padding=1, mode="xnor"), norm(6))),
        ("mean", nn.AdaptiveAvgPool2d(1)), ("clip", nn.ReLU()), ("flatten", nn.Flatten()),
        ("vector", nn.BatchNorm1d(6)), ("binary", modules.BinaryLinear(6, 5, mode="bwn")),
        ("drop", nn.Dropout()), ("last", nn.Linear(5, 3))])).eval()
    net = exported(model, torch.randint(0, 256, (4, 2, 9, 8)))
    assert [(layer.name, type(layer), layer.relu) for layer in net.layers] == [
        ("conv", Conv, True), ("pool", Pool, False), ("sign", Depthwise, False),
        ("inner.0", SignConv, False), ("mean", Pool, True), ("vector", Depthwise, False),
        ("binary", SignLinear, False), ("last", Linear, False)]
    assert net.layers[4].window.kernel == (3, 3) and net.layers[3].mode == "xnor"
    assert net.layers[3].window.pad == (1, 1, 1, 1) and net.inputs == 2 * 9 * 8


@pytest.mark.parametrize("weight", [[1.0, 0.0, -0.7], [1.0, 1e-7, -1e-9], [1e-30, 1.0, 1e-4]])
def test_channels_that_a_norm_makes_constant(weight):
    """Alone, and behind a real layer; the bias would need more than 32 bits."""
    x = torch.randint(0, 256, (8, 3, 4, 4), generator=torch.Generator().manual_seed(1))
    for parts in ([norm(3, weight=weight, bias=[0.3, -1.2, 0.8])],
                  [nn.Conv2d(3, 3, 3), norm(3, weight=weight, bias=[0.3, -1.2, 0.8])]):
        model = nn.Sequential(*parts, nn.Flatten(), nn.Linear(48 if len(parts) < 2 else 12, 4))
        net = exported(model.eval(), x)
        got = golden.network(net, flat(x))[-1] * net.layers[-1].output_scale
        with torch.no_grad():
            assert np.abs(got - model(x / 256).numpy()).max() < 2e-3


def test_a_binary_channel_cannot_be_constant():
    model = nn.Sequential(modules.BinaryConv2d(3, 3, 3, mode="bwn"), norm(3, weight=[1., 0., 1.]))
    with pytest.raises(InputError, match="layer '0': the scale of channel 1 must not be 0, since a "
                                         "binary weight cannot be"):
        exported(model, torch.ones(1, 3, 4, 4))
    model[1] = norm(3, weight=[1., 1., 1e-9], bias=[0., 0., 5.])
    with pytest.raises(InputError, match="layer '0': its bias must be in .*, but channel 2 needs"):
        exported(model, torch.ones(1, 3, 4, 4))


class Odd(nn.Module):
    """A module that no stage can be made of."""


@pytest.mark.parametrize(("model", "parts"), [
    (nn.Linear(3, 2), ["must be a Sequential, not a Linear"]),
    (nn.Sequential(), ["no layer"]),
    (nn.Sequential(nn.ReLU(), nn.Conv2d(2, 4, 3, groups=2), Odd(),
                   nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Sigmoid()),
                   nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(),
                   nn.BatchNorm1d(4), nn.Linear(4, 2), nn.Conv2d(2, 2, 1),
                   nn.Unflatten(1, (2, 1, 1)),
                   nn.AvgPool2d(2, padding=1, count_include_pad=False)),
     ["0 (ReLU) of the input, after no layer", "1 (Conv2d): groups and dilation must be 1",
      "2 (Odd): there is no such layer", "3.0 (MaxPool2d): ceil_mode must be off",
      "3.1 (Sigmoid): there is no such layer", "4 (BatchNorm2d): it must track",
      "6 (BatchNorm1d) after a Flatten: .*put a BatchNorm2d before the Flatten",
      "8 (Conv2d): it reads no map", "9 (Unflatten)", "10 (AvgPool2d): with padding"]),
    (nn.Sequential(nn.AdaptiveAvgPool2d((2, 1))), ["(AdaptiveAvgPool2d): its output must be one"]),
    (nn.Sequential(nn.Linear(4, 2)), ["0 (Linear) reads a map; put a Flatten before it"]),
    (nn.Sequential(nn.Flatten(2), nn.MaxPool2d(2, dilation=2), nn.AvgPool2d(2, divisor_override=3)),
     ["0 (Flatten): it must begin at axis 1", "1 (MaxPool2d): dilation", "2 (AvgPool2d): divisor"]),
])
def test_what_cannot_be_exported_is_told_all_at_once(model, parts):
    with pytest.raises(InputError) as caught:
        export(model, torch.ones(1, 2, 4, 4), name="n", input_range=(0, 255))
    for part in parts:
        pattern = ".*".join(map(re.escape, part.split(".*")))
        assert re.search(pattern, str(caught.value)), part


def test_inputs_that_the_model_does_not_take():
    model = nn.Sequential(nn.Conv2d(2, 4, 3))
    with pytest.raises(InputError, match=r"0 cannot take values of shape \[1, 3, 4, 4\]"):
        export(model, torch.ones(1, 3, 4, 4), name="n", input_range=(0, 1))
    with pytest.raises(InputError, match=r"calibration must be .*, not \[4\]"):
        export(model, torch.ones(4), name="n", input_range=(0, 1))


def test_a_model_is_left_as_it_was():
    model, _ = draw_module(5)
    model.train()
    before = copy.deepcopy(model.state_dict())
    net = exported(model, torch.randint(0, 256, (4, 2, 9, 8)), provenance={"seed": 5})
    assert model.training and model[0].weight.dtype == torch.float32
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert net.provenance == {"seed": 5}


def test_eight_bits():
    model, _ = draw_module(2)
    x = torch.randint(0, 256, (4, 2, 9, 8))
    net = exported(model, x, act_width=8, input_range=(0, 127), acc_width=24)
    outputs = golden.network(net, flat(x) // 2)
    assert all(np.abs(values).max() <= 128 for values in outputs)
    assert all(np.array_equal(a, b) for a, b in zip(outputs, exact_outputs(net, flat(x) // 2)))


def test_branches_are_not_computed_in_torch():
    first = draw_binary(3).layers[-1]
    other = dataclasses.replace(first, name="other", sources=("input",))
    last = SignLinear(name="last", mode="bwn", sources=("fc", "other"), bias=[0], multiplier=[1],
                      shift=[0], signs=SignMatrix.from_signs(np.ones((1, 2 * first.outputs))))
    net = Network(name="n", layers=(first, other, last))
    with pytest.raises(InputError, match="must be a chain of layers, but 'other' does not read"):
        exact_outputs(net, np.zeros((1, net.inputs), int))


def test_a_flat_input_may_be_unflattened_first():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Unflatten(1, (2, 3, 4)), nn.Conv2d(2, 3, 2), nn.Flatten(),
                          modules.BinaryLinear(18, 4, mode="bwn")).eval()
    maps = torch.randint(0, 256, (5, 2, 3, 4))
    net, same = exported(model, maps.flatten(1)), exported(model[1:], maps)
    assert [layer.inputs for layer in net.layers] == [24, 18]
    assert all(np.array_equal(one, other) for one, other in zip(
        golden.network(net, flat(maps)), golden.network(same, flat(maps))))
