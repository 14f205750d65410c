# SPDX-License-Identifier: Apache-2.0
"""Convolutions through the whole compression: pruned, ordered, shared, as a graph, as LeNet-5."""
import gzip

import numpy as np
import openeie
import pytest
import torch
from openeie.core import artefact, golden
from openeie.core.bounds import accumulator_needs
from openeie.core.errors import InputError
from openeie.core.inspect import inspect
from openeie.sw.data import shipped_test_set
from openeie.sw.float_run import run_float
from openeie.sw.lenet5 import (LAYER_NAMES, Lenet5Recipe, compress_lenet5, lenet5,
                               load_weights, main)
from openeie.sw.order import order_units
from openeie.sw.prune import kept, prune, weighted_layers
from openeie.sw.quantise_graph import quantise_graph
from openeie.sw.recipe import integer_error
from openeie.sw.sequential import sequential_graph
from openeie.sw.share import share, shared
from openeie.sw.train import Affine, Schedule, deterministic
from torch import nn

KEEP = {"1": 0.5, "4": 0.3, "7": 0.2, "9": 0.6}


def network():
    """Convolutions with padding, stride, bias and none; all pools that a graph has."""
    with deterministic(3):
        return nn.Sequential(
            nn.Unflatten(1, (2, 9, 8)), nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(6, 7, (2, 3), bias=False),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(14, 9), nn.ReLU(), nn.Linear(9, 4))


def inputs(count=20):
    return torch.randn(count, 144, generator=torch.Generator().manual_seed(5))


def test_convolutions_are_pruned_and_shared_as_linear_layers_are():
    model = network()
    assert list(weighted_layers(model)) == list(KEEP)
    prune(model, KEEP)
    assert kept(model) == {"1": 54, "4": 76, "7": 25, "9": 22}
    zero = {name: layer.weight == 0 for name, layer in weighted_layers(model).items()}
    share(model, slots=8)
    for name, layer in weighted_layers(model).items():
        codes, codebook = shared(layer)
        assert codes.shape == layer.weight.shape and len(codebook) == 8 and codebook[0] == 0
        assert np.array_equal(codes == 0, zero[name].numpy())
        assert np.allclose(codebook[codes], layer.weight.detach().numpy())


def test_ordering_channels_changes_nothing():
    model = network()
    prune(model, KEEP)
    before = model(inputs())
    first = model[1].weight.detach().clone()
    order_units(model)
    assert torch.allclose(before, model(inputs()), atol=1e-6)
    assert not torch.equal(first, model[1].weight)
    for number in (1, 4, 7):
        counts = torch.count_nonzero(model[number].weight.flatten(1), dim=1)
        assert torch.all(counts[:-1] >= counts[1:])


def test_units_are_not_ordered_through_what_mixes_them():
    model = nn.Sequential(nn.Conv2d(4, 4, 1, groups=2), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1))
    with pytest.raises(InputError, match=r"not 0 \(Conv2d\), 1 \(GroupNorm\)"):
        order_units(model)


@pytest.mark.parametrize("slots", [None, 8])
def test_the_graph_computes_what_the_module_does(slots):
    model = network()
    if slots:
        share(model, slots=slots)
    graph = sequential_graph(model, name="n", shape=(2, 9, 8), layer_names=("a", "b", "c", "d"))
    assert [node.name for node in graph.nodes] == [
        "data", "a", "relu1", "pool1", "b", "pool2", "flatten1", "c", "relu2", "d"]
    with torch.no_grad():
        wanted = model(inputs()).numpy()
    got = run_float(graph, inputs().numpy().reshape(-1, 2, 9, 8))
    assert np.allclose(got, wanted, atol=1e-6)
    assert all((node.codes is None) == (slots is None) for node in graph.nodes
               if node.weight is not None)


def test_the_graph_refuses_all_it_cannot_hold():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, dilation=2), nn.Sigmoid(),
                          nn.Conv2d(2, 2, 3, padding="same"), nn.Flatten(0))
    with pytest.raises(InputError) as raised:
        sequential_graph(model, name="n", shape=(1, 9, 9), layer_names=("a", "b"))
    for words in ("0 (Conv2d): dilation must be 1, not (2, 2)", "1 (Sigmoid): no such operator",
                  "2 (Conv2d): padding must be numbers", "3 (Flatten): it must flatten all"):
        assert words in str(raised.value)
    with pytest.raises(InputError, match="layer_names must name 4 layers, not "):
        sequential_graph(network(), name="n", shape=(2, 9, 8), layer_names=("a",))


def test_lenet5_in_integers_is_close_and_fits_32_bits():
    with deterministic(1):
        model = lenet5()
    prune(model, {"1": 0.5, "3": 0.12, "6": 0.02, "8": 0.16})
    share(model)
    x = shipped_test_set()[0][:50]
    graph = sequential_graph(model, name="n", shape=(1, 28, 28), layer_names=LAYER_NAMES)
    maps = x.reshape(-1, 1, 28, 28).astype(np.float32) / 256
    net = quantise_graph(graph, maps, input_range=(0, 255), input_scale=1 / 256, acc_width=32,
                         encoding="huffman")
    assert [layer.name for layer in net.layers] == ["conv1", "pool1", "conv2", "pool2", "ip1",
                                                    "ip2"]
    assert max(bits for _, bits, _, _ in accumulator_needs(net)) <= 32
    assert {layer.encoding for layer in net.layers if hasattr(layer, "encoding")} == {"huffman"}
    got = golden.network(net, x)[-1] * net.layers[-1].output_scale
    wanted = run_float(graph, maps)
    assert np.abs(got - wanted).max() < 2e-3 * np.abs(wanted).max()


@pytest.fixture
def weights(tmp_path):
    """A file of weights as Caffe's, of a network that is not trained, and its arrays."""
    with deterministic(2):
        model = lenet5()
    arrays = {}
    for name, layer in zip(LAYER_NAMES, weighted_layers(model).values()):
        arrays |= {f"{name}_w": layer.weight.detach().numpy(),
                   f"{name}_b": layer.bias.detach().numpy()}
    np.savez(tmp_path / "w.npz", **arrays)
    return tmp_path / "w.npz", arrays


RECIPE = Lenet5Recipe(
    keep=(0.6, 0.3, 0.1, 0.5), rounds=2, between=Schedule(epochs=1, batch=50),
    sparse=Schedule(epochs=2, batch=50, rate=2e-3), centroids=Schedule(epochs=1, batch=50),
    calibration=100, augment=Affine(shift=0.5))


def test_the_same_seed_gives_the_same_bytes(weights):
    images, labels = shipped_test_set()
    train, test = (images[:600], labels[:600]), (images[600:800], labels[600:800])
    nets = [compress_lenet5(train, test, weights=weights[0], recipe=RECIPE, seed=seed)
            for seed in (5, 5, 6)]
    first, again, other = map(artefact.dumps, nets)
    assert first == again and first != other
    provenance = artefact.loads(first).provenance
    assert provenance["integer_error"] < provenance["float_error"]      # 1,200 steps teach it
    assert provenance["seed"] == 5 and "Caffe" in provenance["source"]
    assert integer_error(nets[0], *test) == provenance["integer_error"]


def test_weights_that_are_not_lenets_are_refused(weights, tmp_path):
    path, arrays = weights
    model = lenet5()
    load_weights(model, path)
    assert np.array_equal(model[6].weight.detach().numpy(), arrays["ip1_w"])
    for key, array, message in (
            ("conv2_b", None, "has no array 'conv2_b'; it must have NAME_w and NAME_b of conv1"),
            ("ip2_w", np.zeros((10, 500)), r"'ip2_w' must be float32 \[10, 500\], not float64"),
            ("ip1_w", np.zeros((800, 500), "f4"), r"\[500, 800\], not float32 \[800, 500\]"),
            ("conv1_b", np.full(20, np.nan, "f4"), "'conv1_b' must hold finite numbers")):
        changed = {name: value for name, value in (arrays | {key: array}).items()
                   if value is not None}
        np.savez(tmp_path / "bad.npz", **changed)
        with pytest.raises(InputError, match=message):
            load_weights(model, tmp_path / "bad.npz")
    (tmp_path / "bad.npz").write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="cannot read weights from .*bad.npz"):
        load_weights(model, tmp_path / "bad.npz")


@pytest.fixture
def mnist(tmp_path):
    """A folder as MNIST's, 300 training pictures and 50 test pictures in it."""
    images, labels = shipped_test_set()
    for kind, part in (("train", slice(300)), ("t10k", slice(300, 350))):
        for what, array in (("images-idx3", images[part].reshape(-1, 28, 28)),
                            ("labels-idx1", labels[part])):
            header = np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes()
            (tmp_path / f"{kind}-{what}-ubyte.gz").write_bytes(
                gzip.compress(header + array.tobytes()))
    return tmp_path


@pytest.mark.parametrize(("options", "measured"), [([], slice(300, 350)),
                                                   (["--hold-out", "40"], slice(260, 300))])
def test_the_command_measures_on_what_it_does_not_train_with(weights, mnist, options, measured):
    out = mnist / "n.eie"
    main(["--mnist", str(mnist), "--weights", str(weights[0]), "-o", str(out), *options])
    network = openeie.load(out)
    x, labels = (array[measured] for array in shipped_test_set())
    assert network.provenance["integer_error"] == integer_error(network, x, labels)


def test_the_command_refuses(weights, mnist, capsys):
    known = ["--mnist", str(mnist), "-o", "x.eie"]
    for options, message in (([], "--weights"), (["--weights", str(weights[0]), "--hold-out",
                                                 "300"], "--hold-out must be in 0 .. 299, not")):
        with pytest.raises(SystemExit):
            main(known + options)
        assert message in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot read weights from none.npz"):
        main([*known, "--weights", "none.npz"])


def test_the_shipped_file_beats_the_paper():
    """Deep Compression, Table 1: 39x, 0.74 %. That the error is what it says is shown on all test
    images by ``tests/cosim/test_rtl_lenet5.py``."""
    path = openeie.shipped("lenet-5")
    net, contents = openeie.load(path), inspect(path)
    assert contents.float_bytes == 4 * 431_080 and contents.factor >= 80
    assert all(len(layer.weights.codebook) <= 16 for layer in net.layers
               if hasattr(layer, "weights"))
    assert max(bits for _, bits, _, _ in accumulator_needs(net)) <= 32
    assert net.provenance["integer_error"] <= 0.0074
