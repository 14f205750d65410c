# SPDX-License-Identifier: Apache-2.0
"""What channels of very different size lose: with one scale a layer, and with rows' scales and
equalisation.

Channels of 1 : 0.1 : 0.01 : 0.001 : 0.0001 go through a 3x3 convolution, a largest pool and a
depthwise layer; a 1x1 layer brings them back to one size. Weights are drawn anew each time; as
shared weights, each with a slot of its own, they have one scale a layer and are not equalised.
Prints a JSON object a line: bits of an activation, how, and the median over the draws of the
largest errors: of conv and depthwise the worst channel's, as a share of its own largest value
before the ReLU; of the output as a share of the layer's.
"""
import json
import warnings
from dataclasses import replace

import numpy as np
import openeie
from openeie.sw.float.graph import FloatGraph, Node

RATIOS = 10.0 ** -np.arange(5)
DRAWS, INPUTS = 25, 40


def network(rng):
    """The float graph; biases are of their channels' size."""
    def layer(name, source, weight, bias, **fields):
        return Node(name=name, op="conv", inputs=(source,), kernel=weight.shape[2:],
                    weight=weight.astype(np.float32), bias=bias.astype(np.float32), **fields)
    count = len(RATIOS)
    return FloatGraph(name="ratios", nodes=(
        Node(name="data", op="input", shape=(3, 10, 10)),
        layer("conv", "data", rng.normal(size=(count, 3, 3, 3)) * RATIOS.reshape(-1, 1, 1, 1),
              rng.normal(size=count) * RATIOS, pad=(1, 1)),
        Node(name="r1", op="relu", inputs=("conv",)),
        Node(name="pool", op="max_pool", inputs=("r1",), kernel=(2, 2), stride=(2, 2)),
        layer("depthwise", "pool", rng.normal(size=(count, 1, 3, 3)),
              rng.normal(size=count) * RATIOS, pad=(1, 1), groups=count),
        Node(name="r2", op="relu", inputs=("depthwise",)),
        layer("output", "r2", rng.normal(size=(6, count, 1, 1)) / RATIOS.reshape(-1, 1, 1),
              rng.normal(size=6))))


def shared(node):
    """The node with the same weights in a codebook, slot 0 for none."""
    if node.weight is None:
        return node
    codes = 1 + np.arange(node.weight.size, dtype=np.uint8).reshape(node.weight.shape)
    return replace(node, codes=codes, codebook=np.append(np.float32(0), node.weight.ravel()))


def errors(graph, x, act_width):
    """Of the convolution, the depthwise layer and the output."""
    reports = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", openeie.NumericWarning)     # the errors are the point
        openeie.quantise(graph, x / np.float32(128), report=reports.append, act_width=act_width,
                         input_range=(-127, 127), input_scale=1 / 128)
    layers = {layer.name: layer for layer in reports[0].layers}
    return [layers["conv"].own_error, layers["depthwise"].own_error, layers["output"].error]


def main() -> None:
    """Print all rows."""
    for act_width in (16, 8):
        found = {"one scale a layer": [], "rows' scales and equalisation": []}
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            graph, x = network(rng), rng.integers(-127, 128, (INPUTS, 3, 10, 10))
            one = replace(graph, nodes=tuple(map(shared, graph.nodes)))
            for how, each in zip(found, (one, graph)):
                found[how].append(errors(each, x.astype(np.float32), act_width))
        for how, rows in found.items():
            medians = np.median(rows, axis=0)
            print(json.dumps({"act_width": act_width, "how": how} | dict(
                zip(("conv", "depthwise", "output"), medians.tolist()))))


if __name__ == "__main__":
    main()
