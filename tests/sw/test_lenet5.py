# SPDX-License-Identifier: Apache-2.0
"""LeNet-5: Caffe's weights in integers, and the shipped file."""
import numpy as np
import openeie
import pytest
from openeie.core import golden
from openeie.core.artefact.inspect import inspect
from openeie.core.network.bounds import accumulator_needs
from openeie.core.network.layers import Weighted
from openeie.sw.compress.graph_module import GraphModule, with_weights
from openeie.sw.compress.methods.prune import prune
from openeie.sw.compress.methods.share import share
from openeie.sw.data.mnist import demo_images
from openeie.sw.float.run import run_float
from openeie.sw.importers.caffe.npz_weights import load_npz
from openeie.sw.quantise.quantise import quantise_graph


def test_lenet5_in_integers_is_close_and_fits_32_bits(weights):
    graph = load_npz(weights)
    model = GraphModule(graph)
    prune(model, {"conv1": 0.5, "conv2": 0.12, "ip1": 0.02, "ip2": 0.16})
    share(model)
    x = demo_images()[0][:50]
    graph = with_weights(graph, model)
    maps = x.reshape(-1, 1, 28, 28).astype(np.float32) / 256
    net = quantise_graph(graph, maps, input_range=(0, 255), input_scale=1 / 256, acc_width=32,
                         encoding="huffman")
    assert [layer.name for layer in net.layers] == ["conv1", "pool1", "conv2", "pool2", "ip1",
                                                    "ip2"]
    assert max(bits for _, bits, _, _ in accumulator_needs(net)) <= 32
    assert {layer.encoding for layer in net.layers if isinstance(layer, Weighted)} == {"huffman"}
    got = golden.network(net, x)[-1] * net.layers[-1].output_scale
    wanted = run_float(graph, maps)
    assert np.abs(got - wanted).max() < 2e-3 * np.abs(wanted).max()


@pytest.fixture
def weights(tmp_path):
    """A file of weights as Caffe's, of a network that is not trained."""
    rng = np.random.default_rng(2)
    arrays = {}
    for name, *shape in (("conv1", 20, 1, 5, 5), ("conv2", 50, 20, 5, 5), ("ip1", 500, 800),
                         ("ip2", 10, 500)):
        reach = np.prod(shape[1:]) ** -0.5
        arrays[f"{name}_w"] = rng.uniform(-reach, reach, shape).astype(np.float32)
        arrays[f"{name}_b"] = rng.uniform(-reach, reach, shape[0]).astype(np.float32)
    np.savez(tmp_path / "w.npz", **arrays)
    return tmp_path / "w.npz"


def test_the_shipped_file_beats_the_paper():
    """Deep Compression, Table 1: 39x, 0.74 %. That the error is what it says is shown on all test
    images by ``tests/cosim/test_rtl_lenet5.py``."""
    path = openeie.shipped("lenet-5")
    net, contents = openeie.load(path), inspect(path)
    assert contents.float_bytes == 4 * 431_080 and contents.factor >= 80
    assert all(len(layer.weights.codebook) <= 16 for layer in net.layers
               if isinstance(layer, Weighted))
    assert max(bits for _, bits, _, _ in accumulator_needs(net)) <= 32
    assert net.provenance["integer_error"] <= 0.0074
