# SPDX-License-Identifier: Apache-2.0
"""The kinds of layers that an artefact holds: what the header says of each, written and read.

Another kind is another class here and its line in :data:`KINDS`.
"""
import dataclasses
import zlib
from typing import Annotated, ClassVar, Literal

import pydantic

from ..errors import ArtefactError, EncodingError
from ..network.graph import Add, Conv, Depthwise, Layer, Linear, Pool
from ..network.layers import Weighted
from ..numbers.fixed import MAX_SHIFT, MULTIPLIER_BITS
from .binary_header import SignConvHeader, SignLinearHeader
from .layer_header import Count, LayerHeader, Scale, Size, Walked, numbers_of
from .payload import PayloadShape, decode_payload, encode_payload

__all__ = ["KINDS", "AnyLayer", "MatrixHeader", "write_layer"]


Multiplier = Annotated[int, pydantic.Field(ge=1, lt=1 << MULTIPLIER_BITS)]
Shift = Annotated[int, pydantic.Field(ge=0, le=MAX_SHIFT)]


class MatrixHeader(LayerHeader):
    """A layer with a matrix of ``rows`` x ``cols``; its payload's shape is among the fields."""
    stored: ClassVar[bool] = True

    rows: Size
    cols: Size
    encoding: Literal["csr", "codebook", "huffman"]
    entries: Count
    run_width: Annotated[int, pydantic.Field(ge=1, le=8)]
    codebook: Annotated[int, pydantic.Field(ge=0, le=256)]
    run_bits: Count
    code_bits: Count
    bias_bytes: Annotated[int, pydantic.Field(ge=1, le=4)]
    uniform: bool
    weight_scale: Scale
    crc: Annotated[int, pydantic.Field(ge=0, lt=1 << 32)]

    @classmethod
    def write(cls, layer: Weighted, encoding: str | None = None) -> tuple[dict, bytes]:
        """Fields and payload."""
        if encoding is not None:
            layer = dataclasses.replace(layer, encoding=encoding)
        fields, _ = super().write(layer)
        shape, payload = encode_payload(layer)
        fields |= dataclasses.asdict(shape) | {
            "rows": layer.weights.shape[0], "cols": layer.weights.shape[1],
            "encoding": layer.encoding, "weight_scale": float(layer.weight_scale),
            "crc": zlib.crc32(payload)}
        del fields["huffman"]
        return fields, payload

    def decode(self, payload: bytes) -> dict:
        """Arguments of the layer.

        Raises
        ------
        EncodingError : the payload is damaged.
        """
        if zlib.crc32(payload) != self.crc:
            raise EncodingError(f"CRC-32 is {zlib.crc32(payload):08x}, the header says "
                                f"{self.crc:08x}: the file is damaged; fetch it again")
        return self.common | {"encoding": self.encoding, "weight_scale": self.weight_scale} \
            | decode_payload(self.shape, payload, rows=self.rows, columns=self.cols)

    @property
    def shape(self) -> PayloadShape:
        """How to read the payload."""
        return PayloadShape(huffman=self.encoding == "huffman", **{
            field.name: getattr(self, field.name) for field in dataclasses.fields(PayloadShape)
            if field.name != "huffman"})


class LinearHeader(MatrixHeader):
    """A matrix-vector layer."""
    makes: ClassVar[type] = Linear

    kind: Literal["linear"] = "linear"

    def read(self, payload: bytes) -> Linear:
        """The layer."""
        return Linear(**self.decode(payload))

    @property
    def inputs(self) -> int:
        """A column each."""
        return self.cols

    @property
    def outputs(self) -> int:
        """A row each."""
        return self.rows


class WindowHeader(Walked, MatrixHeader):
    """A layer with a matrix that follows a window."""
    @classmethod
    def write(cls, layer: Weighted, encoding: str | None = None) -> tuple[dict, bytes]:
        """Fields and payload."""
        assert isinstance(layer, (Conv, Depthwise))
        fields, payload = super().write(layer, encoding)
        return fields | {"window": numbers_of(layer.window)}, payload

    def read(self, payload: bytes) -> Layer:
        """The layer."""
        return self.makes(window=self.walked, **self.decode(payload))

    @property
    def outputs(self) -> int:
        """The matrix's rows at every position."""
        return self.rows * self.walked.positions


class ConvHeader(WindowHeader):
    """A convolution."""
    makes: ClassVar[type] = Conv

    kind: Literal["conv"] = "conv"


class DepthwiseHeader(WindowHeader):
    """A depthwise convolution: a row for each channel, a column for each place of the kernel."""
    makes: ClassVar[type] = Depthwise
    keeps_parts: ClassVar[bool] = True

    kind: Literal["depthwise"]

    @classmethod
    def write(cls, layer: Weighted, encoding: str | None = None) -> tuple[dict, bytes]:
        """Fields and payload."""
        fields, payload = super().write(layer, encoding)
        return fields | {"kind": "depthwise"}, payload


class AddHeader(LayerHeader):
    """An addition of two maps: all of it stands in the header."""
    makes: ClassVar[type] = Add
    keeps_parts: ClassVar[bool] = True
    concatenates: ClassVar[bool] = False

    kind: Literal["add"]
    pixels: Annotated[int, pydantic.Field(ge=1, le=1 << 32)]
    channels: Size
    factors: Annotated[list[int], pydantic.Field(min_length=2, max_length=2)]
    multiplier: Multiplier = 1
    shift: Shift = 0

    @classmethod
    def write(cls, layer: Add, encoding: str | None = None) -> tuple[dict, bytes]:
        """Fields, and no payload."""
        fields, payload = super().write(layer)
        return fields | {"kind": "add", "factors": list(map(int, layer.factors))} | {
            name: int(getattr(layer, name))
            for name in ("pixels", "channels", "multiplier", "shift")}, payload

    def read(self, payload: bytes) -> Add:
        """The layer."""
        return Add(pixels=self.pixels, channels=self.channels, multiplier=self.multiplier,
                   factors=(self.factors[0], self.factors[1]), shift=self.shift, **self.common)

    @property
    def inputs(self) -> int:
        """Of each map."""
        return self.pixels * self.channels

    @property
    def outputs(self) -> int:
        """As many."""
        return self.inputs


class PoolHeader(Walked):
    """A pool: all of it stands in the header."""
    makes: ClassVar[type] = Pool
    keeps_parts: ClassVar[bool] = True

    kind: Literal["pool"]
    reduce: Literal["max", "sum"]
    multiplier: Multiplier = 1
    shift: Shift = 0

    @classmethod
    def write(cls, layer: Pool, encoding: str | None = None) -> tuple[dict, bytes]:
        """Fields, and no payload."""
        fields, payload = super().write(layer)
        return fields | {"kind": "pool", "window": numbers_of(layer.window),
                         "reduce": layer.reduce, "multiplier": int(layer.multiplier),
                         "shift": int(layer.shift)}, payload

    def read(self, payload: bytes) -> Pool:
        """The layer."""
        return Pool(window=self.walked, reduce=self.reduce, multiplier=self.multiplier,
                    shift=self.shift, **self.common)

    @property
    def label(self) -> str:
        """With what it does to a channel."""
        return f"{self.reduce} pool"

    @property
    def outputs(self) -> int:
        """The map's channels at every position."""
        return self.walked.positions * self.walked.channels


KINDS: dict[str, type[LayerHeader]] = {
    "linear": LinearHeader, "conv": ConvHeader, "pool": PoolHeader,
    "depthwise": DepthwiseHeader, "add": AddHeader,
    "binary_linear": SignLinearHeader, "binary_conv": SignConvHeader}
_BY_CLASS = {header.makes: header for header in KINDS.values()}


def write_layer(layer: Layer, encoding: str | None = None) -> tuple[dict, bytes | None]:
    """A layer's fields without those that have their defaults, and its payload if it has one.

    ``encoding`` replaces the layer's own.

    Raises
    ------
    ArtefactError : no kind of layer that files hold.
    InputError : its weights do not allow the encoding.
    """
    header = _BY_CLASS.get(type(layer))
    if header is None:
        raise ArtefactError(f"layer {layer.name!r} is a {type(layer).__name__}; this version's "
                            f"files hold {', '.join(KINDS)}")
    fields, payload = header.write(layer, encoding)
    return {name: value for name, value in fields.items()
            if value != header.model_fields[name].default}, \
        payload if header.stored else None


def _of_kind(fields: object) -> LayerHeader:
    """A layer's fields as what their ``kind`` says, which a linear layer and, having a window
    instead, a convolution need not."""
    if not isinstance(fields, dict):
        raise ValueError("a layer is an object")
    kind = fields.get("kind", "conv" if "window" in fields else "linear")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"a layer's kind is one of {', '.join(KINDS)}; if it is "
                         f"{kind!r:.40}, a newer version wrote this file")
    return KINDS[kind].model_validate(fields)


#: A layer of any kind.
AnyLayer = Annotated[LayerHeader, pydantic.PlainValidator(_of_kind)]
