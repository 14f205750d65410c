# SPDX-License-Identifier: Apache-2.0
"""Weights from files, and networks from a user's code: taken exactly, or one error for all."""
import pickle
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from openeie.core.errors import InputError
from openeie.sw.importers.torch.user_class import load_factory
from openeie.sw.importers.torch.weights import check_finite, load_weights
from support.pictures import Residual
from torch import nn


def trained():
    module = Residual()
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 1)
    return module


def equal(one, other):
    return all(torch.equal(value, other.state_dict()[name])
               for name, value in one.state_dict().items())


def write(path, tensors):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    else:
        torch.save(tensors, path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth", "w.npz"])
def test_every_kind_of_file(tmp_path, name):
    module, other = trained(), Residual()
    write(tmp_path / name, module.state_dict())
    assert not equal(module, other)
    load_weights(other, tmp_path / name)
    assert equal(module, other)


def test_what_people_wrap_a_state_dict_in(tmp_path):
    module, other, path = trained(), Residual(), tmp_path / "w.pt"
    tensors = module.state_dict()
    torch.save({"state_dict": {f"module.{name}": one for name, one in tensors.items()},
                "epoch": 3}, path)
    load_weights(other, path)
    assert equal(module, other)
    torch.save({name: one for name, one in tensors.items() if "num_batches" not in name}, path)
    load_weights(Residual(), path)
    linear = nn.Sequential()
    linear.add_module("ip1", nn.Linear(3, 2))
    np.savez(tmp_path / "caffe.npz", ip1_w=np.full((2, 3), 4, np.float32), ip1_b=np.ones(2))
    load_weights(linear, tmp_path / "caffe.npz")
    assert linear.ip1.weight.tolist() == [[4] * 3] * 2 and linear.ip1.bias.tolist() == [1, 1]


def test_everything_that_does_not_fit_is_told_at_once(tmp_path):
    module, path = trained(), tmp_path / "w.pt"
    tensors = dict(module.state_dict())
    del tensors["conv.weight"]
    tensors["stem.0.weight"] = torch.zeros(6, 1, 5, 5)
    tensors["classes.bias"] = torch.full((10,), torch.nan)
    tensors["norm.bias"] = torch.zeros(6, dtype=torch.int64)
    tensors["extra"] = torch.zeros(2)
    torch.save(tensors, path)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(module, path)
    first, *lines = str(caught.value).split("\n  ")
    assert first == f"{path} does not fit Residual:"
    assert sorted(lines) == [
        "classes.bias must be finite numbers, and 10 of 10 are not",
        "conv.weight is missing, [6, 6, 3, 3]", "extra is unknown, [2]",
        "norm.bias must be torch.float32, not torch.int64",
        "stem.0.weight must be [6, 1, 3, 3], not [6, 1, 5, 5]"]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class Evil:
    def __reduce__(self):
        return print, ("code of a pickle runs",)


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"", b"PK\3\4 and nothing"],
                         ids=["hostile", "empty", "cut"])
def test_damaged_and_hostile_files(tmp_path, capfd, content):
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read weights from .*w.pt") as caught:
        load_weights(Residual(), path)
    assert "weights_only" not in str(caught.value) and "\x1b" not in str(caught.value)
    assert "code of a pickle" not in capfd.readouterr().out


def test_a_file_of_something_else_than_a_state_dict(tmp_path):
    path = tmp_path / "w.pt"
    torch.save(Residual(), path)                    # a whole module is a pickle
    with pytest.raises(InputError) as caught:
        load_weights(Residual(), path)
    assert str(caught.value) == (
        f"cannot read weights from {path}: it holds more than tensors, or is damaged; save "
        f"torch.save(module.state_dict(), file), or a .safetensors file")     # not torch's advice
    torch.save([torch.zeros(2)], path)
    with pytest.raises(InputError, match="must hold a state_dict, tensors by name, not list"):
        load_weights(Residual(), path)


@pytest.mark.parametrize("name, message", [
    ("w.safetensors", "cannot read weights .*: .*must be complete"),
    ("no.pt", "cannot read weights from .*no.pt: No such file"),
    ("no.safetensors", "cannot read .*no.safetensors: No such file"),
    ("w.h5", "must be a file .saf"), ("no.npz", "cannot read weights from .*no.npz")])
def test_files_that_are_missing_or_of_another_kind(tmp_path, name, message):
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 50)
    with pytest.raises(InputError, match=message):
        load_weights(Residual(), tmp_path / name)


def test_weights_that_are_not_finite():
    module = trained()
    check_finite(module)
    module.conv.weight.data[0, 0, 0] = torch.inf
    module.norm.running_var[2] = torch.nan
    with pytest.raises(InputError, match=r"Residual must be finite numbers; these have others: "
                                         r"conv.weight \(3 of 324\), norm.running_var \(1 of 6\)"):
        check_finite(module)


@pytest.fixture
def mine(tmp_path):
    """A file with classes and functions that make networks, or do not."""
    (tmp_path / "parts.py").write_text("from torch import nn\nWIDTH = 5\n")
    (tmp_path / "mine.py").write_text(
        "import parts\nfrom torch import nn\n"
        "class Net(nn.Linear):\n    def __init__(self, width=parts.WIDTH):\n"
        "        super().__init__(width, 2)\n"
        "def make():\n    return Net(7)\n"
        "def wrong():\n    return 3\n"
        "class Needs(nn.Module):\n    def __init__(self, x):\n        super().__init__()\n")
    return tmp_path / "mine.py"


def test_classes_of_files_and_modules(mine, monkeypatch):
    assert load_factory(f"{mine}:Net")().in_features == 5
    assert load_factory(f"{mine}:make")().in_features == 7
    monkeypatch.chdir(mine.parent)
    assert load_factory("mine:Net")().in_features == 5
    assert load_factory("openeie.sw.networks.lenet:Lenet300")()[1].in_features == 784


@pytest.mark.parametrize("target, message", [
    ("{folder}/mine.py:Nat", "has no class or function 'Nat'; did you mean Net\\? its networks are "
                             "Net, Needs"),
    ("{folder}/mine.py", "a network must be FILE.py:CLASS"), (":Net", "a network must be FILE.py"),
    ("{folder}/none.py:Net", "no such file: .*none.py"),
    ("no_such_module:Net", "cannot be imported: ModuleNotFoundError"),
    ("{folder}/broken.py:Net", "broken.py cannot be imported: ModuleNotFound.*nothing")])
def test_targets_that_cannot_be_loaded(mine, target, message):
    (mine.parent / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(InputError, match=message):
        load_factory(target.format(folder=mine.parent))


@pytest.mark.parametrize("name, message", [
    ("wrong", "must make a torch.nn.Module, not int"),
    ("Needs", "must make a network without arguments; it raises TypeError")])
def test_factories_that_make_no_network(mine, name, message):
    with pytest.raises(InputError, match=message):
        load_factory(f"{mine}:{name}")()


def test_a_file_s_code_runs_as_python_runs_a_module(tmp_path):
    (tmp_path / "lazy_part.py").write_text("WIDTH = 6\n")
    path = tmp_path / "typed.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport sys\n"
        "from torch import nn\n"
        "@dataclass\nclass Config:\n    width: int = 4\n"
        "class Net(nn.Linear):\n    def __init__(self):\n"
        "        import lazy_part\n        super().__init__(lazy_part.WIDTH, Config().width)\n"
        "def leave():\n    sys.exit('enough')\n")
    net = load_factory(f"{path}:Net")()
    assert (net.in_features, net.out_features) == (6, 4)
    with pytest.raises(InputError, match="without arguments; it raises SystemExit: enough"):
        load_factory(f"{path}:leave")()
    before = set(sys.modules)
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(InputError, match="leaves.py cannot be imported: SystemExit: 3"):
        load_factory(f"{tmp_path}/leaves.py:Net")
    assert set(sys.modules) == before and str(tmp_path) not in sys.path


def test_arrays_of_other_machines_and_of_more_digits(tmp_path):
    module, path = trained(), tmp_path / "w.npz"
    arrays = {name: one.numpy() for name, one in module.state_dict().items()}
    arrays["conv.weight"] = arrays["conv.weight"].astype(">f4")
    arrays["classes.bias"] = arrays["classes.bias"].astype(np.longdouble)
    np.savez(path, **arrays)
    other = Residual()
    load_weights(other, path)
    assert all(torch.equal(one, other.state_dict()[name])
               for name, one in module.state_dict().items())
    np.savez(path, classes_w=arrays["classes.weight"], **arrays)
    with pytest.raises(InputError, match="one array for each tensor; classes_w and classes.weight "
                                         "are both classes.weight"):
        load_weights(Residual(), path)


def test_tensors_of_few_bits_and_of_other_layouts(tmp_path):
    net = nn.Linear(4, 3)
    eighths = {name: one.to(torch.float8_e4m3fn) for name, one in net.state_dict().items()}
    safetensors.torch.save_file(eighths, tmp_path / "w.safetensors")
    load_weights(net, tmp_path / "w.safetensors")
    assert torch.equal(net.weight, eighths["weight"].float())
    eighths["bias"] = torch.tensor([1.0, torch.nan, 2.0]).to(torch.float8_e4m3fn)
    safetensors.torch.save_file(eighths, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="bias must be finite numbers, and 1 of 3 are not"):
        load_weights(net, tmp_path / "w.safetensors")
    before = net.weight.detach().clone()
    torch.save({"weight": torch.eye(3, 4).to_sparse(), "bias": torch.ones(3)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="weight must be a dense tensor, not torch.sparse_coo"):
        load_weights(net, tmp_path / "w.pt")
    assert torch.equal(net.weight, before)
    large = {"weight": torch.full((3, 4), 1e300, dtype=torch.float64), "bias": torch.ones(3)}
    torch.save(large, tmp_path / "w.pt")        # finite there, and not here
    with pytest.raises(InputError, match="weight must be finite numbers, and 12 of 12 are not"):
        load_weights(net, tmp_path / "w.pt")
