# SPDX-License-Identifier: Apache-2.0
"""Translation of each operator of an exported torch module into nodes of a float graph."""
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import fx

from ..draft import Draft, Place

__all__ = ["TorchCall", "OPERATORS"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchCall:
    """A node that depends on the network's input, with its arguments by name.

    Attributes
    ----------
    draft : the graph under construction.
    place : the node, for messages.
    node : the node itself.
    constants : values of the nodes that do not depend on the input.
    """
    draft: Draft
    place: Place
    node: fx.Node
    constants: dict[fx.Node, torch.Tensor]

    @property
    def parameters(self) -> Sequence[torch.Argument]:
        """The operator's parameters, in order."""
        return cast(torch._ops.OpOverload, self.node.target)._schema.arguments

    def argument(self, name: str) -> Any:
        """An argument by its parameter's name, or its default.

        Raises
        ------
        KeyError : the operator has no such parameter.
        """
        for number, one in enumerate(self.parameters):
            if one.name == name:
                if number < len(self.node.args):
                    return self.node.args[number]
                return self.node.kwargs.get(name, one.default_value)
        raise KeyError(name)

    def source(self, name: str = "input") -> str:
        """The tensor of an argument, which must depend on the network's input."""
        value = self.argument(name)
        if isinstance(value, fx.Node) and value not in self.constants:
            return value.name
        self.refuse(f"its argument {name!r} is a constant", "a tensor that depends on the input")
        return self.place.tensor

    def array(self, name: str) -> np.ndarray | None:
        """The float32 values of an argument that must be a constant; None if it is not given, or
        refused."""
        value = self.argument(name)
        if value is None:
            return None
        if value not in self.constants:
            self.refuse(f"its {name} depends on the input", f"a constant {name}")
            return None
        tensor = self.constants[value]
        self.require(tensor.dtype == torch.float32, f"its {name} is {tensor.dtype}",
                     "torch.float32")
        # A copy: further training must not change the network.
        return np.array(tensor.cpu().to(torch.float32).numpy())

    def pair(self, name: str, default: tuple[int, int] | None = None) -> tuple[int, int]:
        """A size for each axis, from one number or two; the default if the argument is empty."""
        value = self.argument(name)
        if value is None or (default is not None and not value):
            return default
        both = [value] if isinstance(value, int) else list(value)
        return both[0], both[-1]

    def refuse(self, reason: str, nearest: str = "") -> None:
        """Refuse the node, see :meth:`Draft.refuse`."""
        self.draft.refuse(self.place, reason, nearest)

    def require(self, holds: bool, reason: str, nearest: str) -> None:
        """Refuse the node unless ``holds``."""
        if not holds:
            self.refuse(reason, nearest)

    @property
    def rank(self) -> int:
        """Dimensions of the first result, the batch included."""
        return self.node.meta["val"].ndim


def _convolution(call: TorchCall) -> None:
    source = call.source()
    weight = call.array("weight")
    bias = call.array("bias")
    dilation = call.pair("dilation")
    call.require(dilation == (1, 1), f"dilation {dilation}", "dilation 1")
    stride = call.pair("stride")
    if weight is None:
        return
    kernel = weight.shape[2:]
    padding = call.argument("padding")
    pad = (0, 0)
    if padding == "same":
        call.require(kernel[0] % 2 == kernel[1] % 2 == 1,
                     f"padding 'same' of an even kernel {tuple(kernel)} is not symmetric",
                     "odd kernels")
        pad = kernel[0] // 2, kernel[1] // 2
    elif padding != "valid":
        pad = call.pair("padding")
    call.draft.add(call.place, "conv", [source], weight=weight, bias=bias, kernel=tuple(kernel),
                   stride=stride, pad=pad, groups=call.argument("groups"))


def _linear(call: TorchCall) -> None:
    source = call.source()
    weight = call.array("weight")
    bias = call.array("bias")
    if weight is not None:
        call.draft.add(call.place, "linear", [source], weight=weight, bias=bias)


def _max_pool(call: TorchCall) -> None:
    dilation = call.pair("dilation")
    kernel = call.pair("kernel_size")
    call.require(dilation == (1, 1), f"dilation {dilation}", "dilation 1")
    call.draft.add(call.place, "max_pool", [call.source("self")], kernel=kernel,
                   stride=call.pair("stride", kernel), pad=call.pair("padding"),
                   ceil=call.argument("ceil_mode"))


def _avg_pool(call: TorchCall) -> None:
    kernel = call.pair("kernel_size")
    divisor = call.argument("divisor_override")
    call.require(divisor is None, f"divisor_override {divisor}", "divisor_override None")
    call.draft.add(call.place, "avg_pool", [call.source("self")], kernel=kernel,
                   stride=call.pair("stride", kernel), pad=call.pair("padding"),
                   ceil=call.argument("ceil_mode"), pad_counts=call.argument("count_include_pad"))


def _adaptive(call: TorchCall) -> None:
    source = call.source("self")
    size = call.pair("output_size")
    if size == call.draft.shape(source)[1:]:
        call.draft.alias(call.place, source)
        return
    call.require(size == (1, 1), f"output size {size}", "output size 1")
    call.draft.mean(call.place, source, keep=True)


def _mean(call: TorchCall) -> None:
    source = call.source("self")
    axes = list(call.argument("dim") or ())
    rank = len(call.draft.shape(source)) + 1
    call.require(rank == 1 or (rank == 4 and {axis % rank for axis in axes} == {2, 3}),
                 f"a mean over axes {axes}", "over both axes of a map, 2 and 3")
    call.draft.mean(call.place, source, keep=call.argument("keepdim"))


def _relu(call: TorchCall) -> None:
    call.draft.add(call.place, "relu", [call.source("self")])


def _clamp(low: str, high: str | None) -> Callable[[TorchCall], None]:
    """The translation of a clamp between two parameters: a ReLU if it has no upper bound."""
    def make(call: TorchCall) -> None:
        least = call.argument(low)
        most = call.argument(high) if high else None
        call.require(least == 0 and most in (None, math.inf), f"it clamps to {least} .. {most}",
                     "a ReLU, which clamps to 0 .. inf")
        _relu(call)
    return make


def _reshape(call: TorchCall) -> None:
    first = call.parameters[0].name
    source = call.source(first)
    before = tuple(call.argument(first).meta["val"].shape)
    after = tuple(call.node.meta["val"].shape)
    if after[:1] != before[:1]:
        call.refuse(f"it turns {before} into {after}",
                    f"a shape that keeps the batch of {before[0]}")
        return
    call.draft.reshape(call.place, source, after[1:])


def _concat(call: TorchCall) -> None:
    tensors = call.argument("tensors")
    axis = call.argument("dim")
    call.require(axis % call.rank == 1, f"a concatenation along axis {axis}",
                 "along axis 1, the channels")
    if any(one in call.constants for one in tensors):
        call.refuse("it reads a constant", "tensors that depend on the input")
    else:
        call.draft.add(call.place, "concat", [one.name for one in tensors])


def _add(call: TorchCall) -> None:
    call.require(call.argument("alpha") == 1, f"alpha {call.argument('alpha')}", "alpha 1")
    call.draft.add(call.place, "add", [call.source("self"), call.source("other")])


def _nothing(call: TorchCall) -> None:
    """An operator that changes no value in eval mode."""
    source = call.source(call.parameters[0].name)
    if any(one.name in ("train", "training") for one in call.parameters):
        active = call.argument("train")
        call.require(not active, "dropout that is active in eval mode",
                     "F.dropout(x, training=self.training)")
    kind = call.node.meta["val"].dtype
    call.require(kind == torch.float32, f"its values are {kind}", "torch.float32")
    call.draft.alias(call.place, source)


def _batch_norm(call: TorchCall) -> None:
    source = call.source()
    mean = call.array("running_mean")
    variance = call.array("running_var")
    if mean is None or variance is None:
        call.refuse("it has no statistics", "track_running_stats=True")
        return
    weight = call.array("weight")
    bias = call.array("bias")
    with np.errstate(all="ignore"):                 # the draft refuses what is not finite
        factor = 1 / np.sqrt(variance.astype(np.float64) + call.argument("eps"))
    if weight is not None:
        factor = factor * weight
    start = 0 if bias is None else bias
    call.draft.affine(call.place, source, factor, start - mean * factor)


def _softmax(call: TorchCall) -> None:
    call.draft.softmax(call.place, call.source("self"), call.argument("dim"))


#: By the exported operator's name.
OPERATORS: dict[str, Callable[[TorchCall], None]] = {
    "aten.conv2d.default": _convolution, "aten.conv2d.padding": _convolution,
    "aten.linear.default": _linear,
    "aten.max_pool2d.default": _max_pool, "aten.avg_pool2d.default": _avg_pool,
    "aten.adaptive_avg_pool2d.default": _adaptive, "aten.mean.dim": _mean,
    "aten.relu.default": _relu, "aten.clamp_min.default": _clamp("min", None),
    "aten.clamp.default": _clamp("min", "max"),
    "aten.hardtanh.default": _clamp("min_val", "max_val"),
    "aten.flatten.using_ints": _reshape, "aten.view.default": _reshape,
    "aten.reshape.default": _reshape, "aten._unsafe_view.default": _reshape,
    "aten.squeeze.default": _reshape,
    "aten.squeeze.dim": _reshape, "aten.squeeze.dims": _reshape,
    "aten.cat.default": _concat, "aten.add.Tensor": _add,
    "aten.dropout.default": _nothing, "aten.feature_dropout.default": _nothing,
    "aten.contiguous.default": _nothing, "aten.clone.default": _nothing,
    "aten.alias.default": _nothing, "aten.detach.default": _nothing,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.softmax.int": _softmax, "aten._softmax.default": _softmax,
    "aten.log_softmax.int": _softmax, "aten._log_softmax.default": _softmax,
}
