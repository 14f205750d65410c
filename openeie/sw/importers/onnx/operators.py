# SPDX-License-Identifier: Apache-2.0
"""Translation of each ONNX operator into nodes of a float graph."""
import math
from collections.abc import Callable

import numpy as np

from .call import OnnxCall

__all__ = ["OPERATORS"]

_SOFTMAX_LAST = 13          # since this opset the default axis of a softmax is the last one


def _conv(call: OnnxCall) -> None:
    source = call.source()
    weight = call.floats(1, "weight")
    bias = call.floats(2, "bias") if call.given(2) else None
    groups = call.integer("group", 1)
    if weight is None:
        return
    if weight.ndim != 4:
        call.refuse(f"a weight of shape {list(weight.shape)}", "two-dimensional convolutions")
        return
    kernel = call.sizes("kernel_shape", list(weight.shape[2:]))
    call.draft.add(call.place, "conv", [source], weight=weight, bias=bias, groups=groups,
                   **call.window(kernel))


def _pool(op: str) -> Callable[[OnnxCall], None]:
    """The translation of a max or average pool."""
    def make(call: OnnxCall) -> None:
        kernel = call.sizes("kernel_shape", [0, 0])
        ceil = bool(call.integer("ceil_mode", 0))
        call.require(call.integer("storage_order", 0) == 0, "storage_order 1", "storage_order 0")
        counts = bool(call.integer("count_include_pad", 0))
        call.draft.add(call.place, op, [call.source()], ceil=ceil, pad_counts=counts,
                       **call.window(kernel, ceil))
    return make


def _gemm(call: OnnxCall) -> None:
    source = call.source()
    weight = call.floats(1, "weight")
    bias = call.floats(2, "bias") if call.given(2) else None
    for name in ("alpha", "beta"):
        value = call.attributes.take(name, float, 1.0)
        call.require(value == 1, f"{name} {value:g}", f"{name} 1")
    call.require(call.integer("transA", 0) == 0, "transA 1", "transA 0")
    transposed = call.integer("transB", 0)
    if weight is None:
        return
    if weight.ndim != 2:
        call.refuse(f"a weight of shape {list(weight.shape)}", "a matrix")
        return
    weight = weight if transposed else weight.T
    if bias is not None and bias.size in (1, len(weight)):
        bias = np.broadcast_to(bias.reshape(-1), len(weight))
    call.draft.add(call.place, "linear", [source], weight=weight, bias=bias)


def _matmul(call: OnnxCall) -> None:
    source = call.source()
    weight = call.floats(1, "weight")
    if weight is not None:
        call.require(weight.ndim == 2, f"a weight of shape {list(weight.shape)}", "a matrix")
        call.draft.add(call.place, "linear", [source], weight=weight.T)


def _add(call: OnnxCall) -> None:
    constants = [number for number in (0, 1) if call.given(number)
                 and call.inputs[number] in call.values]
    if len(constants) != 1:
        call.draft.add(call.place, "add", [call.source(0), call.source(1)])
        return
    source = call.source(1 - constants[0])
    offset = call.floats(constants[0], "offset")
    shape = call.draft.shape(source)
    if offset is None or not shape:
        call.draft.unknown(call.place)
        return
    channels = (shape[0], *[1] * (len(shape) - 1))
    aligned = (*[1] * (len(shape) + 1 - offset.ndim), *offset.shape)
    if aligned not in ((1, *channels), (1,) * (len(shape) + 1)):
        call.refuse(f"it adds a constant of shape {list(offset.shape)} to {shape}",
                    f"one number per channel, of shape {list(channels)}")
        return
    call.draft.affine(call.place, source, np.ones(shape[0]),
                      np.broadcast_to(offset.reshape(-1), shape[0]).astype(np.float64))


def _batch_norm(call: OnnxCall) -> None:
    source = call.source()
    scale = call.floats(1, "scale")
    offset = call.floats(2, "offset")
    mean = call.floats(3, "mean")
    variance = call.floats(4, "variance")
    epsilon = call.attributes.take("epsilon", float, 1e-5)
    call.attributes.take("momentum", float, 0.9)
    for name, plain in (("training_mode", 0), ("spatial", 1)):
        value = call.integer(name, plain)
        call.require(value == plain, f"{name} {value}", f"{name} {plain}")
    if any(one is None for one in (scale, offset, mean, variance)):
        return
    if len({one.shape for one in (scale, offset, mean, variance)}) != 1:
        call.refuse("its constants have different shapes", "one number per channel in each")
        return
    with np.errstate(all="ignore"):                 # the draft refuses what is not finite
        factor = scale / np.sqrt(variance.astype(np.float64) + epsilon)
        call.draft.affine(call.place, source, factor, offset - mean * factor)


def _flatten(call: OnnxCall) -> None:
    source = call.source()
    axis = call.integer("axis", 1)
    rank = len(call.draft.shape(source)) + 1
    call.require(rank == 1 or axis in (1, 1 - rank), f"axis {axis}", "axis 1")
    call.draft.reshape(call.place, source, (math.prod(call.draft.shape(source)),))


def _reshape(call: OnnxCall) -> None:
    source = call.source()
    wanted = call.constant(1, "shape")
    zero = call.integer("allowzero", 0)
    have = call.draft.shape(source)
    if wanted is None or not have:
        call.draft.unknown(call.place)
        return
    sizes = wanted.reshape(-1).tolist()
    whole = (call.batch, *have)
    if not zero:
        sizes = [whole[number] if size == 0 and number < len(whole) else size
                 for number, size in enumerate(sizes)]
    known = math.prod(size for size in sizes if size != -1)
    if -1 in sizes and known > 0:
        sizes[sizes.index(-1)] = math.prod(whole) // known
    if sizes[:1] != [call.batch]:
        call.refuse(f"it turns {list(whole)} into {wanted.reshape(-1).tolist()[:9]}",
                    "a shape that keeps the batch")
        return
    call.draft.reshape(call.place, source, tuple(sizes[1:]))


def _spatial(call: OnnxCall) -> bool:
    """True if the axes, an attribute in older opsets and an input since, are a map's height and
    width; refuses others."""
    axes = call.attributes.take("axes", list, None)
    if axes is None and call.given(1):
        value = call.constant(1, "axes")
        if value is None:
            return False
        axes = value.reshape(-1).tolist()
    shape = call.draft.shape(call.source())
    holds = not shape or (len(shape) == 3 and sorted(axis % 4 for axis in axes or ()) == [2, 3])
    call.require(holds, f"axes {axes} of {shape}", "axes [2, 3] of a map")
    return holds


def _reduce_mean(call: OnnxCall) -> None:
    keep = call.integer("keepdims", 1)
    call.integer("noop_with_empty_axes", 0)
    if _spatial(call):
        call.draft.mean(call.place, call.source(), keep=bool(keep))


def _squeeze(call: OnnxCall) -> None:
    if _spatial(call):
        call.draft.reshape(call.place, call.source(), call.draft.shape(call.source())[:1])


def _concat(call: OnnxCall) -> None:
    axis = call.integer("axis", 1)
    if not call.inputs:
        call.refuse("it concatenates nothing", "two maps or more")
        return
    call.require(axis in (1, -3), f"axis {axis}", "axis 1, the channels")
    sources = [call.source(number) for number in range(len(call.inputs))]
    call.draft.add(call.place, "concat", sources)


def _clip(call: OnnxCall) -> None:
    bounds = [call.attributes.take(name, float, None) for name in ("min", "max")]
    for number in (0, 1):
        if call.given(number + 1):
            value = call.constant(number + 1, "bound")
            if value is not None and value.size == 1:
                bounds[number] = value.item()
    low, high = bounds
    call.require(low == 0 and high in (None, math.inf), f"it clips to {low} .. {high}",
                 "a ReLU, which clips to 0 .. inf")
    call.draft.add(call.place, "relu", [call.source()])


def _dropout(call: OnnxCall) -> None:
    call.attributes.take("ratio", float, 0.5)
    call.attributes.take("seed", int, 0)
    if call.given(2):
        training = call.constant(2, "training_mode")
        call.require(training is None or not training.any(), "training_mode", "inference")
    call.draft.alias(call.place, call.source())


def _softmax(call: OnnxCall) -> None:
    axis = call.integer("axis", -1 if call.opset >= _SOFTMAX_LAST else 1)
    call.draft.softmax(call.place, call.source(), axis)


#: By the operator's name.
OPERATORS: dict[str, Callable[[OnnxCall], None]] = {
    "Conv": _conv, "Gemm": _gemm, "MatMul": _matmul, "MaxPool": _pool("max_pool"),
    "AveragePool": _pool("avg_pool"),
    "GlobalAveragePool": lambda call: call.draft.mean(call.place, call.source(), keep=True),
    "ReduceMean": _reduce_mean, "BatchNormalization": _batch_norm, "Add": _add,
    "Relu": lambda call: call.draft.add(call.place, "relu", [call.source()]), "Clip": _clip,
    "Flatten": _flatten, "Reshape": _reshape, "Squeeze": _squeeze, "Concat": _concat,
    "Dropout": _dropout, "Identity": lambda call: call.draft.alias(call.place, call.source()),
    "Softmax": _softmax, "LogSoftmax": _softmax,
}
