# SPDX-License-Identifier: Apache-2.0
"""What a compression refuses before any work, and training that diverges."""
import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.compress.pipeline import compress
from openeie.sw.compress.run_context import Silent
from support.pictures import Chain, Residual, arrays
from torch import nn

DATA = arrays()
QUICK = {"epochs": 1, "batch": 50, "rate": 3e-3}


class Told(Silent):
    """Remembers which steps began."""
    def __init__(self):
        self.steps = []

    def step(self, number, total, name):
        self.steps.append(name)


class Unsupported(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 32),
                         nn.Sigmoid(), nn.Linear(32, 10))


def broken():
    module = Residual()
    module.conv.weight.data[0] = torch.nan
    module.classes.bias.data[3] = torch.inf
    return module


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x.flatten(1)), x


TRAIN = {"train": QUICK}


@pytest.mark.parametrize("network, recipe, options, message", [
    (Unsupported, TRAIN, {}, r"(?s)'2' \(aten.gelu.default\): is not supported; supported: a ReLU."
                             r"*'4' \(aten.sigmoid.default\)"),
    (broken, TRAIN, {}, r"must be finite numbers; these have others: conv.weight \(54 of 324\), "
                        r"classes.bias \(1 of 10\)"),
    (Chain, TRAIN | {"data": {"shape": [8, 2, 4], "hold_out": 600}}, {},
     "hold_out must be less than the 600"),
    (lambda: nn.Linear(32, 10), TRAIN, {}, r"must run on images of shape \[1, 8, 8\] as data "
                                           r"of arrays has them, but raises RuntimeError: .*; "
                                           r"data.shape in the recipe gives them another shape"),
    (lambda: nn.Conv2d(1, 3, 3), TRAIN, {}, r"one tensor \[batch, classes\], not \[2, 3, 6, 6\]"),
    (Two, TRAIN, {}, "must return one tensor .*, not tuple"),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 9)), TRAIN, {},
     "labels of data of arrays must be in 0 .. 8, for the 9 outputs of <lambda>, not 9"),
    (Chain(), TRAIN, {}, r"Chain has its weights already: leave out the section \[train\]"),
    (Chain, TRAIN | {"distill": {}}, {}, r"\[distill\] for \[train\] alone needs a teacher"),
    (Chain, {}, {}, r"Chain has no weights: give a file of them, or a section \[train\]"),
    (Chain, TRAIN | {"prune": {"keep": {"1": 0.5, "fc": 0.5}}, "share": {"slots": {"30": 4}}}, {},
     r"(?s)2 layers are wrong:.*prune.keep.fc is no layer; the layers are 1, 3.*share.slots.30 is "
     r"no layer; did you mean 3\?"),
    (Chain, TRAIN | {"prune": {"keep": "auto"}}, {}, "\"auto\" needs a budget"),
    (Chain, TRAIN | {"data": {"hold_out": 0}}, {"budget": 0.1}, "kept on held-out images"),
    (Chain, {"train": QUICK | {"batch": 541}}, {}, "train.batch must be at most the 540 ima"),
    (Chain, TRAIN | {"quantise": {"act_width": 8}}, {}, "input_range must be two integers"),
    (Chain, TRAIN, {"budget": 2}, "budget must be a share in 0 .. 1, not 2"),
    (Chain, TRAIN, {"budget": True}, "budget must be a share in 0 .. 1, not True"),
    (Chain, TRAIN, {"seed": -1}, "seed must be an integer in 0"),
    (Chain, TRAIN, {"seed": True}, "seed must be an integer in 0 .* not True"),
    (Chain, TRAIN, {"device": "tpu"}, "device must be cpu or cuda, not 'tpu'"),
    (Chain, TRAIN, {"teacher": Chain()}, r"a teacher needs a section \[distill\]"),
    (Chain, TRAIN, {"weights": "none.pt"}, "cannot read weights from none.pt"),
    (lambda: nn.Sequential(nn.Flatten(), torch.nn.utils.parametrizations.weight_norm(
        nn.Linear(64, 10))), TRAIN, {}, "must be plain parameters, not computed .* trained: 1"),
    (7, TRAIN, {}, "a network must be FILE.py:CLASS, MODULE:CLASS, an ONNX file, a module"),
])
def test_refusals_before_any_work(network, recipe, options, message, tmp_path):
    told = Told()
    with pytest.raises(InputError, match=message):
        compress(network, DATA, recipe, watch=told, checkpoints=tmp_path / "steps", **options)
    assert not told.steps and not (tmp_path / "steps").exists()


WILD = {"epochs": 3, "batch": 60, "rate": 1e30, "decay": 1e30}


@pytest.mark.parametrize("network, recipe, key", [
    (Chain, {"train": WILD}, "train.rate"),
    (Chain(), {"prune": {"keep": 0.5, "between": WILD}}, "prune.between.rate"),
    (Chain(), {"prune": {"keep": 0.5}, "retrain": WILD}, "retrain.rate"),
    (Chain(), {"share": {}, "centroids": WILD}, "centroids.rate")])
def test_training_that_diverges(network, recipe, key):
    with pytest.raises(InputError, match=f"training diverges: .* take a {key} below 1e.30"):
        compress(network, DATA, recipe)
