# SPDX-License-Identifier: Apache-2.0
"""Signs through ReLUs, pools and norms, from the accumulator of the layer before."""
import numpy as np
import pytest
import torch
from support.binary_modules import exported, flat, norm
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.errors import InputError
from openeie.sw.binary import modules
from openeie.sw.binary.sign_threshold import thresholds_of
from openeie.sw.binary.stages import stages_of
from torch import nn


def draw_norm(rng, channels):
    """A norm of which one channel may be constant, or hardly move."""
    weight = rng.normal(size=channels)
    weight[0] *= rng.choice([1, 1, 0, 1e-9])
    return norm(channels, weight=weight.tolist(), bias=rng.normal(size=channels).tolist(),
                running_mean=(rng.normal(size=channels) / 4).tolist())


def some(rng, *modules_):
    """All of these, or none."""
    return list(modules_) * int(rng.integers(2))


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_the_first_signs_of_a_network_are_those_of_its_floats(seed):
    """Through ReLUs, pools and norms, with outputs of 8 bits, of which many are near a threshold;
    the first layer has weights that 16 bits hold."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels = int(rng.integers(2, 6))
    before = [nn.Conv2d(2, channels, 3, bias=bool(rng.integers(2))),
              *some(rng, draw_norm(rng, channels)), *some(rng, nn.ReLU()),
              *some(rng, nn.MaxPool2d(3, 1, 1)), *some(rng, nn.ReLU()),
              *some(rng, draw_norm(rng, channels), *some(rng, nn.ReLU())),
              draw_norm(rng, channels), *some(rng, nn.MaxPool2d(2))]
    with torch.no_grad():
        before[0].weight.copy_(torch.randint(-32767, 32768, before[0].weight.shape) / 32768)
        before[0].weight[:, 0, 0, 0] = 32767 / 32768        # so that an integer is worth 1 / 32768
    model = nn.Sequential(*before, modules.BinaryConv2d(channels, 3, 2, mode="xnor")).eval()
    x = torch.randint(0, 128, (32, 2, 9, 8))
    net = exported(model, x, act_width=8, input_range=(0, 127))
    got = golden.network(net, flat(x))[-2]
    with torch.no_grad():
        values = nn.Sequential(*before).double().eval()(x.double() / 256)
    assert np.array_equal(got >= 0, flat(values) >= 0)


@pytest.mark.parametrize("between", [[nn.AvgPool2d(2)], [nn.ReLU(), nn.AvgPool2d(2)]])
def test_an_average_has_no_threshold(between):
    stages = stages_of(nn.Sequential(nn.Conv2d(1, 2, 3), *between, norm(2, bias=[1., 2.]),
                                     modules.BinaryConv2d(2, 1, 1, mode="xnor")), maps=True)
    assert [one is None for one in thresholds_of(stages)] == [True, False, False, True]


def test_a_relu_s_signs_are_all_alike():
    stages = stages_of(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.ReLU(),
                                     modules.BinaryConv2d(2, 1, 1, mode="xnor")), maps=True)
    assert [one and one.gain.tolist() for one in thresholds_of(stages)] == [[0], [0], None]


@pytest.mark.parametrize(("field", "value"), [("running_var", np.nan), ("bias", np.inf)])
def test_a_norm_that_is_not_finite(field, value):
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), norm(3, **{field: [1., value, 1.]}),
                          modules.BinaryConv2d(3, 2, 1, mode="xnor")).eval()
    with pytest.raises(InputError, match="layer '2': its batch norm must .* but channel 1 multi"):
        exported(model, torch.ones(1, 3, 4, 4))


@pytest.mark.parametrize("between", [[], [nn.BatchNorm2d(4), nn.ReLU()]])
def test_a_norm_of_another_number_of_channels(between):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *between, nn.BatchNorm2d(5),
                          modules.BinaryConv2d(5, 1, 1, mode="xnor")).eval()
    with pytest.raises(InputError, match=r"[24] cannot take values of shape \[2, 4, 4, 4\]"):
        exported(model, torch.ones(2, 1, 6, 6))
