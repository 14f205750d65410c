# SPDX-License-Identifier: Apache-2.0
"""Training: every mode learns, and a seed decides everything."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from openeie.core import golden
from openeie.core.artefact import artefact
from openeie.core.errors import InputError
from openeie.sw.binary.exact import exact_outputs
from openeie.sw.binary.modules import BinaryConv2d, BinaryLinear
from openeie.sw.binary.networks import NETWORK_MODES, cifar_net, lenet5
from openeie.sw.binary.train import TASKS, Task, exported, integer_inputs, tensors, train
from openeie.sw.compress.methods.train import Schedule
from torch import nn


def small(mode):
    """A block with binary inputs or weights, or none, on images of 8 x 8."""
    layer = nn.Conv2d(6, 12, 3, bias=False) if mode == "float" \
        else BinaryConv2d(6, 12, 3, mode=mode)
    return nn.Sequential(nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), layer,
                         nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(48, 4))


TASK = Task(name="small", build=small, shape=(1, 8, 8),
            schedule=Schedule(epochs=4, rate=1e-2, final_rate=1e-4, batch=32))


def bars(seed, count=320):
    """Bars in one of four places and directions, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count).astype(np.uint8)
    images = rng.integers(0, 120, (count, 8, 8))
    for image, label in zip(images, labels):
        place = 2 + 3 * (label % 2)
        if label < 2:
            image[place] += 100
        else:
            image[:, place] += 100
    return images.astype(np.uint8), labels


@pytest.mark.parametrize("mode", NETWORK_MODES)
def test_a_mode_learns_and_its_integers_answer_alike(mode):
    train_set, (images, labels) = tensors(TASK, *bars(1)), bars(2, 200)
    model = train(TASK, mode, *train_set, seed=1)
    again = train(TASK, mode, *train_set, seed=1)
    assert all(torch.equal(one, other) for one, other in zip(
        model.state_dict().values(), again.state_dict().values()))
    with torch.no_grad():
        floats = model(tensors(TASK, images, labels)[0]).numpy()
    assert (floats.argmax(1) == labels).mean() > 0.85           # by chance 0.25
    net = exported(TASK, mode, model, train_set[0], seed=1)
    assert net.name == f"small-{mode}" and net.provenance["schedule"]["epochs"] == 4
    x = integer_inputs(TASK, images)
    outputs = golden.network(artefact.loads(artefact.dumps(net)), x)
    assert all(np.array_equal(a, b) for a, b in zip(outputs, exact_outputs(net, x)))
    assert (outputs[-1].argmax(1) != floats.argmax(1)).sum() <= 1


def test_another_seed_gives_other_weights():
    task = replace(TASK, schedule=replace(TASK.schedule, epochs=1))
    few = tensors(task, *bars(1, 64))
    one, other = (train(task, "xnor", *few, seed=seed) for seed in (1, 2))
    assert not torch.equal(one[0].weight, other[0].weight)


LENET5 = (lenet5, (1, 28, 28), 50 * 500 + 500 * 800)
CIFAR_NET = (cifar_net, (3, 32, 32), 64 * 288 + 128 * 576 + 256 * 2048)


@pytest.mark.parametrize("mode", ["bwn", "xnor"])
@pytest.mark.parametrize(("build", "shape", "binary"), [LENET5, CIFAR_NET])
def test_first_and_last_layers_are_real_and_the_others_binary(build, shape, binary, mode):
    model = build(mode).eval()
    assert model(torch.rand(2, *shape)).shape == (2, 10)
    layers = [module for module in model if isinstance(module, (nn.Conv2d, nn.Linear))]
    inner = [module for module in layers if isinstance(module, (BinaryConv2d, BinaryLinear))]
    assert inner == layers[1:-1]
    assert sum(layer.weight.numel() for layer in inner) == binary
    assert all(layer.mode == mode for layer in inner)


@pytest.mark.parametrize(("build", "shape", "binary"), [LENET5, CIFAR_NET])
def test_a_float_network_has_no_binary_layer(build, shape, binary):
    model = build("float").eval()
    assert model(torch.rand(2, *shape)).shape == (2, 10)
    assert not [one for one in model if isinstance(one, (BinaryConv2d, BinaryLinear))]


@pytest.mark.parametrize("build", [lenet5, cifar_net])
def test_signs_are_of_normalised_values(build):
    model = list(build("xnor"))
    before = [one for one, layer in zip(model, model[1:])
              if isinstance(layer, (BinaryConv2d, BinaryLinear))]
    assert before and all(isinstance(one, (nn.BatchNorm2d, nn.Flatten)) for one in before)


def test_an_unknown_mode_is_refused():
    for task in TASKS.values():
        with pytest.raises(InputError, match="mode must be one of float, bwn, xnor, not 'int8'"):
            task.build("int8")


def test_pictures_as_integer_networks_take_them():
    images = np.arange(2 * 3 * 32 * 32, dtype=np.int64).reshape(2, 3, 32, 32) % 251
    flat = integer_inputs(TASKS["cifar10"], images.astype(np.uint8))
    assert flat.shape == (2, 3072)
    assert flat[1, (5 * 32 + 7) * 3 + 2] == images[1, 2, 5, 7]
