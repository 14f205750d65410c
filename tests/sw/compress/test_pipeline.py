# SPDX-License-Identifier: Apache-2.0
"""The whole compression: what it promises of its result, and resumption."""
import shutil

import numpy as np
import openeie
import pytest
import torch
from openeie.core import golden
from openeie.core.artefact import artefact
from openeie.core.errors import BudgetError, InputError
from openeie.core.network.layers import Weighted
from openeie.sw.compress.pipeline import compress
from openeie.sw.compress.run_context import Silent
from openeie.sw.float.graph import FloatGraph, Node
from support.onnx_models import model, node
from support.pictures import Chain, Residual, arrays
from torch import nn

DATA = arrays()
KEEP = {"stem.0": 0.9, "conv": 0.5, "classes": 0.4}
SLOTS = {"stem.0": 12, "conv": 8, "classes": 5}
QUICK = {"epochs": 1, "batch": 50, "rate": 3e-3}
RECIPE = {"name": "mine", "train": QUICK | {"epochs": 4},
          "data": {"augment": {"shift": 0.5}, "offset": 100, "scale": 0.01},
          "prune": {"keep": KEEP, "rounds": 2, "between": QUICK}, "retrain": QUICK | {"epochs": 3},
          "share": {"slots": SLOTS}, "centroids": QUICK, "distill": {"soft": 0.5}}
STEPS = ["float", "prune", "retrain", "share", "centroids", "quantise", "measure"]


class Told(Silent):
    """Remembers what it is told."""
    def __init__(self):
        self.steps, self.epochs, self.facts = [], [], []

    def step(self, number, total, name):
        self.steps.append((number, total, name))

    def epoch(self, done, total, loss):
        self.epochs.append(self.steps[-1][2])

    def finished(self, facts):
        self.facts.append(facts)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A result, what was told, and the folder of checkpoints."""
    folder, told = tmp_path_factory.mktemp("run") / "steps", Told()
    return compress(Residual, DATA, RECIPE, seed=3, budget=0.9, checkpoints=folder,
                    watch=told), told, folder


def test_the_result_is_what_the_recipe_asks_for(finished):
    result, told, folder = finished
    layers = {layer.name: layer for layer in result.network.layers if isinstance(layer, Weighted)}
    assert set(layers) == set(KEEP) and result.network.name == "mine"
    for name, layer in layers.items():
        stored = layer.weights
        assert len(stored.codebook) == SLOTS[name] and len(np.unique(stored.values)) < SLOTS[name]
        assert stored.nnz == round(KEEP[name] * np.prod(stored.shape))
        assert layer.encoding == "huffman"
    assert told.steps == [(number, 7, name) for number, name in enumerate(STEPS, 1)]
    assert told.epochs == ["float"] * 4 + ["prune"] * 2 + ["retrain"] * 3 + ["centroids"]
    assert told.facts[2]["kept"] == sum(layer.weights.nnz for layer in layers.values())
    assert [path.name.rpartition("-")[0] for path in sorted(folder.glob("*.safetensors"))] == [
        f"{number:02}-{name}" for number, name in enumerate(STEPS, 1)]


def test_errors_are_those_of_the_network_that_is_returned(finished):
    result, _, _ = finished
    for images, labels, told in (
            (DATA["test_images"], DATA["test_labels"], result.errors),
            (DATA["train_images"][-60:], DATA["train_labels"][-60:], result.held_out_errors)):
        x = images.reshape(len(images), -1).astype(int) - 100
        answers = golden.network(result.network, x)[-1].argmax(1)
        assert told["integer"] == np.mean(answers != labels)
        assert list(told) == ["float", "pruned", "shared", "integer"]
    assert result.integer_error < 0.4 and abs(result.integer_error - result.shared_error) < 0.05
    provenance = artefact.loads(artefact.dumps(result.network)).provenance
    assert provenance["integer_error"] == result.integer_error and provenance["seed"] == 3
    assert provenance["recipe"]["data"]["hold_out"] == 60
    assert provenance["recipe"]["data"]["shape"] == [1, 8, 8]
    assert result.excess == result.held_out_errors["integer"] - result.held_out_errors["float"]
    assert result.to_dict()["rate"] == result.rate > 3


@pytest.mark.parametrize("done", [0, 2, 4])
def test_a_run_goes_on_to_the_same_bytes(finished, tmp_path, done):
    result, _, folder = finished
    shutil.copytree(folder, tmp_path / "steps")
    for path in sorted((tmp_path / "steps").glob("0*"))[done:]:
        path.unlink()
    told, torch_state = Told(), torch.get_rng_state()
    again = compress(Residual, DATA, RECIPE, seed=np.int64(3), checkpoints=tmp_path / "steps",
                     watch=told)
    assert artefact.dumps(again.network) == artefact.dumps(result.network)
    assert told.facts == finished[1].facts
    assert not {"float", "prune", "retrain", "share"}.intersection(STEPS[:done]) & set(told.epochs)
    assert torch.equal(torch_state, torch.get_rng_state())


@pytest.mark.parametrize("options, message", [
    ({"seed": 4}, "seed is 4, and was 3"), ({"data": arrays(600, 199)}, "data is .*, and was"),
    ({"network": Chain, "recipe": RECIPE | {"prune": {"keep": 0.5}, "share": {}}},
     "network is .*, and was")])
def test_checkpoints_of_another_run_are_refused(finished, tmp_path, options, message):
    folder = finished[2]
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=f"checkpoints of another run: .*{message}"):
        compress(**({"network": Residual, "data": DATA, "recipe": RECIPE, "seed": 3,
                     "checkpoints": folder} | options))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("changes, done_again", [
    ({"quantise": {"acc_width": 36}}, 5), ({"quantise": {"calibration": 50}}, 5),
    ({"name": "other", "encoding": "codebook"}, 5), ({"centroids": QUICK | {"epochs": 2}}, 4),
    ({"retrain": QUICK | {"epochs": 2}}, 2)])
def test_steps_before_a_changed_key_are_not_done_again(finished, tmp_path, changes, done_again):
    """And the result has the same bytes as from scratch."""
    shutil.copytree(finished[2], tmp_path / "steps")
    kept = {path: path.read_bytes() for path in (tmp_path / "steps").iterdir()}
    told, recipe = Told(), RECIPE | changes
    again = compress(Residual, DATA, recipe, seed=3, checkpoints=tmp_path / "steps", watch=told)
    assert not set(STEPS[:done_again]).intersection(told.epochs)
    assert told.facts[:done_again] == finished[1].facts[:done_again]
    scratch = compress(Residual, DATA, recipe, seed=3)
    assert artefact.dumps(again.network) == artefact.dumps(scratch.network)
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(list((tmp_path / "steps").iterdir())) == len(kept) + len(STEPS) - done_again


def trained_chain(seed=0):
    """A trained module."""
    torch.manual_seed(seed)
    module = Chain()
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    x = torch.from_numpy(DATA["train_images"]).float() / 255
    for _ in range(60):
        loss = nn.functional.cross_entropy(module(x), torch.from_numpy(DATA["train_labels"]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module.eval()


def test_a_live_module_is_taken_as_it_is_and_left_so():
    module = trained_chain()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = openeie.compress(module, DATA, {"prune": {"keep": 0.3}})
    assert isinstance(result, openeie.Compressed)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert result.float_error < 0.05                # nothing was trained: weights were there
    layers = result.network.layers
    total = sum(layer.weights.nnz for layer in layers)
    assert total == round(0.3 * (64 * 24 + 240)) and result.shared_error is None
    assert {layer.encoding for layer in layers} == {"csr"}
    shares = [layer.weights.nnz / np.prod(layer.weights.shape) for layer in layers]
    assert abs(shares[0] - shares[1]) > 0.02        # one threshold for both
    rows = [np.count_nonzero(layer.weights.dense(), axis=1) for layer in layers]
    assert np.all(np.diff(rows[0]) <= 0)            # units in order


def test_the_pipeline_decides_within_a_budget():
    module = trained_chain()
    recipe = {"prune": {"keep": "auto", "between": QUICK}, "share": {"bits": "auto"}}
    result = compress(module, DATA, recipe, budget=0.05)
    assert result.excess <= 0.05 and result.recipe.decides
    keep, slots = result.chosen["prune.keep"], result.chosen["share.slots"]
    assert set(keep) == set(slots) == {"1", "3"} and len(result.chosen) == 2
    assert {name: result.network.provenance[name] for name in ("chosen", "budget")} == {
        "chosen": result.chosen, "budget": 0.05}
    for layer in result.network.layers:
        assert len(layer.weights.codebook) == slots[layer.name]
        kept = layer.weights.nnz / np.prod(layer.weights.shape)
        assert kept == keep[layer.name] < 0.9
    assert result.rate > 3


def test_a_budget_that_is_not_met_gives_the_network_all_the_same():
    with pytest.raises(BudgetError, match=r"budget is not met: .* error is .*%, .*% above the "
                                          r"float network's, and may be 1.00% above") as caught:
        compress(trained_chain(), DATA, {"prune": {"keep": {"1": 0.01}}}, budget=0.01)
    best = caught.value.best
    assert best.excess > 0.01 and best.budget == 0.01
    assert golden.network(best.network, np.zeros((1, 64), int))[-1].shape == (1, 10)


def test_a_graph_with_branches():
    rng = np.random.default_rng(0)

    def weight(*shape):
        return rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)
    graph = FloatGraph(name="branches", nodes=(
        Node(name="x", op="input", shape=(1, 8, 8)),
        Node(name="a", op="conv", inputs=("x",), kernel=(3, 3), weight=weight(4, 1, 3, 3)),
        Node(name="b", op="conv", inputs=("x",), kernel=(3, 3), weight=weight(3, 1, 3, 3)),
        Node(name="cat", op="concat", inputs=("a", "b")),
        Node(name="flat", op="flatten", inputs=("cat",)),
        Node(name="last", op="linear", inputs=("flat",), weight=weight(10, 252))))
    result = compress(graph, DATA, {"prune": {"keep": {"last": 0.2, "a": 0.5}, "balance": 4},
                                    "retrain": QUICK, "share": {"bits": 3}})
    layers = {layer.name: layer for layer in result.network.layers}
    assert {name: layer.weights.nnz for name, layer in layers.items()} == {
        "a": 18, "b": 27, "last": 504}
    by_pe = np.bincount(layers["last"].weights.rows % 4)
    assert by_pe.max() - by_pe.min() <= 1
    assert all(len(layer.weights.codebook) == 8 for layer in layers.values())


def test_an_onnx_file(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "net.onnx"
    path.write_bytes(model(
        [node("Flatten", "x", "flat"), node("MatMul", "flat w", "y")],
        (None, 1, 8, 8), w=rng.normal(0, 0.1, (64, 10))).SerializeToString())
    result = compress(path, DATA, {"prune": {"keep": 0.25}, "share": {},
                                   "retrain": QUICK | {"epochs": 6, "rate": 2e-2}})
    layer, = result.network.layers
    assert layer.weights.nnz == 160 and len(layer.weights.codebook) == 16
    assert result.float_error > 0.5 > result.integer_error
    with pytest.raises(InputError, match="net.onnx has its weights; leave out"):
        compress(path, DATA, {}, weights=path)


def test_held_out_pictures_that_weights_may_have_seen():
    """Said where they were trained elsewhere, and the data have no held-out images."""
    own = {"held_out_images": DATA["test_images"], "held_out_labels": DATA["test_labels"]}
    seen = compress(Chain(), DATA, {})
    assert "held-out images are the last 60 training images, with which" in \
        seen.held_out_warning and seen.to_dict()["held_out_warning"] == seen.held_out_warning
    result = compress(Chain(), DATA | own, {})
    assert result.held_out_warning == ""
    assert result.held_out_errors["integer"] == result.errors["integer"]    # the same images
    again = compress(Chain(), DATA | own, result.recipe)        # a recipe that was run
    assert again.recipe == result.recipe and again.recipe.data.hold_out == 200
    assert compress(Chain(), DATA, {"data": {"hold_out": 0}}).held_out_warning == ""
    trained = compress(Chain, DATA, {"train": {"epochs": 1, "batch": 100}})
    assert trained.held_out_warning == ""
