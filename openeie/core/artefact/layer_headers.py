# SPDX-License-Identifier: Apache-2.0
"""What an artefact's header says about each kind of layer: written from layers and read back.

A new kind needs a class here and a line in :data:`KINDS`.
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
from .layer_header import Count, Fields, LayerHeader, Scale, Size, WindowedHeader, numbers_of
from .payload import decode_payload, encode_payload
from .payload_shape import PayloadShape

__all__ = ["KINDS", "AnyLayer", "MatrixHeader", "write_layer"]

Multiplier = Annotated[int, pydantic.Field(ge=1, lt=1 << MULTIPLIER_BITS)]
Shift = Annotated[int, pydantic.Field(ge=0, le=MAX_SHIFT)]


class MatrixHeader(LayerHeader):
    """A layer with a matrix of ``rows`` x ``cols``. Some of its fields are those of the payload's
    :class:`openeie.core.artefact.payload_shape.PayloadShape`."""
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
    def write(cls, layer: Weighted, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload."""
        if encoding is not None:
            layer = dataclasses.replace(layer, encoding=encoding)
        fields, _ = super().write(layer)
        shape, payload = encode_payload(layer)
        fields |= dataclasses.asdict(shape) | {
            "rows": layer.weights.shape[0], "cols": layer.weights.shape[1],
            "encoding": layer.encoding, "weight_scale": float(layer.weight_scale),
            "crc": zlib.crc32(payload)}
        del fields["huffman"]           # the encoding says it
        return fields, payload

    def decode(self, payload: bytes) -> Fields:
        """Arguments of the layer's class.

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
        return PayloadShape(
            entries=self.entries, run_width=self.run_width, codebook=self.codebook,
            huffman=self.encoding == "huffman", run_bits=self.run_bits, code_bits=self.code_bits,
            bias_bytes=self.bias_bytes, uniform=self.uniform)


class LinearHeader(MatrixHeader):
    """A matrix-vector layer."""
    makes: ClassVar[type] = Linear

    kind: Literal["linear"] = "linear"

    def read(self, payload: bytes) -> Linear:
        """The layer."""
        return Linear(**self.decode(payload))

    @property
    def inputs(self) -> int:
        """Activations that it reads, one per column."""
        return self.cols

    @property
    def outputs(self) -> int:
        """Activations that it writes, one per row."""
        return self.rows


class KernelHeader(WindowedHeader, MatrixHeader):
    """A layer with a matrix, whose kernel moves over a map."""
    @classmethod
    def write(cls, layer: Weighted, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload."""
        assert isinstance(layer, (Conv, Depthwise))
        fields, payload = super().write(layer, encoding)
        return fields | {"window": numbers_of(layer.window)}, payload

    def read(self, payload: bytes) -> Layer:
        """The layer."""
        layer: Layer = self.makes(window=self.window, **self.decode(payload))
        return layer

    @property
    def outputs(self) -> int:
        """Activations that it writes, one per row at every position."""
        return self.rows * self.window.positions


class ConvHeader(KernelHeader):
    """A convolution."""
    makes: ClassVar[type] = Conv

    kind: Literal["conv"] = "conv"


class DepthwiseHeader(KernelHeader):
    """A depthwise convolution: a row for each channel, a column for each place of the kernel."""
    makes: ClassVar[type] = Depthwise
    keeps_parts: ClassVar[bool] = True

    kind: Literal["depthwise"]

    @classmethod
    def write(cls, layer: Weighted, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields and payload."""
        fields, payload = super().write(layer, encoding)
        return fields | {"kind": "depthwise"}, payload


class AddHeader(LayerHeader):
    """An addition of two maps; it has no payload."""
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
    def write(cls, layer: Add, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields, and an empty payload."""
        fields, payload = super().write(layer)
        return fields | {"kind": "add", "factors": [int(factor) for factor in layer.factors],
                         "pixels": int(layer.pixels), "channels": int(layer.channels),
                         "multiplier": int(layer.multiplier), "shift": int(layer.shift)}, payload

    def read(self, payload: bytes) -> Add:
        """The layer."""
        return Add(pixels=self.pixels, channels=self.channels, multiplier=self.multiplier,
                   factors=(self.factors[0], self.factors[1]), shift=self.shift, **self.common)

    @property
    def inputs(self) -> int:
        """Activations of each map."""
        return self.pixels * self.channels

    @property
    def outputs(self) -> int:
        """Activations written; equal to ``inputs``, the size of each map."""
        return self.inputs


class PoolHeader(WindowedHeader):
    """A pool; it has no payload."""
    makes: ClassVar[type] = Pool
    keeps_parts: ClassVar[bool] = True

    kind: Literal["pool"]
    reduce: Literal["max", "sum"]
    multiplier: Multiplier = 1
    shift: Shift = 0

    @classmethod
    def write(cls, layer: Pool, encoding: str | None = None) -> tuple[Fields, bytes]:
        """Header fields, and an empty payload."""
        fields, payload = super().write(layer)
        return fields | {"kind": "pool", "window": numbers_of(layer.window),
                         "reduce": layer.reduce, "multiplier": int(layer.multiplier),
                         "shift": int(layer.shift)}, payload

    def read(self, payload: bytes) -> Pool:
        """The layer."""
        return Pool(window=self.window, reduce=self.reduce, multiplier=self.multiplier,
                    shift=self.shift, **self.common)

    @property
    def label(self) -> str:
        """The layer's kind in tables: max pool or sum pool."""
        return f"{self.reduce} pool"

    @property
    def outputs(self) -> int:
        """Activations that it writes, one per channel at every position."""
        return self.window.positions * self.window.channels


#: The header of each kind of layer, by the ``kind`` in the file.
KINDS: dict[str, type[LayerHeader]] = {
    "linear": LinearHeader, "conv": ConvHeader, "pool": PoolHeader,
    "depthwise": DepthwiseHeader, "add": AddHeader,
    "binary_linear": SignLinearHeader, "binary_conv": SignConvHeader}
_BY_CLASS = {header.makes: header for header in KINDS.values()}


def write_layer(layer: Layer, encoding: str | None = None) -> tuple[Fields, bytes | None]:
    """A layer's header fields, without those that have their defaults, and its payload; None if
    it has none.

    ``encoding``, if given, replaces the layer's own encoding.

    Raises
    ------
    ArtefactError : a kind of layer that artefacts cannot hold.
    InputError : the layer's weights do not allow the encoding.
    """
    header = _BY_CLASS.get(type(layer))
    if header is None:
        raise ArtefactError(f"layer {layer.name!r} is a {type(layer).__name__}; this version's "
                            f"files hold {', '.join(KINDS)}")
    fields, payload = header.write(layer, encoding)
    defaults = {field.alias or name: field.default for name, field in header.model_fields.items()}
    fields = {name: value for name, value in fields.items() if value != defaults[name]}
    return fields, payload if header.stored else None


def _of_kind(fields: object) -> LayerHeader:
    """The header of the kind that a layer's ``kind`` names. A layer without one is a convolution if
    it has a window, and otherwise a linear layer."""
    if not isinstance(fields, dict):
        raise ValueError("a layer must be a JSON object")
    kind = fields.get("kind", "conv" if "window" in fields else "linear")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"a layer's kind is one of {', '.join(KINDS)}; if it is "
                         f"{kind!r:.40}, a newer version wrote this file")
    return KINDS[kind].model_validate(fields)


#: A layer of any kind.
AnyLayer = Annotated[LayerHeader, pydantic.PlainValidator(_of_kind)]
