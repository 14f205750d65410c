# SPDX-License-Identifier: Apache-2.0
"""Constants of an ONNX graph: stored tensors, and the shape arithmetic that exporters emit."""
import math
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from ....core.errors import InputError

__all__ = ["EVALUATED", "Attributes", "to_array", "type_name", "evaluate"]

_DTYPES: dict[int, type[np.generic]] = {
    TensorProto.FLOAT: np.float32, TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32, TensorProto.BOOL: np.bool_}
Values = list[np.ndarray]
_MAX_ELEMENTS = 1 << 29             # of one tensor
_MAX_COMPUTED = 64                  # elements of a computed value, which is a shape


class Attributes:
    """A node's attributes. Each is taken once; :attr:`left` are those that were not taken.

    Raises
    ------
    InputError : an attribute that is a graph or a reference, or of unknown type.
    """
    def __init__(self, node: NodeProto) -> None:
        self._values: dict[str, Any] = {}
        for attribute in node.attribute:
            if attribute.ref_attr_name or attribute.type in (AttributeProto.GRAPH,
                                                             AttributeProto.GRAPHS):
                raise InputError(f"attribute {attribute.name!r} is a graph or a reference")
            try:
                self._values[attribute.name] = helper.get_attribute_value(attribute)
            except ValueError as error:
                raise InputError(f"attribute {attribute.name!r} has no known type") from error

    def take(self, name: str, kind: type, default: Any) -> Any:
        """The value of an attribute, or the default.

        Parameters
        ----------
        kind : ``int``, ``float``, ``bytes``, ``list`` (of integers) or ``TensorProto``.

        Raises
        ------
        InputError : it is of another kind.
        """
        value = self._values.pop(name, default)
        fits = value is default or isinstance(value, kind)
        if fits and kind is list and value:
            fits = all(isinstance(one, int) for one in value)
        if not fits:
            raise InputError(f"attribute {name!r} must be {kind.__name__}, "
                             f"not {reprlib.repr(value)}")
        return value

    @property
    def left(self) -> dict[str, str]:
        """The attributes that were not taken, shortened for messages."""
        return {name: reprlib.repr(value) for name, value in self._values.items()}


def type_name(number: int) -> str:
    """ONNX's name of an element type, or its number if it has none."""
    known = number in TensorProto.DataType.values()
    return TensorProto.DataType.Name(number) if known else str(number)


def to_array(tensor: TensorProto, folder: Path) -> np.ndarray:
    """The values of a stored tensor.

    Parameters
    ----------
    folder : the model's; data outside the model file must be in it.

    Raises
    ------
    InputError : another type than float32, int64, int32 and bool; data that do not fit the shape.
    """
    if tensor.data_type not in _DTYPES:
        raise InputError(f"tensor {tensor.name!r} has type {type_name(tensor.data_type)}; "
                         f"supported: FLOAT")
    shape = list(tensor.dims)
    dtype = np.dtype(_DTYPES[tensor.data_type])
    if min(shape, default=0) < 0 or math.prod(shape) > _MAX_ELEMENTS:
        raise InputError(f"tensor {tensor.name!r} has the shape {shape}; the limit is "
                         f"{_MAX_ELEMENTS:,} elements")
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            data = _external(tensor, folder, math.prod(shape) * dtype.itemsize)
            return np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape)
        return numpy_helper.to_array(tensor).reshape(shape)
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"tensor {tensor.name!r}: its data do not fit its shape {shape}: "
                         f"{error}") from error


def _external(tensor: TensorProto, folder: Path, size: int) -> bytes:
    """The bytes of a tensor that are stored in another file of the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    offset = entries.get("offset", "0")
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
                             f"the model's folder {root}; put them into that folder")
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
    """The value of a node whose inputs are constants.

    Parameters
    ----------
    kind : a key of :data:`EVALUATED`.
    folder : the model's, for data outside its file.

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


def _constant(attributes: Attributes, inputs: Values, folder: Path) -> np.ndarray:
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
    """Refuse arithmetic on more than shapes: a chain of it could grow without limit."""
    if sum(array.size for array in arrays) > _MAX_COMPUTED:
        raise InputError(f"constants are computed up to {_MAX_COMPUTED} elements")


def _axes(attributes: Attributes, inputs: Values) -> tuple[int, ...] | None:
    """Axes: an attribute until opset 12, an input since."""
    axes = attributes.take("axes", list, None)
    if axes is None and len(inputs) > 1:
        axes = inputs[1].reshape(-1).tolist()
    return None if axes is None else tuple(axes)


def _gather(attributes: Attributes, inputs: Values, folder: Path) -> np.ndarray:
    _small(*inputs)
    value, places = inputs
    return np.take(value, places, axis=attributes.take("axis", int, 0))


def _concat(attributes: Attributes, inputs: Values, folder: Path) -> np.ndarray:
    _small(*inputs)
    return np.concatenate(inputs, axis=attributes.take("axis", int, 0))


def _slice(attributes: Attributes, inputs: Values, folder: Path) -> np.ndarray:
    _small(*inputs)
    value, starts, ends, *rest = inputs
    if value.ndim != 1 or any(one.size != 1 for one in inputs[1:]) or (rest and rest[0].item()):
        raise InputError("a slice of other than a vector")
    step = rest[1].item() if len(rest) > 1 else 1
    return value[starts.item():ends.item():step]


def _cast(attributes: Attributes, inputs: Values, folder: Path) -> np.ndarray:
    to = attributes.take("to", int, 0)
    if to not in _DTYPES:
        raise InputError(f"a cast to type {to}")
    if inputs[0].dtype == _DTYPES[to]:
        return inputs[0]
    _small(*inputs)
    return inputs[0].astype(_DTYPES[to])


def _reshape(attributes: Attributes, inputs: Values, folder: Path) -> np.ndarray:
    if attributes.take("allowzero", int, 0) == 0 and not inputs[1].all():
        raise InputError("a shape with zeros")
    return inputs[0].reshape(inputs[1].tolist())


#: How values are computed, by operator: as views or small arrays, so that they need no more memory
#: than the file does.
EVALUATED: dict[str, Callable[[Attributes, Values, Path], np.ndarray]] = {
    "Constant": _constant, "Concat": _concat, "Gather": _gather, "Cast": _cast, "Slice": _slice,
    "Identity": lambda attributes, inputs, folder: inputs[0], "Reshape": _reshape,
    "Transpose": lambda attributes, inputs, folder: inputs[0].transpose(
        attributes.take("perm", list, None)),
    "Unsqueeze": lambda attributes, inputs, folder: np.expand_dims(
        inputs[0], _axes(attributes, inputs)),
    "Squeeze": lambda attributes, inputs, folder: np.squeeze(
        inputs[0], _axes(attributes, inputs)),
}
