# SPDX-License-Identifier: Apache-2.0
"""Nodes of small float graphs, and their inputs as an array takes them."""
import numpy as np
from openeie.sw.float_graph import FloatGraph, Node
from openeie.sw.graph_module import with_weights
from openeie.sw.quantise_graph import quantise_graph
from torch import nn


def conv(name, source, rng, channels=2, out=2, gain=1.0):
    return Node(name=name, op="conv", inputs=(source,),
                weight=(gain * rng.normal(size=(out, channels, 1, 1))).astype(np.float32))


def pool(name, source):
    return Node(name=name, op="max_pool", inputs=(source,), kernel=(3, 3), pad=(1, 1))


def cat(name, *sources):
    return Node(name=name, op="concat", inputs=sources)


def integers(x):
    """Maps [batch, channels, height, width] as the array's network takes them."""
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1)


def linear_stack(model):
    """Name, layer and whether a ReLU follows, of a chain of linear layers."""
    parts = [*model.named_children(), (None, None)]
    return [(name, layer, isinstance(after, nn.ReLU))
            for (name, layer), (_, after) in zip(parts, parts[1:]) if isinstance(layer, nn.Linear)]


def integers_of(model, x, *, high, **options):
    """The integer network of a chain of linear layers on inputs x [batch, n] in 0 .. high."""
    nodes = [Node(name="x", op="input", shape=x.shape[1:])]
    for name, layer, relu in linear_stack(model):
        nodes.append(Node(name=name, op="linear", inputs=(nodes[-1].name,),
                          weight=layer.weight.detach().numpy()))
        if relu:
            nodes.append(Node(name=f"relu{name}", op="relu", inputs=(name,)))
    graph = with_weights(FloatGraph(name="n", nodes=nodes), model)
    return quantise_graph(graph, x.astype(np.float32) * np.float32(1 / high),
                          input_range=(0, high), input_scale=1 / high, **options)
