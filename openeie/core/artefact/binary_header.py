# SPDX-License-Identifier: Apache-2.0
"""What an artefact's header says about binary layers, and their payload.

The payload begins with the signs, one bit each
(:meth:`openeie.core.numbers.signs.SignMatrix.to_bytes`). Then follow each row's bias in
``bias_bytes`` bytes, its multiplier and its shift, as for other layers.
"""
import zlib
from typing import Annotated, ClassVar, Literal

import pydantic

from ..errors import EncodingError
from ..network.binary import SignConv, SignLinear
from ..numbers.signs import SignMatrix
from .layer_header import Fields, LayerHeader, Size, WindowedHeader, numbers_of
from .payload import decode_writeback, encode_writeback, split_sections

__all__ = ["BinaryHeader", "SignLinearHeader", "SignConvHeader"]


class BinaryHeader(LayerHeader):
    """A layer with ``rows`` x ``cols`` weights of one bit each."""
    stored: ClassVar[bool] = True

    mode: Literal["bwn", "xnor"]
    rows: Size
    cols: Size
    bias_bytes: Annotated[int, pydantic.Field(ge=1, le=4)]
    crc: Annotated[int, pydantic.Field(ge=0, lt=1 << 32)]

    @classmethod
    def write(cls, layer: SignLinear, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload. ``encoding`` does not concern binary layers."""
        fields, _ = super().write(layer)
        bias_bytes, writeback = encode_writeback(layer, uniform=False)
        payload = layer.signs.to_bytes() + writeback
        return fields | {"mode": layer.mode, "rows": layer.signs.shape[0],
                         "cols": layer.signs.shape[1], "bias_bytes": bias_bytes,
                         "crc": zlib.crc32(payload)}, payload

    def decode(self, payload: bytes) -> Fields:
        """Arguments of the layer's class.

        Raises
        ------
        EncodingError, InputError : the payload is damaged, or describes an impossible layer.
        """
        if zlib.crc32(payload) != self.crc:
            raise EncodingError(f"CRC-32 is {zlib.crc32(payload):08x}, the header says "
                                f"{self.crc:08x}: the file is damaged; fetch it again")
        parts = split_sections(self.sections, payload)
        signs = SignMatrix.from_bytes(parts.pop("signs"), (self.rows, self.cols))
        return self.common | {"mode": self.mode, "signs": signs} \
            | decode_writeback(parts, self.rows, self.bias_bytes)

    @property
    def sections(self) -> dict[str, int]:
        """Bytes of each part of the payload, in order."""
        return {"signs": -(-self.rows * self.cols // 8), "bias": self.bias_bytes * self.rows,
                "multiplier": 2 * self.rows, "shift": self.rows}


class SignLinearHeader(BinaryHeader):
    """A matrix-vector layer with binary weights."""
    makes: ClassVar[type] = SignLinear

    kind: Literal["binary_linear"]

    @classmethod
    def write(cls, layer: SignLinear, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload."""
        fields, payload = super().write(layer)
        return fields | {"kind": "binary_linear"}, payload

    def read(self, payload: bytes) -> SignLinear:
        """The layer."""
        return SignLinear(**self.decode(payload))

    @property
    def label(self) -> str:
        """The layer's kind in tables, with its mode."""
        return f"{self.mode} linear"

    @property
    def inputs(self) -> int:
        """Activations that it reads, one per column."""
        return self.cols

    @property
    def outputs(self) -> int:
        """Activations that it writes, one per row."""
        return self.rows


class SignConvHeader(WindowedHeader, BinaryHeader):
    """A convolution with binary weights."""
    makes: ClassVar[type] = SignConv

    kind: Literal["binary_conv"]

    @classmethod
    def write(cls, layer: SignLinear, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload."""
        assert isinstance(layer, SignConv)
        fields, payload = super().write(layer)
        return fields | {"kind": "binary_conv", "window": numbers_of(layer.window)}, payload

    def read(self, payload: bytes) -> SignConv:
        """The layer."""
        return SignConv(window=self.window, **self.decode(payload))

    @property
    def label(self) -> str:
        """The layer's kind in tables, with its mode."""
        return f"{self.mode} conv"

    @property
    def outputs(self) -> int:
        """Activations that it writes, one per row at every position."""
        return self.rows * self.window.positions
