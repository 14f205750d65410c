# SPDX-License-Identifier: Apache-2.0
"""Nodes of small float graphs, and their inputs as an array takes them."""
import numpy as np
from openeie.sw.float_graph import Node


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
