# SPDX-License-Identifier: Apache-2.0
"""ONNX files: read, never executed."""
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
from .values import EVALUATED, Attributes, evaluate, to_array

__all__ = ["load_onnx"]

_MAX_BYTES = 2 << 30                # of a file: what protocol buffers can hold
_OLDEST_OPSET = 9                   # before, normalisation and reshaping were other operators
_ITSELF = ("", "ai.onnx")           # domains of ONNX's own operators


def load_onnx(path) -> FloatGraph:
    """The network of a file, as it runs at inference.

    Batch normalisation and additions of constants are folded into the layer before them, dropout
    does nothing, and a softmax at the end is left to the host. Shapes follow from the input's;
    what the file says of others is not believed. Weights outside the file must lie in its folder.

    Parameters
    ----------
    path : one input, float32 [batch, channels, height, width] or [batch, length], where only the
        batch may be a name; one output.

    Raises
    ------
    InputError : no such file, or a damaged one; nodes in a loop; operators, attributes, inputs,
        outputs or types that are not supported, all at once.
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
    """Refuses names that are not UTF-8: protocol buffers give them as bytes, and do not complain.
    The parser has limited how deep messages nest."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        for one in [value] if isinstance(value, (str, bytes, Message)) else value:
            if isinstance(one, bytes):
                raise InputError(f"field {field.full_name} must be UTF-8, not {one[:20]!r}")
            if isinstance(one, Message):
                _check_texts(one)


class _Stored(dict):
    """Constants by name; a stored one is turned into an array when it is first asked for."""
    def __init__(self, graph: GraphProto, folder: Path):
        super().__init__()
        self.folder = folder
        self.stored = {tensor.name: tensor for tensor in graph.initializer}

    def __contains__(self, name) -> bool:
        return name in self.stored or super().__contains__(name)

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = to_array(self.stored[name], self.folder)
        return self[name]


class _Reader:
    """One pass over a model's nodes, from the input to the output."""
    def __init__(self, model: ModelProto, path: Path):
        graph = model.graph
        self.graph_proto, self.folder = graph, path.parent
        self.draft = Draft(graph.name or path.stem)
        self.values = _Stored(graph, path.parent)
        self.opset = max((one.version for one in model.opset_import if one.domain in _ITSELF),
                         default=0)
        self.inputs = [one for one in graph.input if one.name not in self.values.stored]
        self.batch, self.shape = 1, ()

    def graph(self) -> FloatGraph:
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
        """Refuses what has not one known input and one output."""
        problems = []
        if not _OLDEST_OPSET <= self.opset <= onnx_opset_version():
            problems.append(f"its opset must be {_OLDEST_OPSET} .. {onnx_opset_version()}, "
                            f"not {self.opset or 'missing'}")
        for kind, ends in (("input", self.inputs), ("output", list(self.graph_proto.output))):
            if len(ends) != 1:
                problems.append(f"it must have one {kind}, not {len(ends)}: "
                                f"{', '.join(repr(one.name) for one in ends) or 'none'}")
        for one in self.inputs:
            problems += self._input(one)
        if problems:
            raise InputError("; ".join(problems))

    def _input(self, info: ValueInfoProto) -> Iterator[str]:
        """What is wrong with an input; its shape is kept."""
        tensor = info.type.tensor_type
        if tensor.elem_type != TensorProto.FLOAT:
            known = tensor.elem_type in TensorProto.DataType.values()
            yield f"input {info.name!r} must be FLOAT, not " \
                  f"{TensorProto.DataType.Name(tensor.elem_type) if known else tensor.elem_type}"
        batch, *sizes = tensor.shape.dim or [None]
        if len(sizes) not in (1, 3):
            yield f"input {info.name!r} must be [batch, channels, height, width] or " \
                  f"[batch, length], not of {len(sizes) + (batch is not None)} dimensions"
        for number, size in enumerate(sizes, 1):
            if size.WhichOneof("value") != "dim_value" or size.dim_value < 1:
                yield f"dimension {number} of input {info.name!r} must be a positive number, " \
                      f"not {size.dim_param or size.dim_value or 'dynamic'!r}; export the model " \
                      f"with a fixed size"
        self.batch = max(1, batch.dim_value) if batch is not None else 1
        self.shape = tuple(size.dim_value for size in sizes)

    def _ordered(self) -> list[NodeProto]:
        """The nodes that the output follows from: in the file's order if that is one."""
        makers: dict[str, int] = {}
        nodes = list(self.graph_proto.node)
        for number, node in enumerate(nodes):
            for tensor in node.output:
                if tensor in makers or tensor in self.values or tensor == self.inputs[0].name:
                    raise InputError(f"tensor {tensor!r} is made twice")
                if tensor:
                    makers[tensor] = number
        wanted: dict[int, list[int]] = {}
        waiting = [makers[self.graph_proto.output[0].name]] \
            if self.graph_proto.output[0].name in makers else []
        while waiting:
            number = waiting.pop()
            if number in wanted:
                continue
            tensors = [tensor for tensor in nodes[number].input if tensor]
            wanted[number] = [makers[tensor] for tensor in tensors if tensor in makers]
            waiting += wanted[number]
            self._check_made(nodes[number], [
                tensor for tensor in tensors if tensor not in makers
                and tensor not in self.values and tensor != self.inputs[0].name])
        sorter = TopologicalSorter(wanted)
        try:
            sorter.prepare()
        except CycleError as error:
            names = [nodes[number].name or nodes[number].output[0] for number in error.args[1]]
            raise InputError(loop_message(CycleError("", names))) from error
        if all(before < number for number, read in wanted.items() for before in read):
            return [nodes[number] for number in sorted(wanted)]
        return [nodes[number] for number in TopologicalSorter(wanted).static_order()]

    def _check_made(self, node: NodeProto, missing: list[str]) -> None:
        for tensor in missing:
            self.draft.refuse(_place(node, tensor), f"it reads {tensor!r}, which nothing makes")

    def _node(self, node: NodeProto, read: Counter) -> None:
        """Adds what a node becomes."""
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
            self.draft.unknown(place)               # unless something has been made of it

    def _computed(self, node: NodeProto, place: Place) -> bool:
        """Whether a node follows from constants, or from a shape; then its value is kept."""
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
        self.values[place.tensor] = evaluate(node.op_type, Attributes(node),
                                             [self.values[one] for one in tensors], self.folder)
        return True

    def _translate(self, node: NodeProto, place: Place) -> None:
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
