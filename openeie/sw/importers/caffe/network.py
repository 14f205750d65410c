# SPDX-License-Identifier: Apache-2.0
"""Caffe's network descriptions: a prototxt's layers, with weights by layer name, as a graph."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....core.errors import InputError
from ...float.graph import FloatGraph, Node, shape_of
from .prototxt import Message, read

__all__ = ["Blobs", "WeightLayer", "weight_layers", "to_graph", "load_description"]

#: A layer of this type does nothing when a network runs.
_NOTHING = ("Dropout",)
#: A softmax at the end changes no order: leave it to the host.
_LAST_ONLY = ("Softmax",)


@dataclass(frozen=True, kw_only=True, eq=False)
class Blobs:
    """A layer's weights: float32, with codes and codebook where weights are shared."""
    weight: np.ndarray
    bias: np.ndarray | None
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class WeightLayer:
    """What a description says of a layer with weights; ``kernel`` is empty for InnerProduct."""
    name: str
    outputs: int
    kernel: tuple[int, ...]
    groups: int
    bias: bool = True


def load_description(path: Path) -> Message:
    """A prototxt file with at least one layer.

    Raises
    ------
    InputError : it cannot be read, or has none.
    """
    description = read(path)
    if not _layers(description):
        raise InputError(f"{path} has no layer {{ }} blocks; V1 descriptions (layers) must be "
                         f"upgraded with Caffe's upgrade_net_proto_text")
    return description


def weight_layers(description: Message) -> list[WeightLayer]:
    """The layers with weights, in order."""
    found = []
    for layer in _layers(description):
        kind = layer.text("type")
        if kind == "Convolution":
            inside = layer.message("convolution_param")
            found.append(WeightLayer(name=layer.text("name"), outputs=_outputs(inside),
                                     kernel=_pair(inside, "kernel_size", "kernel", None),
                                     groups=inside.integers("group", [1])[0], bias=_bias(inside)))
        elif kind == "InnerProduct":
            inside = layer.message("inner_product_param")
            found.append(WeightLayer(name=layer.text("name"), outputs=_outputs(inside), kernel=(),
                                     groups=1, bias=_bias(inside)))
    return found


def to_graph(description: Message, blobs: Callable[[WeightLayer, tuple[int, ...]], Blobs]
             ) -> FloatGraph:
    """The network of a description.

    Parameters
    ----------
    blobs : weights and bias of a layer, given the shape that its weights must have.

    Raises
    ------
    InputError : unsupported layers and parameters, all at once; weights that do not fit.
    """
    shape = _input_shape(description)
    unsupported = [problem for layer in _layers(description) if (problem := _unsupported(layer))]
    if unsupported:
        raise InputError("unsupported: " + "; ".join(unsupported))
    nodes = [Node(name="data", op="input", shape=shape)]
    shapes = {"data": shape_of(nodes[0], [])}
    tops = {_input_name(description): "data"}
    dropped: dict[str, str] = {}                    # softmax layers, by the top they make
    known = {layer.name: layer for layer in weight_layers(description)}
    for layer in _layers(description):
        if layer.text("type") == "Input":
            continue
        bottoms = []
        for bottom in layer.all("bottom"):
            if bottom not in tops:
                raise InputError(f"line {layer.line}: layer {layer.text('name')!r} reads "
                                 f"{bottom!r}, which no layer before it makes")
            if bottom in dropped:
                raise InputError(f"line {layer.line}: layer {layer.text('name')!r} reads the "
                                 f"softmax {dropped[bottom]!r}, which must be the last layer, "
                                 f"where it is left to the host")
            bottoms.append(tops[bottom])
        if not bottoms:
            raise InputError(f"line {layer.line}: layer {layer.text('name')!r} reads nothing; "
                             f"give it a bottom")
        top = layer.text("top")
        dropped.pop(top, None)
        if layer.text("type") in (*_NOTHING, *_LAST_ONLY):
            tops[top] = bottoms[0]
            if layer.text("type") in _LAST_ONLY:
                dropped[top] = layer.text("name")
            continue
        make = _KINDS[layer.text("type")]
        for node in make(layer, layer.text("name"), tuple(bottoms), shapes,
                         known.get(layer.text("name")), blobs):
            shapes[node.name] = _shape(layer, node, shapes)
            nodes.append(node)
        tops[top] = nodes[-1].name
    return FloatGraph(name=str(description.one("name", "caffe")), nodes=tuple(nodes))


def _layers(description: Message) -> list[Message]:
    """The layers that run at test time."""
    return [layer for layer in description.all("layer") if isinstance(layer, Message)
            and not any(include.one("phase") == "TRAIN" for include in layer.all("include"))]


def _input_name(description: Message) -> str:
    layers = [layer for layer in _layers(description) if layer.text("type") == "Input"]
    return layers[0].text("top") if layers else description.text("input")


def _input_shape(description: Message) -> tuple[int, ...]:
    """Without the batch, which comes first."""
    layers = [layer for layer in _layers(description) if layer.text("type") == "Input"]
    if layers:
        sizes = layers[0].message("input_param").message("shape").integers("dim")
    else:
        sizes = description.integers("input_dim") \
            or description.message("input_shape").integers("dim")
    if len(sizes) != 4 or min(sizes) < 1:
        raise InputError(f"the description must give the input four positive dimensions (batch, "
                         f"channels, height, width), not {sizes}")
    return tuple(sizes[1:])


def _outputs(inside: Message) -> int:
    sizes = inside.integers("num_output")
    if len(sizes) != 1 or not 1 <= sizes[0] <= 1 << 20:
        raise InputError(f"line {inside.line}: num_output must be one number in 1 .. 1048576, "
                         f"not {sizes}")
    return sizes[0]


def _bias(inside: Message) -> bool:
    """Whether a layer has a bias; Caffe's default is that it has."""
    value = inside.one("bias_term", True)
    if not isinstance(value, bool):
        raise InputError(f"line {inside.line}: bias_term must be true or false, not {value!r}")
    return value


def _pair(inside: Message, name: str, stem: str, default: int | None) -> tuple[int, int]:
    """A size for both axes, from ``name`` once or twice, or ``stem``_h and ``stem``_w."""
    both = inside.integers(name) or [*inside.integers(f"{stem}_h"), *inside.integers(f"{stem}_w")]
    if not both and default is not None:
        both = [default]
    if not 1 <= len(both) <= 2 or not all(0 <= size <= 1 << 12 for size in both):
        raise InputError(f"line {inside.line}: {name} must be one or two numbers in 0 .. 4096, "
                         f"not {both}")
    return both[0], both[-1]


def _unsupported(layer: Message) -> str:
    """What of a layer cannot be done, or nothing."""
    kind, where = layer.text("type"), f"layer {layer.text('name')!r} (line {layer.line})"
    convolution, pooling = layer.message("convolution_param"), layer.message("pooling_param")
    if kind not in (*_KINDS, *_NOTHING, *_LAST_ONLY, "Input"):
        return f"{where} of type {kind}; there are {', '.join(_KINDS)}"
    if set(convolution.integers("dilation", [1])) != {1}:
        return f"{where}: dilation must be 1, not {convolution.integers('dilation')}"
    if kind == "Pooling" and pooling.one("pool", "MAX") not in ("MAX", "AVE"):
        return f"{where}: pool must be MAX or AVE, not {pooling.one('pool')}"
    if kind == "Pooling" and pooling.one("round_mode", "CEIL") not in ("CEIL", "FLOOR"):
        return f"{where}: round_mode must be CEIL or FLOOR, not {pooling.one('round_mode')}"
    if kind == "ReLU" and layer.message("relu_param").one("negative_slope", 0):
        return f"{where}: negative_slope must be 0"
    if kind == "Eltwise" and (layer.message("eltwise_param").one("operation", "SUM") != "SUM"
                              or layer.message("eltwise_param").all("coeff")):
        return f"{where}: Eltwise must be a SUM without coefficients"
    if kind == "Concat" and layer.message("concat_param").one("axis", 1) != 1:
        return f"{where}: Concat must be along axis 1, the channels"
    if kind == "InnerProduct" and layer.message("inner_product_param").one("transpose", False):
        return f"{where}: transposed weights"
    return ""


def _shape(layer: Message, node: Node, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return shape_of(node, [shapes[name] for name in node.inputs])
    except InputError as error:
        raise InputError(f"line {layer.line}: layer {node.name!r}: {error}") from error


def _convolution(layer, name, inputs, shapes, known, blobs) -> list[Node]:
    inside = layer.message("convolution_param")
    channels = shapes[inputs[0]][0]
    if known.groups < 1 or channels % known.groups:
        raise InputError(f"line {layer.line}: group must divide {channels} channels, "
                         f"not {known.groups}")
    values = blobs(known, (known.outputs, channels // known.groups, *known.kernel))
    return [Node(name=name, op="conv", inputs=inputs, kernel=known.kernel,
                 stride=_pair(inside, "stride", "stride", 1), pad=_pair(inside, "pad", "pad", 0),
                 groups=known.groups, **vars(values))]


def _inner_product(layer, name, inputs, shapes, known, blobs) -> list[Node]:
    shape = shapes[inputs[0]]
    length = int(np.prod(shape))
    values = blobs(known, (known.outputs, length))
    flat = []
    if len(shape) != 1:
        flat, inputs = [Node(name=f"{name}/flatten", op="flatten", inputs=inputs)], \
            (f"{name}/flatten",)
    return [*flat, Node(name=name, op="linear", inputs=inputs, **vars(values))]


def _pooling(layer, name, inputs, shapes, known, blobs) -> list[Node]:
    inside = layer.message("pooling_param")
    average = inside.one("pool", "MAX") == "AVE"
    if inside.one("global_pooling", False) and average:
        return [Node(name=name, op="global_avg_pool", inputs=inputs)]
    kernel = shapes[inputs[0]][1:] if inside.one("global_pooling", False) \
        else _pair(inside, "kernel_size", "kernel", None)
    fields = {"kernel": kernel, "stride": _pair(inside, "stride", "stride", 1),
              "pad": _pair(inside, "pad", "pad", 0),
              "ceil": inside.one("round_mode", "CEIL") == "CEIL"}
    if fields["ceil"] and fields["pad"] == (0, 0):
        _check_begins(layer, name, shapes[inputs[0]][1:], kernel, fields["stride"])
    return [Node(name=name, op="avg_pool" if average else "max_pool", inputs=inputs,
                 pad_counts=average, **fields)]


def _check_begins(layer: Message, name: str, sizes: tuple[int, ...], kernel: tuple[int, int],
                  stride: tuple[int, int]) -> None:
    """Refuses a window of nothing: Caffe drops a last one outside the map where it is padded, and
    keeps it where it is not."""
    for size, width, step in zip(sizes, kernel, stride):
        if step > 0 and width <= size and -(-(size - width) // step) * step >= size:
            raise InputError(f"line {layer.line}: the last window of layer {name!r}, {width} wide "
                             f"with stride {step}, begins outside the {size} values of its input; "
                             f"give it round_mode: FLOOR, or a stride of at most {width}")


def _plain(op: str):
    return lambda layer, name, inputs, shapes, known, blobs: [
        Node(name=name, op=op, inputs=inputs)]


_KINDS = {"Convolution": _convolution, "InnerProduct": _inner_product, "Pooling": _pooling,
          "ReLU": _plain("relu"), "Concat": _plain("concat"), "Eltwise": _plain("add"),
          "Flatten": _plain("flatten")}
