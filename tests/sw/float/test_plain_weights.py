# SPDX-License-Identifier: Apache-2.0
"""Weights that torch computes from others - pruned, normalised - and tensors of any layout."""
import copy
import threading
import warnings

import numpy as np
import openeie
import pytest
import torch
from openeie.core.artefact import artefact
from openeie.core.errors import InputError
from openeie.sw.binary.export import export
from openeie.sw.compress.methods.prune import prune as prune_layers
from openeie.sw.compress.source import find_source
from openeie.sw.float.plain_weights import computed_weights, copied, make_plain
from openeie.sw.importers.torch.weights import load_weights
from support.pictures import arrays, draw_pictures
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

X = draw_pictures(50, 5)[0][:, None].astype(np.float32) / 255


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 20), nn.ReLU(),
                         nn.Linear(20, 10)).eval()


def pruned():
    module = net()
    prune.l1_unstructured(module[0], "weight", 0.3)
    prune.l1_unstructured(module[5], "weight", 0.5)
    prune.random_structured(module[5], "weight", 0.2, dim=0)
    prune.l1_unstructured(module[7], "bias", 3)
    prune.l1_unstructured(module[1], "weight", 1)
    return module


def each(change):
    def make():
        module = net()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)      # of the old weight norm
            for number in (0, 5):
                change(module[number])
        return module.eval()
    return make


def masked_direction():
    """Pruning of what a weight norm takes."""
    module = each(nn.utils.weight_norm)()
    prune.l1_unstructured(module[5], "weight_v", 0.5)
    return module


COMPUTED = {
    "pruned": pruned, "masked direction": masked_direction,
    "weight norm": each(nn.utils.weight_norm),
    "weight norm, one length": each(lambda layer: nn.utils.weight_norm(layer, dim=None)),
    "weight norm of a bias": each(lambda layer: nn.utils.weight_norm(layer, "bias")),
    "weight norm, columns": each(lambda layer: nn.utils.weight_norm(layer, dim=1)),
    "spectral norm": each(nn.utils.spectral_norm),
    "parametrised weight norm": each(parametrizations.weight_norm),
    "parametrised spectral norm": each(parametrizations.spectral_norm)}


def same(one, other):
    return artefact.dumps(one) == artefact.dumps(other)


def quantised(module):
    return openeie.quantise(module, X, input_range=(0, 255), input_scale=1 / 255)


@pytest.mark.parametrize("kind", COMPUTED)
def test_computed_weights_are_those_that_the_module_runs_with(kind):
    """Copied, made plain, quantised and compressed; the module is left as it was."""
    module = COMPUTED[kind]()
    with torch.no_grad():
        before = module(torch.from_numpy(X))
    names, tensors = computed_weights(module), copy.deepcopy(dict(module.state_dict()))
    assert {"0.weight", "5.weight", "0.bias"} & set(names) or kind == "masked direction"
    plain = copied(module)
    make_plain(plain)
    assert not computed_weights(plain) and set(plain.state_dict()) == set(net().state_dict())
    with torch.no_grad():
        assert torch.allclose(plain(torch.from_numpy(X)), before, atol=1e-6)
    assert same(quantised(module), quantised(plain))
    ours = find_source(module).module().state_dict()
    assert all(torch.equal(one, ours[name]) for name, one in plain.state_dict().items())
    assert computed_weights(module) == names
    assert all(torch.equal(one, tensors[name]) for name, one in module.state_dict().items())
    with torch.no_grad():
        assert torch.equal(module(torch.from_numpy(X)), before)


@pytest.mark.parametrize("kind", ["pruned", "spectral norm"])
def test_compressing_computed_weights(kind):
    module = COMPUTED[kind]()
    plain = copied(module)
    make_plain(plain)
    one, other = (openeie.compress(model, arrays(), {"share": {"bits": 4}})
                  for model in (module, plain))
    assert same(one.network, other.network)


def test_training_keeps_the_zeros_that_torch_has_masked(tmp_path):
    """Even where a recipe would keep more weights than the mask has."""
    module = pruned()
    zeros = {name: (module[int(name)].weight == 0).numpy() for name in ("0", "5")}
    assert zeros["5"].sum() > 600
    recipe = {"prune": {"keep": 0.9, "between": {"epochs": 1, "batch": 50, "rate": 1e-2}}}
    results = [openeie.compress(module, arrays(), recipe, checkpoints=tmp_path / "steps")
               for _ in range(2)]               # done, and taken from the checkpoints
    assert same(*(result.network for result in results))
    linear = results[0].network.layers[-2]
    columns = openeie.to_array_order(zeros["5"].reshape(20, 4, 4, 4))
    assert not linear.weights.dense()[columns].any()
    make_plain(module)                          # a plain module's zeros are weights as others
    free = openeie.compress(module, arrays(), recipe)
    assert free.network.layers[-2].weights.dense()[columns].any()
    with pytest.raises(InputError, match="another run: .*weights"):
        openeie.compress(module, arrays(), recipe, checkpoints=tmp_path / "steps")


def test_a_class_with_computed_weights():
    def make():
        return nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(64, 10)))
    with pytest.raises(InputError, match=r"not computed from others, to be trained: 1.weight; "
                                         r"torch.nn.utils.prune.remove, .* Or train it yourself"):
        openeie.compress(make, arrays(), {"train": {"epochs": 1, "batch": 50}})


def test_pruning_and_a_teacher_of_computed_weights():
    with pytest.raises(InputError, match="'5': its weight must be a plain parameter to be pruned, "
                                         "not computed from others; torch.nn.utils.prune.remove"):
        prune_layers(pruned(), {"5": 0.5})
    with pytest.raises(InputError, match="'5' must be pruned before its weights are shared, or "
                                         "parametrised otherwise"):
        prune_layers(COMPUTED["parametrised weight norm"](), {"5": 0.5})
    openeie.compress(net(), arrays(), {"share": {"bits": 4}, "distill": {}, "centroids": {
        "epochs": 1, "batch": 50}}, teacher=pruned())


def test_binary_export_of_computed_weights():
    options = {"name": "n", "input_range": (0, 255), "input_scale": 1 / 255}
    module = each(nn.utils.weight_norm)()
    plain = copied(module)
    make_plain(plain)
    module[5].weight_g.data *= 2                # what the module runs with changes, no tensor
    plain[5].weight.data *= 2
    assert same(*(export(one, torch.from_numpy(X), **options) for one in (module, plain)))


@pytest.mark.parametrize("kind", ["pruned", "weight norm", "weight norm, one length",
                                  "weight norm of a bias", "weight norm, columns",
                                  "parametrised weight norm"])
def test_state_dicts_of_computed_weights(kind, tmp_path):
    """In files they become what the module runs with."""
    module, plain, path = COMPUTED[kind](), net(), tmp_path / "w.pt"
    torch.save(module.state_dict(), path)
    masked = load_weights(plain, path)
    assert masked == (("0", "1", "5") if kind == "pruned" else ())
    with torch.no_grad():
        assert torch.allclose(plain(torch.from_numpy(X)), module(torch.from_numpy(X)), atol=1e-5)
    ours, theirs = (find_source(make, path).start() for make in (net, COMPUTED[kind]))
    assert ours[1] == theirs[1] == tuple(name for name in masked if name != "1")
    for name, one in ours[0].state_dict().items():
        assert torch.allclose(one, theirs[0].state_dict()[name], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_masks_of_other_numbers(dtype, tmp_path):
    tensors = pruned().state_dict()
    for name, one in tensors.items():
        if name.endswith("_mask"):
            tensors[name] = one.to(dtype)
    torch.save(tensors, tmp_path / "w.pt")
    plain, module = net(), pruned()
    assert load_weights(plain, tmp_path / "w.pt") == ("0", "1", "5")
    make_plain(module)
    assert all(torch.equal(one, module.state_dict()[name])
               for name, one in plain.state_dict().items())


def test_state_dicts_that_cannot_be_made_plain(tmp_path):
    path = tmp_path / "w.pt"
    for kind, missing in (("spectral norm", "5.weight_orig is unknown"),
                          ("parametrised spectral norm",
                           "5.parametrizations.weight.original is unknown")):
        torch.save(COMPUTED[kind]().state_dict(), path)
        with pytest.raises(InputError, match=rf"(?s)5.weight is missing.*{missing}, \[20, 64\]; "
                                             rf"torch.nn.utils.prune.remove, .* before they are "
                                             rf"saved"):
            load_weights(net(), path)
    tensors = pruned().state_dict()
    tensors["5.weight_mask"] = tensors["5.weight_mask"][:3]
    torch.save(tensors, path)
    with pytest.raises(InputError, match=r"5.weight_mask is unknown, \[3, 64\]"):
        load_weights(net(), path)


def test_channels_last_and_other_strides(tmp_path):
    strided = net()
    strided[0].weight = nn.Parameter(strided[0].weight.detach().permute(3, 2, 0, 1).contiguous()
                                     .permute(2, 3, 1, 0))
    strided[5].weight = nn.Parameter(strided[5].weight.detach().t().contiguous().t())
    strided[1].running_mean = torch.zeros(1).expand(4)
    assert not strided[0].weight.is_contiguous() and not strided[5].weight.is_contiguous()
    recipe = {"share": {"bits": 4}, "centroids": {"epochs": 1, "batch": 50}}
    wanted = openeie.compress(net(), arrays(), recipe)
    for number, module in enumerate((strided, net().to(memory_format=torch.channels_last))):
        assert same(quantised(module), quantised(net()))
        folder = tmp_path / str(number)
        for _ in range(2):
            result = openeie.compress(module, arrays(), recipe, checkpoints=folder)
            assert result.integer_error == wanted.integer_error


META = r"on the meta device, which keeps none: 0.weight, .*; call module.to_empty"


def test_a_module_without_numbers(tmp_path):
    with torch.device("meta"):
        empty = net()
    with pytest.raises(InputError, match=META):
        quantised(empty)
    for network in (empty, lambda: empty):
        with pytest.raises(InputError, match=META):
            openeie.compress(network, arrays(), {"train": {"epochs": 1, "batch": 50}})
    with pytest.raises(InputError, match=META):
        export(empty, torch.from_numpy(X), name="n", input_range=(0, 255))
    with pytest.raises(InputError, match=META):
        openeie.compress(net(), arrays(), {"share": {}, "distill": {}, "centroids": {
            "epochs": 1, "batch": 50}}, teacher=empty)
    torch.save(empty.state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match="0.weight is on the meta device, which keeps no numbers"):
        load_weights(net(), tmp_path / "w.pt")
    torch.save(net().state_dict(), tmp_path / "real.pt")
    empty.to_empty(device="cpu").load_state_dict(      # as the message says
        torch.load(tmp_path / "real.pt", weights_only=True))
    assert same(quantised(empty), quantised(net()))
    with pytest.raises(InputError, match="not made yet: 1.weight.*; run the module once"):
        quantised(nn.Sequential(nn.Flatten(), nn.LazyLinear(10)))


def test_a_module_that_cannot_be_copied():
    module = net()
    module.lock = threading.Lock()
    with pytest.raises(InputError, match="Sequential cannot be copied: TypeError: .*; give its cl"):
        find_source(module)


class Wrong(nn.Module):
    """A parametrisation that works once."""
    def forward(self, weight):
        if getattr(self, "done", False):
            raise RuntimeError("no more")
        return weight


def test_a_parametrisation_that_raises():
    module = net()
    parametrize.register_parametrization(module[5], "weight", Wrong())
    module[5].parametrizations.weight[0].done = True
    with pytest.raises(InputError, match="cannot be made plain parameters: no more; torch.nn.util"):
        find_source(module)
