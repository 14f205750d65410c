# SPDX-License-Identifier: Apache-2.0
"""What an export reads of a Sequential, and which options it takes."""
import numpy as np
import openeie
import pytest
import torch
from openeie.core import golden
from openeie.core.errors import InputError
from openeie.sw.binary.export import export
from torch import nn


def exported(model, x, **options):
    """The integer network for inputs of 8 bits."""
    return export(model, x.float() / 256, **{"name": "n", "input_range": (0, 255),
                                             "input_scale": 1 / 256} | options)


def test_a_module_that_stands_in_two_places_is_two_layers():
    relu, pool, block = nn.ReLU(), nn.MaxPool2d(2), nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU())
    model = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), relu, pool, block, block, relu, pool,
                          nn.Flatten(), nn.Linear(8, 3), relu).eval()
    x = torch.randint(0, 256, (16, 2, 9, 8), generator=torch.Generator().manual_seed(1))
    net = exported(model, x)
    assert [layer.name for layer in net.layers] == ["0", "2", "3.0", "4.0", "6", "8"]
    with torch.no_grad():
        floats = model.double()(x.double() / 256).numpy()
    outputs = golden.network(net, openeie.to_array_order(x))[-1]
    outputs = outputs * net.layers[-1].output_scale
    assert np.abs(outputs - floats).max() < 2e-3 * np.abs(floats).max()

    class Doubled(nn.Sequential):
        def forward(self, x):
            return super().forward(x) * 2
    with pytest.raises(InputError, match="model to export must be a Sequential, not a Doubled"):
        exported(Doubled(nn.Flatten(), nn.Linear(144, 3)), x)


@pytest.mark.parametrize("options, message", [
    ({"input_scale": -1.0}, "input_scale must be a positive finite number, .* not -1.0"),
    ({"input_scale": float("nan")}, "input_scale must be a positive finite number"),
    ({"input_range": (5, 4)}, r"input_range must be two integers, low <= high, .* not \(5, 4\)"),
    ({"act_width": 12}, "act_width must be 8 or 16, not 12"),
    ({"acc_width": 49}, "acc_width must be an integer in 16 .. 48, not 49")])
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        exported(nn.Sequential(nn.Linear(4, 3)), torch.ones(2, 4), **options)
