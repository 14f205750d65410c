# SPDX-License-Identifier: Apache-2.0
"""Quantisation of a chain of linear layers: the integers compute what the floats do."""
import re
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from openeie.core import golden
from openeie.core.errors import InputError, NumericWarning
from openeie.core.network.bounds import accumulator_needs
from openeie.sw.compress.methods.prune import prune
from openeie.sw.compress.methods.share import share
from support.float_nodes import integers_of
from support.modules import chain
from torch import nn


@pytest.mark.parametrize("act_width", [8, 16])
def test_the_integer_network_computes_the_float_one(act_width):
    model = chain(sizes=(30, 20, 7))
    prune(model, {"0": 0.5, "2": 0.5})
    share(model)
    rng = np.random.default_rng(1)
    x = rng.integers(0, 128 if act_width == 8 else 256, (400, 30))
    high = 127 if act_width == 8 else 255
    net = integers_of(model, x, high=high, act_width=act_width)
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


@pytest.mark.filterwarnings("ignore::openeie.NumericWarning")
def test_no_sum_can_leave_the_accumulator():
    model = chain(sizes=(300, 20, 7))
    share(model)
    x = np.full((2, 300), 200)
    net = integers_of(model, x, high=255, acc_width=28)
    needs = [bits for _, bits, _, _ in accumulator_needs(net)]
    assert len(needs) == 2 and max(needs) <= 28
    with pytest.raises(InputError, match="'0': its sums need more than the 16 bits of an acc"
                       ) as refused:
        integers_of(model, x, high=255, acc_width=16)
    advised = int(re.search("use an acc_width of ([0-9]+) or more", str(refused.value))[1])
    with pytest.raises(InputError, match=f"'.': its sums need more than the {advised - 1} bits"):
        integers_of(model, x, high=255, acc_width=advised - 1)
    first = nn.Sequential(model[0])
    assert len(integers_of(first, x, high=255, acc_width=advised).layers) == 1


@pytest.mark.parametrize("calibration, factor, message", [
    (0, 1e38, "node '0': sums cannot be turned into outputs"),
    (1, np.nan, "node '0': its outputs on the calibration inputs must be finite numbers, not nan"),
])
def test_weights_beyond_what_scales_can_be(calibration, factor, message):
    model = nn.Sequential(nn.Linear(4, 3, bias=False))
    share(model)
    with torch.no_grad():
        for table in model.parameters():
            if table.is_floating_point():
                table.mul_(factor)
    with pytest.raises(InputError, match=message):
        integers_of(model, np.full((1, 4), calibration), high=1)


@pytest.mark.parametrize("bias, told", [
    (1.0, nullcontext()),
    (10.0, pytest.warns(NumericWarning, match="layer '0': a bias that is large .* 8 steps .*; "
                                                "give it larger weights or a smaller bias$"))])
def test_weights_are_coarser_beside_a_large_bias(bias, told):
    model = chain(sizes=(30, 20, 7))
    with torch.no_grad():
        model[0].weight *= 1e-4
        model[0].bias.fill_(bias)
    x = np.random.default_rng(1).integers(0, 256, (50, 30))
    with told:
        net = integers_of(model, x, high=255, acc_width=32)
    with torch.no_grad():
        wanted = model(torch.tensor(x / 255, dtype=torch.float32)).numpy()
    got = golden.network(net, x)[-1] * net.layers[-1].output_scale
    assert np.abs(got - wanted).max() < 0.001 * np.abs(wanted).max()
    assert np.abs(net.layers[0].bias).max() > 2 ** 29
    assert max(bits for _, bits, _, _ in accumulator_needs(net)) <= 32


def test_the_accumulator_that_a_bias_is_told_to_need_is_wide_enough():
    model = chain(sizes=(30, 7))
    with torch.no_grad():
        model[0].weight *= 1e-4
        model[0].bias.fill_(0.1)
    x = np.random.default_rng(1).integers(0, 256, (50, 30))
    with pytest.warns(NumericWarning, match="a bias that is large .* or an acc_width of") as told:
        integers_of(model, x, high=255, acc_width=26)
    advised = int(str(told[0].message).rpartition(" ")[2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integers_of(model, x, high=255, acc_width=advised)


def test_a_bias_beyond_all_weights_is_refused():
    model = chain(sizes=(30, 20, 7))
    with torch.no_grad():
        model[0].weight *= 1e-9
        model[0].bias.fill_(1e3)
    with pytest.raises(InputError, match="node '0': its bias must not exceed .* give it larger"):
        integers_of(model, np.full((2, 30), 200), high=255, acc_width=32)


def test_few_steps_round_up_and_still_fit():
    model = nn.Sequential(nn.Linear(243, 1))
    with torch.no_grad():
        model[0].weight.fill_(0.17)[0, 0] = 1
        model[0].bias.fill_(1_328_196 / 19_000)
    x = np.full((2, 243), 19_000)
    with pytest.raises(InputError, match="its bias must not exceed .* less what its sums need"):
        integers_of(model, x, high=19_000, acc_width=24)
