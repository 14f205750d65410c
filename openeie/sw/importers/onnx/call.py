# SPDX-License-Identifier: Apache-2.0
"""A node of an ONNX graph with its inputs and attributes, as the translation of operators sees
it."""
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...float.graph import pooled_size
from ..draft import Draft, Place
from .values import Attributes

__all__ = ["OnnxCall"]

_CEIL_SETTLED = 22          # since this opset a window must begin before the right padding


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxCall:
    """A node that depends on the network's input.

    Attributes
    ----------
    draft : the graph under construction.
    place : the node, for messages.
    inputs : names of the tensors it reads; "" for one that is left out.
    values : constants by name.
    opset : of the model.
    batch : of the network's input; 1 if the model gives only a name for it.
    """
    draft: Draft
    place: Place
    inputs: list[str]
    attributes: Attributes
    values: Mapping[str, np.ndarray]
    opset: int
    batch: int

    def given(self, number: int) -> bool:
        """True if input ``number`` is there."""
        return number < len(self.inputs) and self.inputs[number] != ""

    def source(self, number: int = 0) -> str:
        """The tensor of input ``number``, which must depend on the network's input."""
        if self.given(number) and self.inputs[number] not in self.values:
            return self.inputs[number]
        self.refuse(f"its input {number} is a constant or missing",
                    "a tensor that depends on the network's input")
        return self.place.tensor

    def constant(self, number: int, what: str) -> np.ndarray | None:
        """The value of input ``number``, which must be a constant; None, and a refusal, if it is
        not. ``what`` it is, for messages."""
        if not self.given(number):
            self.refuse(f"its {what}, input {number}, is missing", f"a constant {what}")
        elif self.inputs[number] in self.values:
            return self.values[self.inputs[number]]
        elif self.draft.shape(self.inputs[number]):
            self.refuse(f"its {what} depends on the input", f"a constant {what}")
        self.draft.unknown(self.place)
        return None

    def floats(self, number: int, what: str) -> np.ndarray | None:
        """As :meth:`constant`, and of type float32."""
        value = self.constant(number, what)
        if value is not None and value.dtype != np.float32:
            self.refuse(f"its {what} is {value.dtype}", "float32")
            return None
        return value

    def refuse(self, reason: str, nearest: str = "") -> None:
        """Refuse the node, see :meth:`Draft.refuse`."""
        self.draft.refuse(self.place, reason, nearest)

    def require(self, holds: bool, reason: str, nearest: str) -> None:
        """Refuse the node unless ``holds``."""
        if not holds:
            self.refuse(reason, nearest)

    def integer(self, name: str, default: int) -> int:
        """An attribute that is one integer."""
        return self.attributes.take(name, int, default)

    def sizes(self, name: str, default: list[int]) -> list[int]:
        """An attribute that is a list of integers, as long as the default."""
        value = self.attributes.take(name, list, default)
        if len(value) != len(default):
            self.refuse(f"{name} {value[:9]}", f"{len(default)} of them, for a map's two axes")
            return default
        return value

    def window(self, kernel: list[int], ceil: bool = False) -> dict[str, tuple[int, ...]]:
        """Kernel, stride and padding of a window over a map, as
        :class:`~openeie.sw.float.graph.Node` has them."""
        dilations = self.sizes("dilations", [1, 1])
        self.require(dilations == [1, 1], f"dilations {dilations}", "dilations [1, 1]")
        stride = self.sizes("strides", [1, 1])
        shape = self.draft.shape(self.source())
        self.require(len(shape) in (0, 3), f"an input of shape {shape}", "a map")
        pads = self._pads(kernel, stride, shape)
        self.require(pads[:2] == pads[2:], f"pads {pads}, not the same on both sides",
                     "pads [top, left, top, left]; ceil_mode 1, for a pool whose last window "
                     "extends beyond the end")
        if ceil and self.opset < _CEIL_SETTLED and len(shape) == 3 and min(stride) > 0:
            self._check_last_window(kernel, stride, pads, shape)
        return {"kernel": tuple(kernel), "stride": tuple(stride), "pad": tuple(pads[:2])}

    def _pads(self, kernel: list[int], stride: list[int], shape: tuple[int, ...]) -> list[int]:
        """Padding [top, left, bottom, right], from ``pads`` or ``auto_pad``."""
        pads = self.sizes("pads", [0, 0, 0, 0])
        mode = self.attributes.take("auto_pad", bytes, b"NOTSET")
        if mode == b"VALID":
            return [0, 0, 0, 0]
        if mode not in (b"NOTSET", b"SAME_UPPER", b"SAME_LOWER"):
            self.refuse(f"auto_pad {mode[:20]!r}", "NOTSET, VALID, SAME_UPPER or SAME_LOWER")
        if mode not in (b"SAME_UPPER", b"SAME_LOWER") or len(shape) != 3 or min(stride) <= 0:
            return pads
        total = [max((-(-size // step) - 1) * step + width - size, 0)
                 for size, step, width in zip(shape[1:], stride, kernel)]
        self.require(all(one % 2 == 0 for one in total),
                     f"auto_pad {mode.decode()} of {total} in all is not symmetric",
                     "the same padding on both sides, in pads")
        return [one // 2 for one in total] * 2

    def _check_last_window(self, kernel: list[int], stride: list[int], pads: list[int],
                           shape: tuple[int, ...]) -> None:
        """Refuse a last window that begins in the padding, whose meaning depends on the opset."""
        for size, pad, width, step in zip(shape[1:], pads, kernel, stride):
            count = -(-(size + 2 * pad - width) // step) + 1
            self.require(count == pooled_size(size, width, step, pad, True),
                         f"a last window that begins in the padding, which ONNX counts before "
                         f"opset {_CEIL_SETTLED} and not since", f"opset {_CEIL_SETTLED}")
