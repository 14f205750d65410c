# SPDX-License-Identifier: Apache-2.0
"""Errors of channels of very different sizes, with one scale a layer, and with row scales and
equalisation.

Channels of 1 : 0.1 : 0.01 : 0.001 : 0.0001 go through a 3x3 convolution, a max pool and a depthwise
layer; a 1x1 layer brings them back to one size. Weights are random. As shared weights, each with
a slot of its own, they have one scale a layer and are not equalised.

Prints one JSON object a line: bits of an activation, the kind of scales, and medians over the draws
of the largest errors. Those of conv and depthwise are the worst channel's, as a share of its
largest value before the ReLU; that of the output is a share of the layer's largest value.
"""
import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import openeie
from openeie.sw.float.graph import FloatGraph, Node

RATIOS = 10.0 ** -np.arange(5)
DRAWS = 25
INPUTS = 40


def network(rng: np.random.Generator) -> FloatGraph:
    """The float graph; biases have the size of their channels."""
    def layer(name: str, source: str, weight: np.ndarray, bias: np.ndarray, **fields: Any) -> Node:
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


def shared(node: Node) -> Node:
    """The node with the same weights in a codebook; slot 0 is for zeros."""
    if node.weight is None:
        return node
    codes = 1 + np.arange(node.weight.size, dtype=np.uint8).reshape(node.weight.shape)
    return replace(node, codes=codes, codebook=np.append(np.float32(0), node.weight.ravel()))


def errors(graph: FloatGraph, x: np.ndarray, act_width: int) -> list[float]:
    """Errors of the convolution, the depthwise layer and the output."""
    reports: list = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", openeie.NumericWarning)     # large errors are expected
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
            graph = network(rng)
            x = rng.integers(-127, 128, (INPUTS, 3, 10, 10))
            one = replace(graph, nodes=tuple(map(shared, graph.nodes)))
            for how, each in zip(found, (one, graph)):
                found[how].append(errors(each, x.astype(np.float32), act_width))
        for how, rows in found.items():
            medians = np.median(rows, axis=0)
            print(json.dumps({"act_width": act_width, "how": how} | dict(
                zip(("conv", "depthwise", "output"), medians.tolist()))))


if __name__ == "__main__":
    main()
