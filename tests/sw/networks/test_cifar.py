# SPDX-License-Identifier: Apache-2.0
"""CifarNet from nothing to an artefact, on a few images made here."""
from collections import OrderedDict

import numpy as np
import openeie
import pytest
import torch
from openeie.core import golden
from openeie.core.artefact import artefact
from openeie.sw.compress.graph_module import GraphModule, with_weights
from openeie.sw.compress.methods.one_cycle_sgd import Cycle, fit_cycle, predict
from openeie.sw.compress.methods.order_units import order_units
from openeie.sw.compress.methods.prune import kept, prune
from openeie.sw.compress.methods.share import share
from openeie.sw.compress.methods.train import cross_entropy, deterministic
from openeie.sw.compress.pipeline import compress
from openeie.sw.importers.torch.module import load_module
from openeie.sw.networks.cifar import CifarNet
from openeie.sw.quantise.quantise import quantise_graph
from support.cifar_files import coloured
from torch import nn

SCALE = 1 / 255


def test_the_shapes_that_are_documented():
    model = CifarNet().eval()
    assert round(sum(one.numel() for one in model.parameters()), -3) == 541_000
    x, sizes = torch.zeros(1, 3, 32, 32), []
    for name, part in model.named_children():
        x = part(x)
        if name.startswith(("relu", "pool")):
            sizes.append((x.shape[1], x.shape[2]))
    assert sizes == [(32, 16), (64, 16), (64, 8), (128, 8), (128, 8), (128, 4), (256, 4), (256, 1)]
    assert x.shape == (1, 10)


# Untrained, with an accumulator of 32 bits: its rounding is told.
@pytest.mark.filterwarnings("ignore::openeie.NumericWarning")
def test_from_nothing_to_an_artefact():
    images, labels = coloured(120)
    floats = images.astype(np.float32) * np.float32(SCALE)
    with deterministic(0) as generator:
        model = CifarNet()
        fit_cycle(model, images, labels, Cycle(epochs=5, batch=12, rate=0.02), scale=SCALE,
                  generator=generator, loss=cross_entropy)
        graph = load_module(model, floats[:1])              # batch normalisation folded
        model = GraphModule(graph).eval()
        float_answers = predict(model, images, scale=SCALE)
        assert np.mean(float_answers == labels) > 0.5       # colours: half of it is enough here
        prune(model, dict.fromkeys(kept(model), 0.5))
        order_units(model)
        share(model, slots=32)
        answers = predict(model, images, scale=SCALE)
    network = quantise_graph(with_weights(graph, model), floats, input_range=(0, 255),
                             input_scale=SCALE, acc_width=32, encoding="huffman")
    data = artefact.dumps(network)
    loaded = artefact.loads(data)
    x = openeie.to_array_order(images[:20]).astype(np.int64)
    outputs = golden.network(loaded, x)[-1]
    assert np.array_equal(outputs, golden.network(network, x)[-1])
    assert np.mean(outputs.argmax(1) == answers[:20]) >= 0.9
    assert len(data) < 4 * 541_000 / 6


class Small(nn.Sequential):
    """A chain with batch normalisation, as CifarNet is one."""

    def __init__(self):
        super().__init__(OrderedDict(
            conv1=nn.Conv2d(3, 16, 3, stride=4, bias=False), norm1=nn.BatchNorm2d(16),
            relu1=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(),
            classes=nn.Linear(16, 10)))


def test_units_are_ordered_once_normalisation_is_folded():
    """And the integer network still answers as the pruned one does."""
    train, test = coloured(200), coloured(100, seed=1)
    result = compress(Small, {"train_images": train[0], "train_labels": train[1],
                              "test_images": test[0], "test_labels": test[1]},
                      {"data": {"hold_out": 0}, "train": {"epochs": 12, "batch": 20, "rate": 0.02},
                       "prune": {"keep": {"conv1": 0.3}}, "share": {"bits": 5}})
    left = np.count_nonzero(result.network.layers[0].weights.dense(), axis=1)
    assert (np.diff(left) <= 0).all() and left[0] > left[-1]
    assert result.errors["float"] < 0.3
    assert abs(result.errors["integer"] - result.errors["pruned"]) <= 0.1
