# SPDX-License-Identifier: Apache-2.0
"""Nodes of small float graphs, and their inputs as an array takes them."""
import numpy as np
import openeie
from openeie.core import golden
from openeie.sw.compress.graph_module import with_weights
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.float.run import outputs_of
from openeie.sw.quantise.quantise import quantise_graph
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
    return openeie.to_array_order(x)


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


def of_ratios(rng, ratios, undone=True):
    """A convolution whose channels are to one another as ``ratios``, a pool, a depthwise layer,
    and a convolution that brings all to one size, or does not."""
    sizes, count = np.array(ratios), len(ratios)

    def layer(name, source, weight, bias, **fields):
        return Node(name=name, op="conv", inputs=(source,), kernel=weight.shape[2:],
                    weight=weight.astype(np.float32), bias=bias.astype(np.float32), **fields)
    last = rng.normal(size=(6, count, 1, 1)) / (sizes.reshape(-1, 1, 1) if undone else 1)
    return FloatGraph(name="ratios", nodes=(
        Node(name="data", op="input", shape=(3, 10, 10)),
        layer("a", "data", rng.normal(size=(count, 3, 3, 3)) * sizes.reshape(-1, 1, 1, 1),
              rng.normal(size=count) * sizes, pad=(1, 1)),
        Node(name="ra", op="relu", inputs=("a",)),
        Node(name="p", op="max_pool", inputs=("ra",), kernel=(2, 2), stride=(2, 2)),
        layer("d", "p", rng.normal(size=(count, 1, 3, 3)), rng.normal(size=count) * sizes,
              pad=(1, 1), groups=count),
        Node(name="rd", op="relu", inputs=("d",)),
        layer("e", "rd", last, rng.normal(size=6))))


def channel_errors(graph, x, **options):
    """By layer and channel: the largest difference between the networks on integers x / 128, and
    the largest float outputs before and after the ReLU. What a unit of a channel is worth follows
    from the outputs themselves: a power of two of the layer's scale."""
    real = x.astype(np.float32) / 128
    network = quantise_graph(graph, real, input_range=(-127, 127), input_scale=1 / 128, **options)
    values = {node.name: value.transpose(0, 2, 3, 1).reshape(-1, value.shape[1])
              for node, value in outputs_of(graph, real)}
    relus = {node.inputs[0]: node.name for node in graph.nodes if node.op == "relu"}
    found = {}
    for layer, words in zip(network.layers, golden.network(network, integers(x))):
        wanted = values[relus.get(layer.name, layer.name)]
        got = words.reshape(wanted.shape) * layer.output_scale
        ratio = np.sum(got * wanted, axis=0) / np.maximum(np.sum(wanted * wanted, axis=0), 1e-30)
        got /= np.exp2(np.rint(np.log2(np.maximum(ratio, 0.5))))
        found[layer.name] = (np.abs(got - wanted).max(axis=0),
                             np.abs(values[layer.name]).max(axis=0), np.abs(wanted).max(axis=0))
    return found
