# SPDX-License-Identifier: Apache-2.0
"""A node of an ONNX graph with its inputs and attributes, as those who translate it ask."""
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...float.graph import pooled_size
from ..draft import Draft, Place
from .values import Attributes

__all__ = ["OnnxCall"]

_CEIL_SETTLED = 22          # the opset since which a window must begin before the right padding


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxCall:
    """A node that reads what follows from the input.

    Attributes
    ----------
    inputs : names of tensors; empty for one that is left out.
    values : constants by name.
    batch : of the input; 1 where it has only a name.
    """
    draft: Draft
    place: Place
    inputs: list[str]
    attributes: Attributes
    values: Mapping[str, np.ndarray]
    opset: int
    batch: int

    def given(self, number: int) -> bool:
        return number < len(self.inputs) and self.inputs[number] != ""

    def source(self, number: int = 0) -> str:
        """An input that follows from the network's."""
        if self.given(number) and self.inputs[number] not in self.values:
            return self.inputs[number]
        self.refuse(f"its input {number} is a constant or missing",
                    "a tensor that follows from the network's input")
        return self.place.tensor

    def constant(self, number: int, what: str) -> np.ndarray | None:
        """An input that must be a constant; None where it is not."""
        if not self.given(number):
            self.refuse(f"its {what}, input {number}, is missing", f"a constant {what}")
        elif self.inputs[number] in self.values:
            return self.values[self.inputs[number]]
        elif self.draft.shape(self.inputs[number]):
            self.refuse(f"its {what} depends on the input", f"a constant {what}")
        self.draft.unknown(self.place)
        return None

    def floats(self, number: int, what: str) -> np.ndarray | None:
        """A constant of type float32."""
        value = self.constant(number, what)
        if value is not None and value.dtype != np.float32:
            self.refuse(f"its {what} is {value.dtype}", "float32")
            return None
        return value

    def refuse(self, reason: str, nearest: str = "") -> None:
        self.draft.refuse(self.place, reason, nearest)

    def require(self, holds: bool, reason: str, nearest: str) -> None:
        """Refuses the node unless something holds."""
        if not holds:
            self.refuse(reason, nearest)

    def integer(self, name: str, default: int) -> int:
        return self.attributes.take(name, int, default)

    def sizes(self, name: str, default: list[int]) -> list[int]:
        """As many integers as the default has."""
        value = self.attributes.take(name, list, default)
        if len(value) != len(default):
            self.refuse(f"{name} {value[:9]}", f"{len(default)} of them, for a map's two axes")
            return default
        return value

    def window(self, kernel: list[int], ceil: bool = False) -> dict:
        """Stride and padding of a window over a map."""
        dilations = self.sizes("dilations", [1, 1])
        self.require(dilations == [1, 1], f"dilations {dilations}", "dilations [1, 1]")
        stride, pads = self.sizes("strides", [1, 1]), self.sizes("pads", [0, 0, 0, 0])
        mode = self.attributes.take("auto_pad", bytes, b"NOTSET")
        shape = self.draft.shape(self.source())
        self.require(len(shape) in (0, 3), f"an input of shape {shape}", "a map")
        if mode in (b"SAME_UPPER", b"SAME_LOWER") and len(shape) == 3 and min(stride) > 0:
            total = [max((-(-size // step) - 1) * step + width - size, 0)
                     for size, step, width in zip(shape[1:], stride, kernel)]
            self.require(all(one % 2 == 0 for one in total),
                         f"auto_pad {mode.decode()} of {total} in all is not symmetric",
                         "the same padding on both sides, in pads")
            pads = [one // 2 for one in total] * 2
        elif mode == b"VALID":
            pads = [0, 0, 0, 0]
        elif mode not in (b"NOTSET", b"SAME_UPPER", b"SAME_LOWER"):
            self.refuse(f"auto_pad {mode[:20]!r}", "NOTSET, VALID, SAME_UPPER or SAME_LOWER")
        self.require(pads[:2] == pads[2:], f"pads {pads}, not the same on both sides",
                     "pads [top, left, top, left]; ceil_mode 1, for a pool that sticks out")
        if ceil and self.opset < _CEIL_SETTLED and len(shape) == 3 and min(stride) > 0:
            counts = [-(-(size + 2 * pad - width) // step) + 1
                      for size, pad, width, step in zip(shape[1:], pads, kernel, stride)]
            self.require(counts == [pooled_size(*sizes, True) for sizes in zip(
                shape[1:], kernel, stride, pads[:2])],
                "a last window that begins in the padding, which ONNX counts before opset "
                f"{_CEIL_SETTLED} and not since", f"opset {_CEIL_SETTLED}")
        return {"kernel": tuple(kernel), "stride": tuple(stride), "pad": tuple(pads[:2])}
