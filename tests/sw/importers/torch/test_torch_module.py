# SPDX-License-Identifier: Apache-2.0
"""Live torch modules as float graphs: the same numbers, or one error that tells everything."""
import io
import logging
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune
from openeie.core.errors import InputError
from openeie.sw.float.run import run_float
from openeie.sw.importers.torch.module import load_module
from support.modules import MODULES, draw, scores
from torch import nn


class Function(nn.Module):
    """A module that computes a function, with layers at hand."""
    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *x):
        return self.function(self, *x)


def same(module, graph, x):
    """Whether graph and module agree; a log-softmax at the end is a constant per image."""
    expected, got = scores(module, x).numpy(), run_float(graph, x.numpy())
    difference = got.reshape(expected.shape) - expected
    if any(word in type(module).__name__ for word in ("LeNet", "ResNet")):
        difference = difference - difference.mean(axis=1, keepdims=True)
    return np.abs(difference).max() < 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_computes_what_torch_computes(name, rng):
    module, x = draw(name, rng)
    graph = load_module(module, x)
    assert graph.shapes[graph.input.name] == tuple(x.shape[1:])
    assert same(module, graph, x)
    weight = next(node for node in graph.nodes if node.weight is not None)
    weight.weight[:] *= 1.01                        # the comparison sees it
    assert not same(module, graph, x)


def test_names_and_operators_are_those_of_the_module(rng):
    module, x = draw("lenet", rng)
    assert [(node.name, node.op) for node in load_module(module, x).nodes] == [
        ("x", "input"), ("conv1", "conv"), ("relu", "relu"), ("max_pool2d", "max_pool"),
        ("conv2", "conv"), ("max_pool2d_1", "max_pool"), ("view", "flatten"), ("ip1", "linear"),
        ("relu_1", "relu"), ("ip2", "linear")]


def test_the_module_is_left_as_it_was(rng):
    module, x = draw("mobilenet", rng)
    module.train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    graph = load_module(module, x)
    assert [inner.training for inner in module] == [number != 1 for number in range(len(module))]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    kept = graph.nodes[1].weight.copy()
    with torch.no_grad():
        module[0].weight.zero_()                    # training goes on
    assert np.array_equal(graph.nodes[1].weight, kept)


def test_what_is_computed_from_parameters_is_a_weight(rng):
    _, x = draw("lenet", rng)
    layer, other = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 3, 3)
    torch.nn.utils.prune.random_unstructured(layer, "weight", amount=0.5)
    torch.nn.utils.parametrizations.weight_norm(other)
    module = nn.Sequential(layer, other, nn.ReLU())
    graph = load_module(module, x)
    assert np.array_equal(graph.nodes[1].weight, layer.weight.detach().numpy())
    assert np.count_nonzero(graph.nodes[1].weight) == 9
    assert same(module, graph, x)


def exact(make, x, **layers):
    module = Function(make, **layers).eval()
    return same(module, load_module(module, x), x)


def test_what_is_trivially_exact(rng):
    x = torch.tensor(rng.normal(size=(2, 4, 6, 6)), dtype=torch.float32)
    assert exact(lambda self, x: F.hardtanh(x, 0, float("inf")), x)
    assert exact(lambda self, x: x.clamp(min=0), x)
    assert exact(lambda self, x: F.adaptive_avg_pool2d(F.relu(x), 6), x)
    assert exact(lambda self, x: F.relu(x).mean((-1, 2), keepdim=True).squeeze(), x)
    assert exact(lambda self, x: torch.flatten(x, 1) + x.reshape(x.shape[0], -1), x)
    assert exact(lambda self, x: self.c(x), x, c=nn.Conv2d(4, 2, 3, padding="valid"))


C, BN = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

REFUSALS = {
    "dilation": (lambda s, x: F.conv2d(x, s.c.weight, dilation=2), "dilation (2, 2)", "dilation 1"),
    "even same": (lambda s, x: F.conv2d(x, s.c.weight[:, :, :2, :2], padding="same"),
                  "padding 'same' of an even kernel (2, 2) is not symmetric", "odd kernels"),
    "weights": (lambda s, x: F.conv2d(x, x[:, :, :3, :3]), "its weight depends on the input",
                "a constant weight"),
    "channels": (lambda s, x: F.linear(x, torch.ones(2, 6)), "it takes a vector, not (4, 6, 6)",
                 ""),
    "transposed": (lambda s, x: F.conv_transpose2d(x, s.c.weight), "is not supported",
                   "a two-dimensional convolution, not transposed"),
    "divisor": (lambda s, x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override 3",
                "divisor_override None"),
    "max dilation": (lambda s, x: F.max_pool2d(x, 2, dilation=2), "dilation (2, 2)", "dilation 1"),
    "adaptive": (lambda s, x: F.adaptive_avg_pool2d(x, 3), "output size (3, 3)", "output size 1"),
    "mean": (lambda s, x: x.mean(1), "a mean over axes [1]", "over both axes of a map, 2 and 3"),
    "relu6": (lambda s, x: F.relu6(x), "is not supported", "a plain ReLU"),
    "hardtanh": (lambda s, x: F.hardtanh(x), "it clamps to -1.0 .. 1.0",
                 "a ReLU, which clamps to 0 .. inf"),
    "sigmoid": (lambda s, x: x.sigmoid(), "is not supported", "a ReLU"),
    "reshape": (lambda s, x: x.view(2, 8, 18), "it turns (4, 6, 6) into (8, 18)",
                "flattening all but the batch, to (144,)"),
    "batch": (lambda s, x: x.view(-1, 36), "it turns (2, 4, 6, 6) into (8, 36)",
              "a shape that keeps the batch of 2"),
    "cat": (lambda s, x: torch.cat([x, x], 2), "a concatenation along axis 2",
            "along axis 1, the channels"),
    "cat constant": (lambda s, x: torch.cat([x, s.c.weight[:2, :, :1, :1].expand(2, 4, 6, 6)], 1),
                     "it reads a constant", "tensors that depend on the input"),
    "add constant": (lambda s, x: x + 1, "its argument 'other' is a constant",
                     "a tensor that depends on the input"),
    "alpha": (lambda s, x: torch.add(x, x.relu(), alpha=2), "alpha 2", "alpha 1"),
    "broadcast": (lambda s, x: x + x.mean((2, 3), keepdim=True),
                  "its inputs must have one shape, not (4, 6, 6) and (4, 1, 1)", ""),
    "dropout": (lambda s, x: F.dropout(x), "is not supported",
                "dropout that is off when the module is in eval mode"),
    "softmax": (lambda s, x: F.relu(x.softmax(1)), "a softmax that is not the last operator",
                "one at the end, which is left to the host"),
    "softmax axis": (lambda s, x: x.softmax(3), "a softmax along axis 3",
                     "along axis 1, the classes"),
    "norm": (lambda s, x: s.n(F.relu(s.c(x))), "it cannot be folded into 'relu' (relu)",
             "directly after a convolution or linear layer that only it reads"),
    "norm shared": (lambda s, x: (lambda y: s.n(y) + y)(s.c(x)),
                    "it cannot be folded into 'c' (conv), which others read too",
                    "directly after a convolution or linear layer that only it reads"),
    "no statistics": (lambda s, x: F.instance_norm(x), "is not supported",
                      "batch normalisation in eval mode"),
    "chunk": (lambda s, x: x.chunk(2, 1)[0], "is not supported",
              "one layer for each part"),
    "cond": (lambda s, x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)),
             "is not supported", "one path"),
    "not finite": (lambda s, x: F.conv2d(x, s.c.weight * float("inf")),
                   "weights or bias that are not all finite numbers", ""),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name, rng):
    make, reason, nearest = REFUSALS[name]
    x = torch.tensor(rng.normal(size=(2, 4, 6, 6)), dtype=torch.float32)
    with pytest.raises(InputError) as raised:
        load_module(Function(make, c=C, n=BN), x)
    lines = str(raised.value).splitlines()
    assert lines[0] == "network 'Function' cannot be imported:"
    wanted = f"): {reason}" + (f"; supported: {nearest}" if nearest else "")
    assert any(line.startswith("  node '") and (line.endswith(wanted) or not nearest
               and wanted in line) for line in lines), lines


def test_everything_unsupported_is_told_at_once(rng):
    x = torch.tensor(rng.normal(size=(2, 4, 6, 6)), dtype=torch.float32)

    def many(self, x):
        y = F.conv2d(x, self.c.weight, dilation=2).sigmoid() * 2
        return self.n(F.avg_pool2d(y, 2, divisor_override=3)).softmax(1).transpose(2, 3)
    with pytest.raises(InputError) as raised:
        load_module(Function(many, c=C, n=BN), x)
    first, *lines, last = str(raised.value).splitlines()
    assert [line.split("'")[1] for line in lines] == [
        "c", "sigmoid", "mul", "avg_pool2d", "transpose", "softmax"]
    assert last.startswith("there are adaptive_avg_pool2d, add, ") and "sigmoid" not in last


def test_inputs_outputs_and_types(rng):
    x = torch.tensor(rng.normal(size=(2, 4, 6, 6)), dtype=torch.float32)

    def refused(module, example, message):
        with pytest.raises(InputError, match=message):
            load_module(module, example)
    identity = Function(lambda self, x: x.relu())
    refused(identity, x.double(), r"the example must be float32 .*, not float64 \[2, 4, 6, 6\]")
    refused(identity, x[0], r"the example must be float32 .*, not float32 \[4, 6, 6\]")
    refused(identity, (x, x), "the example must be one tensor: ")
    refused("model.pt", x, "a module must be a live torch.nn.Module, not str")
    refused(Function(lambda self, x: (x.relu(), x.relu() + x)), x,
            "it must return one tensor, not 2: relu, add")
    refused(Function(lambda self, x, y: x + y), x,
            "cannot be traced on an input.*TypeError: .*; its forward must run on one tensor")
    refused(Function(lambda self, x: x if x.sum() > 0 else -x), x,
            r"cannot be traced on an input of shape \[2, 4, 6, 6\].*; control flow and shapes "
            r"must not depend on the data$")
    refused(C, x[:, :3], r"shape \[2, 3, 6, 6\]: RuntimeError: Given groups=1.*; its forward must "
                         r"run on an input of that shape$")
    refused(nn.Conv2d(4, 4, 3).double(), x,
            "cannot be traced.*must be torch.float32, not torch.float64; call .float")
    refused(Function(lambda self, x: x.double() @ x), x,
            "cannot be traced.*; everything in it must be computed in torch.float32$")
    refused(Function(lambda self, x: self.c.weight * 2, c=C), x, "does not depend on its input")

    def counting(self, x):
        self.calls += 1
        return x.relu()
    module = Function(counting)
    module.register_buffer("calls", torch.zeros(1))
    refused(module, x, "it changes its buffers in eval mode: calls")


def test_torch_prints_nothing_before_the_error(capfd, rng, monkeypatch):
    x = torch.tensor(rng.normal(size=(2, 4, 6, 6)), dtype=torch.float32)
    logged = io.StringIO()
    handlers = {handler: list(handler.filters) for name in logging.root.manager.loggerDict
                if name.startswith("torch.") for handler in logging.getLogger(name).handlers
                if isinstance(handler, logging.StreamHandler)}
    for handler in handlers:
        monkeypatch.setattr(handler, "stream", logged)
    capfd.readouterr()
    for module, example in ((Function(lambda self, x: x if x.sum() > 0 else -x), x),
                            (nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), x)):
        with pytest.raises(InputError, match="cannot be traced"):
            load_module(module, example)
    assert capfd.readouterr() == ("", "") and not logged.getvalue()
    assert handlers and all(handler.filters == before for handler, before in handlers.items())
    logging.getLogger("torch.fx.experimental.symbolic_shapes").warning("heard")
    sys.stderr.write("heard too")
    assert "heard" in logged.getvalue() and capfd.readouterr().err == "heard too"
