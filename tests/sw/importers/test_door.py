# SPDX-License-Identifier: Apache-2.0
"""``openeie.quantise``: from what a user has to a network that the engines run."""
import sys

import numpy as np
import openeie
import pytest
import torch
from openeie.core import golden
from openeie.core.array.config import ArrayConfig
from openeie.core.errors import InputError, ToolError
from openeie.sim.fast import fast
from openeie.sw.float.run import run_float
from openeie.sw.importers.torch.module import load_module
from support.modules import draw
from support.onnx_models import model, node

ARRAY = ArrayConfig(pes=4, operations=("linear", "conv", "pool"), encodings=("csr",),
                    acc_width=48, act_depth=4096, entry_depth=1 << 14, pointer_depth=1 << 12,
                    acc_depth=64, channel_depth=256, max_layers=64)


@pytest.mark.parametrize("name", ["lenet", "squeezenet", "mobilenet"])
def test_a_module_in_the_engines(name, rng):
    module, x = draw(name, rng)
    x = rng.integers(-100, 101, x.shape)
    small = x.astype(np.float32) / 64
    network = openeie.quantise(module, torch.tensor(small), input_range=(-100, 100),
                               input_scale=1 / 64)
    inputs = openeie.to_array_order(x)
    values = golden.network(network, inputs)
    expected = run_float(load_module(module, small), small)
    got = values[-1] * network.layers[-1].output_scale
    assert np.abs(got - expected).max() < 5e-3 * np.abs(expected).max()
    run = fast.run(openeie.compile(network, ARRAY), inputs)
    for ours, theirs in zip(run.tiles, values):
        assert np.array_equal(ours.outputs, theirs), ours.name


@pytest.mark.filterwarnings("ignore")               # torch's exporter about its own future
def test_three_doors_give_one_network(rng, tmp_path):
    module, x = draw("lenet", rng)
    torch.onnx.export(module, (x,), tmp_path / "lenet.onnx", verbose=False)
    networks = [openeie.quantise(source, x.numpy(), input_range=(-128, 127), input_scale=1 / 32)
                for source in (module, load_module(module, x), tmp_path / "lenet.onnx",
                               str(tmp_path / "lenet.onnx"))]
    for other in networks[1:]:
        for one, two in zip(networks[0].layers, other.layers):
            assert one.output_scale == two.output_scale
            assert np.array_equal(one.weights.values, two.weights.values)
            ours, theirs = (layer.writeback(networks[0].act_width) for layer in (one, two))
            for name, values in ours.items():
                assert np.array_equal(values, theirs[name]), name
    assert [network.provenance["importer"] for network in networks] == [
        "torch", "torch", "onnx", "onnx"]


def test_calibration_inputs_that_do_not_fit(rng, tmp_path):
    module, x = draw("lenet", rng)
    graph = load_module(module, x)
    path = tmp_path / "a.onnx"
    path.write_bytes(model([node("Conv", "x w", "y")], (None, 1, 16, 16),
                           w=np.ones((1, 1, 3, 3))).SerializeToString())

    def refused(source, calibration, message):
        with pytest.raises(InputError, match=message):
            openeie.quantise(source, calibration, input_range=(0, 255))
    for source in (graph, path):
        refused(source, np.zeros((2, 1, 20, 16)),
                r"takes inputs of shape \[batch, 1, 16, 16\], not \[2, 1, 20, 16\]")
    refused(module, np.zeros((2, 1, 20, 16)), r"cannot be traced on an input of shape "
                                              r"\[2, 1, 20, 16\]: RuntimeError: .*96.*72")
    for source in (module, graph, path):
        refused(source, np.zeros((2, 1, 16)), r"must have the shape \[batch, .*, not \[2, 1, 16\]")
    refused(graph, np.zeros(7), r"must have the shape \[batch, .*, not \[7\]")
    refused(graph, np.zeros((0, 1, 16, 16)), r"not \[0, 1, 16, 16\]")
    refused(graph, np.full((1, 1, 16, 16), np.nan), "must be finite numbers")
    refused(graph, "images", "must be an array of numbers")
    refused(7, np.zeros((1, 1, 4, 4)), "must be a live torch.nn.Module, not int")


@pytest.mark.parametrize("package, extra", [("torch", "train"), ("onnx", "onnx")])
def test_a_missing_extra(package, extra, rng, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ToolError, match=rf"needs {package}, which is not installed; install it: "
                                        rf".*\[{extra}\]'"):
        openeie.quantise("model.onnx", np.zeros((1, 1, 4, 4)), input_range=(0, 255))
