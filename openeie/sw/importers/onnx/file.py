# SPDX-License-Identifier: Apache-2.0
"""Importer of ONNX files; nothing in them is executed."""
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError, Message
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.defs import onnx_opset_version

from ....core.errors import InputError, UntrustedError
from ....core.host.untrusted import read_regular
from ...float.graph import FloatGraph, loop_message
from ..draft import Draft, Place
from .call import OnnxCall
from .operators import OPERATORS
from .values import EVALUATED, Attributes, evaluate, to_array, type_name

__all__ = ["load_onnx"]

_MAX_BYTES = 2 << 30                # of a file: the limit of protocol buffers
_OLDEST_OPSET = 9                   # older ones define normalisation and reshaping differently
_ITSELF = ("", "ai.onnx")           # domains of ONNX's own operators


def load_onnx(path: str | os.PathLike) -> FloatGraph:
    """The network of a file, in inference mode.

    Batch normalisation and additions of constants are folded into the layer before them, dropout
    does nothing, and a softmax at the end is left to the host. Shapes are computed from the
    input's; other shapes in the file are ignored. Weights outside the file must be in its folder.

    Parameters
    ----------
    path : of a model with one input, float32 [batch, channels, height, width] or [batch, length],
        of which only the batch may be symbolic, and one output.

    Raises
    ------
    InputError : the file is missing or damaged; nodes form a loop; unsupported operators,
        attributes, inputs, outputs or types, listed at once.
    """
    path = Path(path)
    try:
        model = ModelProto.FromString(read_regular(path, _MAX_BYTES))
    except (UntrustedError, DecodeError) as error:
        reason = error.reason if isinstance(error, UntrustedError) else error
        raise InputError(f"cannot read a network from {path}: {reason}") from error
    try:
        _check_texts(model)
        return _Reader(model, path).graph()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_texts(message: Message) -> None:
    """Refuse names that are not UTF-8, which protocol buffers silently return as bytes. The parser
    has limited the nesting of messages."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        values = [value] if isinstance(value, (str, bytes, Message)) else value
        for one in values:
            if isinstance(one, bytes):
                raise InputError(f"field {field.full_name} must be UTF-8, not {one[:20]!r}")
            if isinstance(one, Message):
                _check_texts(one)


class _Constants(dict[str, np.ndarray]):
    """Constants by name; stored tensors are converted to arrays on first access."""
    def __init__(self, graph: GraphProto, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.stored = {tensor.name: tensor for tensor in graph.initializer}

    def __contains__(self, name: object) -> bool:
        return name in self.stored or super().__contains__(name)

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = to_array(self.stored[name], self.folder)
        return self[name]


class _Reader:
    """One pass over a model's nodes, from the input to the output."""
    def __init__(self, model: ModelProto, path: Path) -> None:
        graph = model.graph
        self.graph_proto = graph
        self.folder = path.parent
        self.draft = Draft(graph.name or path.stem)
        self.values = _Constants(graph, path.parent)
        self.opset = max((one.version for one in model.opset_import if one.domain in _ITSELF),
                         default=0)
        self.inputs = [one for one in graph.input if one.name not in self.values.stored]
        self.batch = 1
        self.shape: tuple[int, ...] = ()

    def graph(self) -> FloatGraph:
        """The float graph."""
        self._check_ends()
        nodes = self._ordered()
        name = self.inputs[0].name
        self.draft.add(Place(tensor=name, name=name, operator="input"), "input", [],
                       shape=self.shape)
        read = Counter(tensor for node in nodes for tensor in node.input)
        for node in nodes:
            self._node(node, read)
        output = self.graph_proto.output[0].name
        if not self.draft.knows(output):
            raise InputError(f"its output {output!r} does not depend on its input")
        return self.draft.finish(output, "onnx", OPERATORS)

    def _check_ends(self) -> None:
        """Refuse a model without exactly one known input and one output, or of unknown opset."""
        problems = []
        if not _OLDEST_OPSET <= self.opset <= onnx_opset_version():
            problems.append(f"its opset must be {_OLDEST_OPSET} .. {onnx_opset_version()}, "
                            f"not {self.opset or 'missing'}")
        for kind, ends in (("input", self.inputs), ("output", list(self.graph_proto.output))):
            if len(ends) != 1:
                names = ", ".join(repr(one.name) for one in ends)
                problems.append(f"it must have one {kind}, not {len(ends)}: {names or 'none'}")
        for one in self.inputs:
            problems += self._input(one)
        if problems:
            raise InputError("; ".join(problems))

    def _input(self, info: ValueInfoProto) -> Iterator[str]:
        """Keep an input's shape; yields everything that is wrong with the input."""
        tensor = info.type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT:
            kind = type_name(tensor.elem_type)
            yield f"input {info.name!r} must be FLOAT, not {kind}"
        dimensions = list(tensor.shape.dim)
        sizes = dimensions[1:]
        if len(sizes) not in (1, 3):
            yield f"input {info.name!r} must be [batch, channels, height, width] or " \
                  f"[batch, length], not of {len(dimensions)} dimensions"
        for number, size in enumerate(sizes, 1):
            if size.WhichOneof("value") != "dim_value" or size.dim_value < 1:
                yield f"dimension {number} of input {info.name!r} must be a positive number, " \
                      f"not {size.dim_param or size.dim_value or 'dynamic'!r}; export the model " \
                      f"with a fixed size"
        self.batch = max(1, dimensions[0].dim_value) if dimensions else 1
        self.shape = tuple(size.dim_value for size in sizes)

    def _ordered(self) -> list[NodeProto]:
        """The nodes that the output depends on, in execution order: the file's, if that is one."""
        nodes = list(self.graph_proto.node)
        wanted = self._wanted(nodes, self._makers(nodes))
        sorter = TopologicalSorter(wanted)
        try:
            sorter.prepare()
        except CycleError as error:
            names = [nodes[number].name or nodes[number].output[0] for number in error.args[1]]
            raise InputError(loop_message(CycleError("", names))) from error
        if all(max(read, default=-1) < number for number, read in wanted.items()):
            return [nodes[number] for number in sorted(wanted)]
        return [nodes[number] for number in TopologicalSorter(wanted).static_order()]

    def _makers(self, nodes: list[NodeProto]) -> dict[str, int]:
        """For each tensor the number of the node that computes it."""
        makers: dict[str, int] = {}
        for number, node in enumerate(nodes):
            for tensor in node.output:
                if tensor in makers or tensor in self.values or tensor == self.inputs[0].name:
                    raise InputError(f"tensor {tensor!r} is computed twice")
                if tensor:
                    makers[tensor] = number
        return makers

    def _wanted(self, nodes: list[NodeProto], makers: dict[str, int]) -> dict[int, list[int]]:
        """The numbers of the nodes that the output depends on, each with those that it reads."""
        output = self.graph_proto.output[0].name
        waiting = [makers[output]] if output in makers else []
        wanted: dict[int, list[int]] = {}
        while waiting:
            number = waiting.pop()
            if number in wanted:
                continue
            wanted[number] = []
            for tensor in nodes[number].input:
                if tensor in makers:
                    wanted[number].append(makers[tensor])
                elif tensor and tensor not in self.values and tensor != self.inputs[0].name:
                    self.draft.refuse(_place(nodes[number], tensor),
                                      f"it reads {tensor!r}, which nothing computes")
            waiting += wanted[number]
        return wanted

    def _node(self, node: NodeProto, read: Counter[str]) -> None:
        """Add a node to the draft, or its value to the constants."""
        place = _place(node, node.output[0] if node.output else "")
        for tensor in node.output[1:]:
            if tensor and read[tensor]:
                self.draft.refuse(replace(place, tensor=tensor), f"its output {tensor!r} is read",
                                  "its first output")
        try:
            if node.domain not in _ITSELF:
                self.draft.refuse(place, f"an operator of {node.domain!r}", "ONNX's own operators")
            elif not self._computed(node, place):
                self._translate(node, place)
        except InputError as error:
            self.draft.refuse(place, str(error))
        if place.tensor not in self.values:
            self.draft.unknown(place)               # no effect if a node has been added

    def _computed(self, node: NodeProto, place: Place) -> bool:
        """True if a node depends on constants or on a shape only; its value is then kept."""
        tensors = list(node.input)
        if node.op_type == "Shape" and len(tensors) == 1 and self.draft.knows(tensors[0]):
            shape = self.draft.shape(tensors[0])
            if shape:
                attributes = Attributes(node)
                value = np.array((self.batch, *shape), np.int64)
                self.values[place.tensor] = value[attributes.take("start", int, 0):
                                                  attributes.take("end", int, None)]
            return True
        if node.op_type not in EVALUATED or any(one not in self.values for one in tensors) \
                or not tensors and node.op_type != "Constant":
            return False
        inputs = [self.values[one] for one in tensors]
        self.values[place.tensor] = evaluate(node.op_type, Attributes(node), inputs, self.folder)
        return True

    def _translate(self, node: NodeProto, place: Place) -> None:
        """Add a node that depends on the network's input."""
        make = OPERATORS.get(node.op_type)
        if make is None:
            self.draft.unsupported(place, node.op_type)
            return
        call = OnnxCall(draft=self.draft, place=place, inputs=list(node.input), opset=self.opset,
                        attributes=Attributes(node), values=self.values, batch=self.batch)
        make(call)
        for name, value in call.attributes.left.items():
            self.draft.refuse(place, f"attribute {name} {value}")


def _place(node: NodeProto, tensor: str) -> Place:
    return Place(tensor=tensor, name=node.name or tensor, operator=node.op_type)
