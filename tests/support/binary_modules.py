# SPDX-License-Identifier: Apache-2.0
"""Modules of torch for the tests of binary networks, and their integers."""
import openeie
import torch
from openeie.sw.binary.export import export
from torch import nn


def norm(channels, **values):
    """A BatchNorm2d with other values than its first."""
    module = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, name).copy_(torch.tensor(value))
    return module


def exported(model, x, **options):
    """The integer network for inputs of 8 bits."""
    return export(model, x.float() / 256, **{"name": "n", "input_range": (0, 255),
                                             "input_scale": 1 / 256} | options)


def flat(x):
    """Maps [batch, channels, ...] as integer networks take them."""
    return openeie.to_array_order(x)
