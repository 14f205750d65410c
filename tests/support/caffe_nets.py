# SPDX-License-Identifier: Apache-2.0
"""A small network as Caffe describes it, and weights for it."""
import numpy as np
from openeie.sw.importers.caffe.network import Blobs

SMALL = """
name: "small"  # two branches and all that stands between
input: "data" input_dim: 1 input_dim: 2 input_dim: 9 input_dim: 7
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "ra" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "a" top: "b"
        convolution_param { num_output: 6 kernel_h: 1 kernel_w: 3 pad_h: 0 pad_w: 1 group: 2 } }
layer { name: "c" type: "Concat" bottom: "a" bottom: "b" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
        pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 } }
layer { name: "d" type: "Dropout" bottom: "p" top: "p" }
layer { name: "ip" type: "InnerProduct" bottom: "p" top: "ip"
        inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


def blobs(rng):
    def draw(layer, shape):
        return Blobs(weight=rng.normal(size=shape).astype(np.float32),
                     bias=rng.normal(size=layer.outputs).astype(np.float32))
    return draw
