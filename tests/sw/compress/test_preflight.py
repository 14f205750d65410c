# SPDX-License-Identifier: Apache-2.0
"""What a compression refuses of networks and teachers before any work; whose checkpoints it takes
for its own."""
import os
import numpy as np
import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.binary.modules import BinaryLinear
from openeie.sw.compress.methods.train import deterministic
from openeie.sw.compress.preflight import check_network, identity
from openeie.sw.compress.recipe_file import read_recipe
from openeie.sw.compress.source import find_source
from openeie.sw.data.labelled import load_dataset
from support.pictures import Chain, Residual, arrays
from torch import nn

DATA = load_dataset(arrays(60, 20))
TRAIN = {"train": {"epochs": 1, "batch": 50}}


def checked(network, recipe=None, **options):
    return check_network(find_source(network), read_recipe(TRAIN | (recipe or {})), DATA, **options)


class Tied(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10), nn.Linear(10, 10), nn.Linear(10, 10))
        self[3].weight = self[2].weight


class Turned(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10), nn.Linear(10, 64), nn.Linear(64, 10))
        self[2].weight = nn.Parameter(self[1].weight.detach().T)


class Training(Chain):
    """Raises, or gives more, while it is trained."""
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(super().forward(x)) if self.training else super().forward(x)


def normed():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))


def leave(x):
    raise SystemExit(3)


@pytest.mark.parametrize("network, recipe, message", [
    (Tied, {}, "must belong to one layer, .* the same tensor: 2.weight = 3.weight$"),
    (Turned, {}, "the same tensor: 1.weight = 2.weight$"),
    (lambda: Training(lambda y: (y, y)), {}, "must return while it is trained one tensor .*not "
                                             "tuple of a batch of 50"),
    (lambda: Training(lambda y: y[:, :9]), {}, "same outputs while it is trained, 10, not 9"),
    (lambda: Training(leave), {}, "must run while it is trained on .* SystemExit: 3; train.batch"),
    (normed, {"prune": {"keep": 0.5, "between": {"epochs": 1, "batch": 1}}},
     "while it is trained .*raises ValueError: Expected more than 1 value.*; prune.between.batch "
     "in the recipe is 1"),
])
def test_networks_that_cannot_be_trained(network, recipe, message):
    with pytest.raises(InputError, match=message):
        checked(network, recipe)


def test_what_is_not_trained_need_not_be_trainable():
    module = Training(leave)
    recipe = read_recipe({"prune": {"keep": 0.5}, "share": {}, "centroids": {"epochs": 1}})
    assert check_network(find_source(module), recipe, DATA).nodes
    batches = {"prune": {"keep": 0.5}, "retrain": {"epochs": 1, "batch": 2}}
    assert checked(normed, batches).nodes


def test_a_layer_may_be_called_chain_but_not_as_modules_call_things():
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.chain = nn.Sequential(nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 10))
            self._steps = 3

        def forward(self, x):
            return self.chain(x.flatten(1))
    assert checked(Called, {"share": {}}).nodes

    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self._steps = nn.Linear(64, 10)

        def forward(self, x):
            return self._steps(x.flatten(1))
    with pytest.raises(InputError, match="must not be called '_steps', a name that"):
        checked(Steps, {"share": {}})


@pytest.mark.parametrize("teacher, message", [
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 9)), "teacher must have the 10 .*, not 9"),
    (nn.Linear(32, 10), r"teacher must run on images of shape \[1, 8, 8\]")])
def test_teachers_that_answer_otherwise(teacher, message):
    with pytest.raises(InputError, match=message):
        checked(Chain, {"distill": {}}, teacher=teacher)


class Standardised(nn.Linear):
    """Weights with mean 0."""
    def forward(self, x):
        return nn.functional.linear(x, self.weight - self.weight.mean(), self.bias)


class Own(nn.Module):
    """A weight that is no layer's."""
    def __init__(self):
        super().__init__()
        self.last, self.mine = nn.Linear(12, 10), nn.Parameter(torch.ones(12, 64))

    def forward(self, x):
        return self.last(nn.functional.linear(x.flatten(1), self.mine))


class Aside(Chain):
    """With a layer that never runs."""
    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(24, 5)

    def forward(self, x):
        return self[3](self[2](self[1](self[0](x))))


class Twice(nn.Module):
    """A layer that runs twice, and one as large that never runs."""
    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Linear(64, 10), nn.Linear(10, 10)
        self.idle = nn.Linear(10, 10)

    def forward(self, x):
        return self.again(self.again(self.first(x.flatten(1))).relu())


class Bare(nn.Module):
    """No layer, and a factor that is not trained."""
    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.ones(10, 64))

    def forward(self, x):
        return nn.functional.linear(x.flatten(1), self.factor)


@pytest.mark.parametrize("network, message", [
    (lambda: nn.Sequential(nn.Flatten(), Standardised(64, 10)), "use those of 1; others, .* 1$"),
    (lambda: nn.Sequential(nn.Flatten(), BinaryLinear(64, 10, mode="bwn")), "not use those of 1;"),
    (Own, "unmodified, to be pruned; others, or modified ones, are used in linear"),
    (Aside, "unmodified, to be pruned; it does not use those of aux$"),
    (Twice, "it does not use those of idle$"),
    (Bare, "must have a torch.nn.Conv2d or Linear to be pruned, and has none")])
def test_pruning_that_would_be_in_vain(network, message):
    source = find_source(network())
    with pytest.raises(InputError, match=message):
        check_network(source, read_recipe({"prune": {"keep": 0.5}}), DATA)
    assert check_network(source, read_recipe({}), DATA).nodes


def test_layers_that_stay_whole_may_be_any():
    for network in (Aside, Twice, Own):
        name = "last" if network is Own else next(iter(dict(network().named_children())))
        keep = {"1" if network is Aside else name: 0.5}
        assert checked(network, {"prune": {"keep": keep}}).nodes


def test_what_can_be_pruned_is_not_refused():
    for network in (Chain, Residual, normed, lambda: nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.MaxPool2d(2), nn.Conv2d(6, 6, 1, groups=6), nn.Flatten(),
            nn.Linear(54, 10))):
        assert check_network(find_source(network()), read_recipe({"prune": {"keep": 0.5}}),
                             DATA).nodes


def test_what_cannot_be_trained_or_augmented():
    with pytest.raises(InputError, match="Bare has no parameter to train: .* section train$"):
        checked(Bare)
    recipe = read_recipe({"share": {}, "centroids": {"epochs": 1},
                          "data": {"augment": {"shift": 1.0}}})
    flat = load_dataset({name: value.reshape(len(value), -1)[:, :48] if "images" in name else value
                         for name, value in arrays(60, 20).items()})
    with pytest.raises(InputError, match=r"data.augment: .* flat squares, not \[48\]; data.shape"):
        check_network(find_source(nn.Sequential(nn.Linear(48, 10))), recipe, flat)


# Identity -------------------------------------------------------------------------------------
NET = """from torch import nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 10))
    def forward(self, x):
        return super().forward(x)
"""


def known_as(network, data=DATA, *, seed=3, teacher=None):
    recipe, source = read_recipe(TRAIN), find_source(network)
    with deterministic(seed):
        graph = check_network(source, recipe, data)
        return identity(source, graph, data, seed=seed, device="cpu", teacher=teacher)


def differences(one, other):
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize("old, new, parts", [
    ("Dropout(0.1)", "Dropout(0.2)", {"module", "code"}),
    ("10))\n", "10))\n        nn.init.zeros_(self[2].bias)\n", {"weights", "code"}),
    ("super().forward(x)", "super().forward(-x if self.training else x)", {"code"})])
def test_another_module_of_the_same_graph_is_another_run(tmp_path, old, new, parts):
    path = tmp_path / "net.py"
    path.write_text(NET)
    first = known_as(f"{path}:Net")
    assert known_as(f"{path}:Net") == first
    written = path.stat().st_mtime
    path.write_text(NET.replace(old, new))
    os.utime(path, (written, written))          # as an edit within the same second
    assert differences(first, known_as(f"{path}:Net")) == parts
    assert not (tmp_path / "__pycache__").exists()


def test_code_that_a_network_s_own_file_does_not_have_counts_too(tmp_path):
    (tmp_path / "made.py").write_text("from parts_of_it import Net\n"
                                      "def make():\n    return Net()\n")
    (tmp_path / "parts_of_it.py").write_text(NET)
    first = known_as(f"{tmp_path}/made.py:make")
    (tmp_path / "parts_of_it.py").write_text(NET + "# changed\n")
    assert differences(first, known_as(f"{tmp_path}/made.py:make")) == {"code"}


def test_names_and_seeds_count_and_addresses_do_not(tmp_path):
    class Printed(Chain):
        def extra_repr(self):
            return repr(object())
    assert known_as(Printed) == known_as(Printed)
    assert differences(known_as(Chain), known_as(Chain, seed=4)) == {"weights", "seed"}
    np.savez(tmp_path / "d.npz", **arrays(60, 20))
    assert differences(known_as(Chain), known_as(Chain, load_dataset(tmp_path / "d.npz"))) == {
        "data_name"}
    # Of the same weights: none.
    pools = [nn.Sequential(nn.AvgPool2d(size), nn.Flatten()) for size in (1, 2)]
    assert differences(*(known_as(Chain, teacher=one) for one in pools)) == {"teacher"}
    scaled = [Chain() for _ in range(2)]
    scaled[1].load_state_dict(scaled[0].state_dict())
    assert not differences(*(known_as(Chain, teacher=one) for one in scaled))
    scaled[1].scale = 2.0
    assert differences(*(known_as(Chain, teacher=one) for one in scaled)) == {"teacher"}
    module = Chain()
    first = known_as(module)
    with torch.no_grad():
        module[1].bias[0] += 1
    assert differences(first, known_as(module)) == {"weights"}
