# SPDX-License-Identifier: Apache-2.0
"""Float graphs as modules: the same numbers, the same names, and back with shared weights."""
import dataclasses

import numpy as np
import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.compress.graph_module import GraphModule, with_weights
from openeie.sw.compress.methods.order_units import order_units, unorderable
from openeie.sw.compress.methods.prune import kept, prune, weighted_layers
from openeie.sw.compress.methods.share import share, shared
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.float.run import run_float
from openeie.sw.importers.torch.module import load_module
from support.modules import MODULES, draw
from torch import nn

KEEP = {"a": 0.5, "b": 0.3, "c.0": 0.2, "c.1": 0.6}


def chain():
    """Convolutions with padding, with a bias and without; a largest and an average pool."""
    rng = np.random.default_rng(3)

    def normal(*shape):
        return rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)
    return FloatGraph(name="chain", nodes=(
        Node(name="data", op="input", shape=(2, 9, 8)),
        Node(name="a", op="conv", inputs=("data",), kernel=(3, 3), pad=(1, 1),
             weight=normal(6, 2, 3, 3), bias=normal(6)),
        Node(name="ra", op="relu", inputs=("a",)),
        Node(name="pa", op="max_pool", inputs=("ra",), kernel=(2, 2), stride=(2, 2), ceil=True),
        Node(name="b", op="conv", inputs=("pa",), kernel=(2, 3), stride=(1, 1),
             weight=normal(7, 6, 2, 3)),
        Node(name="pb", op="avg_pool", inputs=("b",), kernel=(2, 2), stride=(2, 1), pad=(1, 0),
             pad_counts=True),
        Node(name="flat", op="flatten", inputs=("pb",)),
        Node(name="c.0", op="linear", inputs=("flat",), weight=normal(9, 21), bias=normal(9)),
        Node(name="rc", op="relu", inputs=("c.0",)),
        Node(name="c.1", op="linear", inputs=("rc",), weight=normal(4, 9), bias=normal(4))))


def inputs(count=20):
    return torch.randn(count, 2, 9, 8, generator=torch.Generator().manual_seed(5))


def computed(model, x):
    with torch.no_grad():
        return model(x).numpy()


@pytest.mark.parametrize("name", MODULES)
def test_it_computes_what_the_graph_computes(name, rng):
    module, x = draw(name, rng)
    graph = load_module(module, x)
    model = GraphModule(graph)
    assert np.allclose(computed(model, x), run_float(graph, x.numpy()), atol=1e-5)
    assert list(weighted_layers(model)) and set(weighted_layers(model)) == {
        node.name for node in graph.nodes if node.weight is not None}
    assert bool(unorderable(model)) == (name != "lenet")    # depthwise, concatenation, addition
    next(iter(weighted_layers(model).values())).weight.data *= 1.5  # a copy
    assert not np.allclose(computed(model, x), run_float(graph, x.numpy()), atol=1e-5)


def test_convolutions_are_pruned_and_shared_as_linear_layers_are():
    model = GraphModule(chain())
    assert list(weighted_layers(model)) == list(KEEP)
    prune(model, KEEP)
    assert kept(model) == {"a": 54, "b": 76, "c.0": 38, "c.1": 22}
    zero = {name: layer.weight == 0 for name, layer in weighted_layers(model).items()}
    share(model, slots=8)
    for name, layer in weighted_layers(model).items():
        codes, codebook = shared(layer)
        assert codes.shape == layer.weight.shape and len(codebook) == 8 and codebook[0] == 0
        assert np.array_equal(codes == 0, zero[name].numpy())
        assert np.allclose(codebook[codes], layer.weight.detach().numpy())


def test_ordering_channels_changes_nothing():
    model = GraphModule(chain())
    prune(model, KEEP)
    before, first = computed(model, inputs()), model.a.weight.detach().clone()
    order_units(model)
    assert np.allclose(before, computed(model, inputs()), atol=1e-6)
    assert not torch.equal(first, model.a.weight)
    for layer in (model.a, model.b, model.get_submodule("c.0")):
        counts = torch.count_nonzero(layer.weight.flatten(1), dim=1)
        assert torch.all(counts[:-1] >= counts[1:])
    ordered = model.a.weight.detach().clone()
    order_units(model)
    assert torch.equal(ordered, model.a.weight)


def test_units_are_not_ordered_through_what_mixes_them():
    model = nn.Sequential(nn.Conv2d(4, 4, 1, groups=2), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1))
    with pytest.raises(InputError, match=r"not 0 \(Conv2d\), 1 \(GroupNorm\)"):
        order_units(model)
    nodes = chain().nodes
    branched = FloatGraph(name="n", nodes=(
        *nodes[:2], dataclasses.replace(nodes[1], name="e"),
        Node(name="sum", op="add", inputs=("a", "e"))))
    with pytest.raises(InputError, match=r"not the network \(GraphModule\)"):
        order_units(GraphModule(branched))


@pytest.mark.parametrize("slots", [None, 8])
def test_there_and_back(slots):
    graph, model = chain(), GraphModule(chain())
    wanted = computed(model, inputs())
    if slots:
        share(model, slots=slots)
    changed = computed(model, inputs())
    assert np.allclose(changed, wanted, atol=1e-6) == (slots is None)
    back = with_weights(graph, model)
    assert np.allclose(run_float(back, inputs().numpy()), changed, atol=1e-6)
    assert all((node.codes is None) == (slots is None) for node in back.nodes
               if node.weight is not None)
    model.a.bias.data += 1                      # what was taken stays as it was
    assert np.allclose(run_float(back, inputs().numpy()), changed, atol=1e-6)


def test_refusals():
    with pytest.raises(InputError, match=r"'chain': no module is called a, b, c.0, c.1; there "
                                         r"are 0"):
        with_weights(chain(), nn.Sequential(nn.Linear(3, 4)))
    nodes = chain().nodes
    graph = FloatGraph(name="n", nodes=(nodes[0], dataclasses.replace(nodes[1], name="forward")))
    with pytest.raises(InputError, match="must not be called 'forward', a name that torch uses"):
        GraphModule(graph)
