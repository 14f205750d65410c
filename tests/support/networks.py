# SPDX-License-Identifier: Apache-2.0
"""A small network with every kind of layer, and any network with no zero left to skip."""
import dataclasses

import numpy as np
from openeie.core.array.config import OPERATIONS, ArrayConfig
from openeie.core.network.graph import INPUT, Linear, Network, Pool
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights
from support.maps import layer as conv

#: Room for it, and for most.
CONFIG = ArrayConfig(pes=5, queue_depth=3, encodings=("csr",), operations=OPERATIONS, acc_width=48,
                     entry_depth=1 << 20, pointer_depth=1 << 20, act_depth=1 << 18,
                     acc_depth=1 << 14, channel_depth=1 << 16, max_layers=64)


def branched(rng):
    """7 x 6 pixels of 3 channels: padded convolutions, a concatenation, pools, a linear layer."""
    def window(channels, **fields):
        return Window(height=7, width=6, channels=channels, **fields)
    pooled = Window(height=3, width=3, channels=13)
    return Network(name="branched", layers=(
        conv(rng, window(3), 4, name="narrow"),
        conv(rng, window(4), 7, name="left"),
        conv(rng, window(4, kernel=(3, 3), pad=(1, 1, 1, 1)), 6, name="right",
             sources=("narrow",)),
        Pool(name="largest", reduce="max", sources=("left", "right"),
             window=window(13, kernel=(3, 2), stride=(2, 2))),
        Pool(name="mean", reduce="sum", window=dataclasses.replace(pooled, kernel=(2, 2)),
             multiplier=1, shift=2),
        Linear(name="last", weights=SparseWeights.from_dense(
            rng.integers(0, 3, (11, 2 * 2 * 13))), encoding="csr", sources=("mean",),
            bias=np.zeros(11, int), multiplier=np.full(11, 3), shift=np.full(11, 5))))


def without_zeros(network):
    """The same shapes with all weights 1, and outputs above 0 for inputs above 0."""
    def dense(layer):
        if isinstance(layer, Pool):
            return dataclasses.replace(layer, multiplier=1, shift=0, relu=False)
        m = layer.weights.shape[0]
        return dataclasses.replace(
            layer, weights=SparseWeights.from_dense(np.ones(layer.weights.shape, int)),
            encoding="csr", bias=np.ones(m, int), multiplier=np.ones(m, int),
            shift=np.zeros(m, int))
    return dataclasses.replace(network, layers=tuple(map(dense, network.layers)),
                               input_range=None)


def read_by(network, x, run):
    """What each layer reads on a run, [batch, n]."""
    values = {INPUT: network.check_inputs(x)} | {
        layer.name: layer.outputs for layer in run.layers}
    return [network.read(number, values) for number in range(len(network.layers))]
