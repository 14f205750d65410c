# SPDX-License-Identifier: Apache-2.0
"""A float graph from a Caffe description, its layers' weights given by name."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from ....core.errors import InputError
from ...float.graph import FloatGraph, Node, shape_of
from .prototxt import Message, read

__all__ = ["Blobs", "WeightLayer", "weight_layers", "to_graph", "load_description"]

#: Types of layers that do nothing at test time.
_NOTHING = ("Dropout",)
#: A softmax at the end keeps the order of the outputs, and is left to the host.
_LAST_ONLY = ("Softmax",)

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Blobs:
    """A layer's weights and bias, as :class:`~openeie.sw.float.graph.Node` has them; codes and
    codebook only if weights are shared."""
    weight: np.ndarray
    bias: np.ndarray | None
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class WeightLayer:
    """A layer with weights in a description.

    Attributes
    ----------
    outputs : channels, or elements, that it computes.
    kernel : (height, width) of a Convolution, () of an InnerProduct.
    bias : whether it has a bias.
    """
    name: str
    outputs: int
    kernel: tuple[int, ...]
    groups: int
    bias: bool = True


def load_description(path: Path) -> Message:
    """A description of at least one layer from a prototxt file.

    Raises
    ------
    InputError : the file cannot be read, or describes no layer.
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
    InputError : unsupported layers and parameters, listed at once; weights that do not fit.
    """
    shape = _input_shape(description)
    unsupported = [problem for layer in _layers(description) if (problem := _unsupported(layer))]
    if unsupported:
        raise InputError("unsupported: " + "; ".join(unsupported))
    nodes = [Node(name="data", op="input", shape=shape)]
    shapes = {"data": shape_of(nodes[0], [])}
    tops = {_input_name(description): "data"}       # a blob -> the node that computes it
    dropped: dict[str, str] = {}                    # a blob -> the softmax that computes it
    known = {layer.name: layer for layer in weight_layers(description)}
    for layer in _layers(description):
        kind = layer.text("type")
        if kind == "Input":
            continue
        inputs = _inputs(layer, tops, dropped)
        top = layer.text("top")
        dropped.pop(top, None)
        if kind in (*_NOTHING, *_LAST_ONLY):
            tops[top] = inputs[0]
            if kind in _LAST_ONLY:
                dropped[top] = layer.text("name")
            continue
        name = layer.text("name")
        call = _Layer(message=layer, name=name, inputs=inputs, shapes=shapes,
                      known=known.get(name), blobs=blobs)
        for node in _KINDS[kind](call):
            shapes[node.name] = _shape(layer, node, shapes)
            nodes.append(node)
        tops[top] = nodes[-1].name
    return FloatGraph(name=str(description.one("name", "caffe")), nodes=tuple(nodes))


def _inputs(layer: Message, tops: Mapping[str, str], dropped: Mapping[str, str]
            ) -> tuple[str, ...]:
    """The nodes that a layer reads."""
    where = f"line {layer.line}: layer {layer.text('name')!r}"
    bottoms = layer.all("bottom")
    for bottom in bottoms:
        if bottom not in tops:
            raise InputError(f"{where} reads {bottom!r}, which no layer before it computes")
        if bottom in dropped:
            raise InputError(f"{where} reads the softmax {dropped[bottom]!r}, which must be the "
                             f"last layer, where it is left to the host")
    if not bottoms:
        raise InputError(f"{where} reads nothing; give it a bottom")
    return tuple(tops[bottom] for bottom in bottoms)


def _layers(description: Message) -> list[Message]:
    """The layers that run at test time."""
    return [layer for layer in description.all("layer")
            if isinstance(layer, Message) and not _only_trains(layer)]


def _only_trains(layer: Message) -> bool:
    return any(include.one("phase") == "TRAIN" for include in layer.all("include"))


def _input_name(description: Message) -> str:
    """The blob of the network's input."""
    layers = [layer for layer in _layers(description) if layer.text("type") == "Input"]
    return layers[0].text("top") if layers else description.text("input")


def _input_shape(description: Message) -> tuple[int, ...]:
    """Shape of the input without the batch."""
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
    """Channels or elements that a layer computes."""
    sizes = inside.integers("num_output")
    if len(sizes) != 1 or not 1 <= sizes[0] <= 1 << 20:
        raise InputError(f"line {inside.line}: num_output must be one number in 1 .. 1048576, "
                         f"not {sizes}")
    return sizes[0]


def _bias(inside: Message) -> bool:
    """True if a layer has a bias, which is Caffe's default."""
    value = inside.one("bias_term", True)
    if not isinstance(value, bool):
        raise InputError(f"line {inside.line}: bias_term must be true or false, not {value!r}")
    return value


def _pair(inside: Message, name: str, stem: str, default: int | None) -> tuple[int, int]:
    """A size for each axis, from ``name`` given once or twice, or from ``stem``_h and
    ``stem``_w."""
    both = inside.integers(name) or [*inside.integers(f"{stem}_h"), *inside.integers(f"{stem}_w")]
    if not both and default is not None:
        both = [default]
    if not 1 <= len(both) <= 2 or not all(0 <= size <= 1 << 12 for size in both):
        raise InputError(f"line {inside.line}: {name} must be one or two numbers in 0 .. 4096, "
                         f"not {both}")
    return both[0], both[-1]


def _unsupported(layer: Message) -> str:
    """Why a layer is not supported, or ""."""
    kind = layer.text("type")
    where = f"layer {layer.text('name')!r} (line {layer.line})"
    convolution = layer.message("convolution_param")
    pooling = layer.message("pooling_param")
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


def _shape(layer: Message, node: Node, shapes: Shapes) -> tuple[int, ...]:
    """Output shape of a node; errors name the layer's line."""
    try:
        return shape_of(node, [shapes[name] for name in node.inputs])
    except InputError as error:
        raise InputError(f"line {layer.line}: layer {node.name!r}: {error}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layer:
    """A layer to translate: the nodes it reads, all shapes so far, and the way to its weights."""
    message: Message
    name: str
    inputs: tuple[str, ...]
    shapes: Shapes
    known: WeightLayer | None
    blobs: Callable[[WeightLayer, tuple[int, ...]], Blobs]

    @property
    def read(self) -> tuple[int, ...]:
        """Shape of its first input."""
        return self.shapes[self.inputs[0]]


def _convolution(layer: _Layer) -> list[Node]:
    inside = layer.message.message("convolution_param")
    known = layer.known
    assert known is not None
    channels = layer.read[0]
    if known.groups < 1 or channels % known.groups:
        raise InputError(f"line {layer.message.line}: group must divide {channels} channels, "
                         f"not {known.groups}")
    values = layer.blobs(known, (known.outputs, channels // known.groups, *known.kernel))
    height, width = known.kernel
    return [Node(name=layer.name, op="conv", inputs=layer.inputs, kernel=(height, width),
                 stride=_pair(inside, "stride", "stride", 1), pad=_pair(inside, "pad", "pad", 0),
                 groups=known.groups, **vars(values))]


def _inner_product(layer: _Layer) -> list[Node]:
    known = layer.known
    assert known is not None
    values = layer.blobs(known, (known.outputs, int(np.prod(layer.read))))
    if len(layer.read) == 1:
        return [Node(name=layer.name, op="linear", inputs=layer.inputs, **vars(values))]
    flat = Node(name=f"{layer.name}/flatten", op="flatten", inputs=layer.inputs)
    return [flat, Node(name=layer.name, op="linear", inputs=(flat.name,), **vars(values))]


def _pooling(layer: _Layer) -> list[Node]:
    inside = layer.message.message("pooling_param")
    average = inside.one("pool", "MAX") == "AVE"
    whole = inside.one("global_pooling", False)
    if whole and average:
        return [Node(name=layer.name, op="global_avg_pool", inputs=layer.inputs)]
    kernel = cast(tuple[int, int], layer.read[1:]) if whole \
        else _pair(inside, "kernel_size", "kernel", None)
    stride = _pair(inside, "stride", "stride", 1)
    pad = _pair(inside, "pad", "pad", 0)
    ceil = inside.one("round_mode", "CEIL") == "CEIL"
    if ceil and pad == (0, 0):
        _check_begins(layer, kernel, stride)
    return [Node(name=layer.name, op="avg_pool" if average else "max_pool", inputs=layer.inputs,
                 kernel=kernel, stride=stride, pad=pad, ceil=ceil, pad_counts=average)]


def _check_begins(layer: _Layer, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    """Refuse a last window that begins outside an unpadded map: Caffe keeps such an empty window,
    and drops it only if there is padding."""
    for size, width, step in zip(layer.read[1:], kernel, stride):
        if step > 0 and width <= size and -(-(size - width) // step) * step >= size:
            raise InputError(f"line {layer.message.line}: the last window of layer "
                             f"{layer.name!r}, {width} wide with stride {step}, begins outside "
                             f"the {size} values of its input; give it round_mode: FLOOR, or a "
                             f"stride of at most {width}")


def _plain(op: str) -> Callable[[_Layer], list[Node]]:
    """A translation to one node without further fields."""
    return lambda layer: [Node(name=layer.name, op=op, inputs=layer.inputs)]


#: Nodes from a layer, by its type.
_KINDS: dict[str, Callable[[_Layer], list[Node]]] = {
    "Convolution": _convolution, "InnerProduct": _inner_product, "Pooling": _pooling,
    "ReLU": _plain("relu"), "Concat": _plain("concat"), "Eltwise": _plain("add"),
    "Flatten": _plain("flatten"),
}
