# SPDX-License-Identifier: Apache-2.0
"""Constants of an ONNX graph: stored tensors, and the arithmetic on shapes that exporters emit."""
import math
import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from ....core.errors import InputError

__all__ = ["EVALUATED", "Attributes", "to_array", "evaluate"]

_DTYPES = {TensorProto.FLOAT: np.float32, TensorProto.INT64: np.int64,
           TensorProto.INT32: np.int32, TensorProto.BOOL: np.bool_}
_MAX_ELEMENTS = 1 << 29             # of one tensor
_MAX_COMPUTED = 64                  # elements of a value that is computed: it is a shape


class Attributes:
    """A node's attributes; each is taken once, and :attr:`left` are those that nobody asked for."""
    def __init__(self, node: NodeProto):
        self._values = {}
        for attribute in node.attribute:
            if attribute.ref_attr_name or attribute.type in (AttributeProto.GRAPH,
                                                             AttributeProto.GRAPHS):
                raise InputError(f"attribute {attribute.name!r} is a graph or a reference")
            try:
                self._values[attribute.name] = helper.get_attribute_value(attribute)
            except ValueError as error:
                raise InputError(f"attribute {attribute.name!r} has no known type") from error

    def take(self, name: str, kind: type, default):
        """The value of a kind: ``int``, ``float``, ``bytes``, ``list`` (of integers), or
        ``TensorProto``."""
        value: Any = self._values.pop(name, default)
        fits = value is default or isinstance(value, kind)
        if fits and kind is list and value:
            fits = all(isinstance(one, int) for one in value)
        if not fits:
            raise InputError(f"attribute {name!r} must be {kind.__name__}, "
                             f"not {reprlib.repr(value)}")
        return value

    @property
    def left(self) -> dict[str, str]:
        """What was not taken, for messages."""
        return {name: reprlib.repr(value) for name, value in self._values.items()}


def to_array(tensor: TensorProto, folder: Path) -> np.ndarray:
    """The values of a stored tensor; those kept outside the model must lie in its folder.

    Raises
    ------
    InputError : another type than float32, int64, int32 and bool; data that do not fit the shape.
    """
    if tensor.data_type not in _DTYPES:
        known = tensor.data_type in TensorProto.DataType.values()
        kind = TensorProto.DataType.Name(tensor.data_type) if known else tensor.data_type
        raise InputError(f"tensor {tensor.name!r} has type {kind}; supported: FLOAT")
    shape, dtype = list(tensor.dims), _DTYPES[tensor.data_type]
    if min(shape, default=0) < 0 or math.prod(shape) > _MAX_ELEMENTS:
        raise InputError(f"tensor {tensor.name!r} has the shape {shape}; at most {_MAX_ELEMENTS:,} "
                         f"elements are taken")
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            data = _external(tensor, folder, math.prod(shape) * np.dtype(dtype).itemsize)
            return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(shape)
        return numpy_helper.to_array(tensor).reshape(shape)
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"tensor {tensor.name!r}: its data do not fit its shape {shape}: "
                         f"{error}") from error


def _external(tensor: TensorProto, folder: Path, size: int) -> bytes:
    """The bytes of a tensor that are kept in a file of the model's own folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location, offset = entries.get("location", ""), entries.get("offset", "0")
    length = entries.get("length", str(size))
    if not all(number.isdecimal() and len(number) < 16 for number in (offset, length)) \
            or int(length) != size:
        raise InputError(f"tensor {tensor.name!r}: external data of offset {offset[:20]!r} and "
                         f"length {length[:20]!r}, but its shape needs {size} bytes")
    root = folder.resolve()
    try:
        path = (root / location).resolve()
        if not path.is_relative_to(root):
            raise InputError(f"tensor {tensor.name!r}: its external data {location!r} lie outside "
                             f"the model's folder {root}; put them beside the model")
        if not path.is_file():
            raise InputError(f"tensor {tensor.name!r}: its external data {location!r} are not in "
                             f"the model's folder {root}")
        with path.open("rb") as file:
            file.seek(int(offset))
            data = file.read(size)
    except (OSError, RuntimeError) as error:        # RuntimeError: links in a loop
        raise InputError(f"tensor {tensor.name!r}: cannot read its external data "
                         f"{location!r}: {error}") from error
    if len(data) != size:
        raise InputError(f"tensor {tensor.name!r}: its external data {location!r} end "
                         f"{size - len(data)} bytes too early")
    return data


def evaluate(kind: str, attributes: Attributes, inputs: list[np.ndarray], folder: Path
             ) -> np.ndarray:
    """The value of a node of constants.

    Raises
    ------
    InputError : inputs, attributes or sizes that such a node cannot have.
    """
    try:
        value = EVALUATED[kind](attributes, inputs, folder)
    except InputError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise InputError(f"its constants do not fit: {error}") from error
    if attributes.left:
        raise InputError(f"attributes {attributes.left}")
    return value


def _constant(attributes: Attributes, inputs, folder: Path) -> np.ndarray:
    for name, kind, dtype in (("value_float", float, np.float32), ("value_int", int, np.int64),
                              ("value_ints", list, np.int64)):
        value = attributes.take(name, kind, None)
        if value is not None:
            return np.array(value, dtype)
    tensor = attributes.take("value", TensorProto, None)
    if tensor is None:
        raise InputError("a constant without a tensor, integers or a float")
    return to_array(tensor, folder)


def _small(*arrays: np.ndarray) -> None:
    """Arithmetic is done on shapes only: a chain of it must not grow."""
    if sum(array.size for array in arrays) > _MAX_COMPUTED:
        raise InputError(f"constants are computed up to {_MAX_COMPUTED} elements")


def _axes(attributes: Attributes, inputs: list[np.ndarray]) -> tuple[int, ...] | None:
    """An attribute until opset 12, an input since."""
    axes = attributes.take("axes", list, None)
    if axes is None and len(inputs) > 1:
        axes = inputs[1].reshape(-1).tolist()
    return None if axes is None else tuple(axes)


def _gather(attributes: Attributes, inputs, folder) -> np.ndarray:
    _small(*inputs)
    value, places = inputs
    return np.take(value, places, axis=attributes.take("axis", int, 0))


def _concat(attributes: Attributes, inputs, folder) -> np.ndarray:
    _small(*inputs)
    return np.concatenate(inputs, axis=attributes.take("axis", int, 0))


def _slice(attributes: Attributes, inputs, folder) -> np.ndarray:
    _small(*inputs)
    value, starts, ends, *rest = inputs
    if value.ndim != 1 or any(one.size != 1 for one in inputs[1:]) or (rest and rest[0].item()):
        raise InputError("a slice of other than a vector")
    return value[starts.item():ends.item():rest[1].item() if len(rest) > 1 else 1]


def _cast(attributes: Attributes, inputs, folder) -> np.ndarray:
    to = attributes.take("to", int, 0)
    if to not in _DTYPES:
        raise InputError(f"a cast to type {to}")
    if inputs[0].dtype == _DTYPES[to]:
        return inputs[0]
    _small(*inputs)
    return inputs[0].astype(_DTYPES[to])


def _reshape(attributes: Attributes, inputs, folder) -> np.ndarray:
    if attributes.take("allowzero", int, 0) == 0 and not inputs[1].all():
        raise InputError("a shape with zeros")
    return inputs[0].reshape(inputs[1].tolist())


#: Values of constants: views and small numbers, so that memory stays that of the file.
EVALUATED = {
    "Constant": _constant, "Concat": _concat, "Gather": _gather, "Cast": _cast, "Slice": _slice,
    "Identity": lambda attributes, inputs, folder: inputs[0], "Reshape": _reshape,
    "Transpose": lambda attributes, inputs, folder: inputs[0].transpose(
        attributes.take("perm", list, None)),
    "Unsqueeze": lambda attributes, inputs, folder: np.expand_dims(
        inputs[0], _axes(attributes, inputs)),
    "Squeeze": lambda attributes, inputs, folder: np.squeeze(
        inputs[0], _axes(attributes, inputs)),
}
