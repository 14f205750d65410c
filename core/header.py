# SPDX-License-Identifier: Apache-2.0
"""The artefact's header: JSON, checked field by field before any size in it is believed."""
import dataclasses
import json
from typing import Annotated, Literal

import pydantic

from .payload import PayloadShape
from .window import Window

__all__ = ["SCHEMA_VERSION", "MAX_HEADER_BYTES", "MAX_ENTRIES", "MAX_WEIGHTS", "Header",
           "LayerHeader", "dump_header", "parse_header"]

SCHEMA_VERSION = 1
#: The JSON's length, in characters.
MAX_HEADER_BYTES = 1 << 20
#: Entries of a whole file; decoding takes about 70 bytes for each.
MAX_ENTRIES = 1 << 26
#: Weights of one layer, zeros included.
MAX_WEIGHTS = 1 << 32

Count = Annotated[int, pydantic.Field(ge=0, le=1 << 32)]
Size = Annotated[int, pydantic.Field(ge=1, le=1 << 20)]
Scale = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True)


class LayerHeader(_Model):
    """What the header says of one layer; the payload's shape stands under short names.

    ``rows`` and ``cols`` are those of its matrix; ``window``, of a convolution: height, width and
    channels of the map it reads, kernel, stride, and padding at the top, left, bottom and right.
    """
    name: Name
    rows: Size
    cols: Size
    encoding: Literal["csr", "codebook", "huffman"]
    relu: bool
    entries: Count
    run_width: Annotated[int, pydantic.Field(ge=1, le=8)]
    codebook: Annotated[int, pydantic.Field(ge=0, le=256)]
    run_bits: Count
    code_bits: Count
    bias_bytes: Annotated[int, pydantic.Field(ge=1, le=4)]
    uniform: bool
    weight_scale: Scale
    output_scale: Scale
    window: Annotated[list[int], pydantic.Field(min_length=11, max_length=11)] | None = None
    crc: Annotated[int, pydantic.Field(ge=0, lt=1 << 32)]

    @property
    def walked(self) -> Window | None:
        """The window, checked.

        Raises
        ------
        InputError : it cannot be.
        """
        if self.window is None:
            return None
        height, width, channels, *rest = self.window
        return Window(height=height, width=width, channels=channels,
                      kernel=(rest[0], rest[1]), stride=(rest[2], rest[3]),
                      pad=(rest[4], rest[5], rest[6], rest[7]))

    @property
    def inputs(self) -> int:
        """Activations that the layer reads."""
        window = self.walked
        return self.cols if window is None else window.inputs

    @property
    def outputs(self) -> int:
        """Activations that the layer writes."""
        window = self.walked
        return self.rows * (1 if window is None else window.positions)

    @property
    def shape(self) -> PayloadShape:
        """How to read the payload."""
        return PayloadShape(huffman=self.encoding == "huffman", **{
            field.name: getattr(self, field.name) for field in dataclasses.fields(PayloadShape)
            if field.name != "huffman"})


class Header(_Model):
    """What the header says of the network."""
    schema_version: int
    name: Name
    act_width: Literal[8, 16]
    input_range: tuple[int, int] = pydantic.Field(strict=False)
    input_scale: Scale
    layers: Annotated[list[LayerHeader], pydantic.Field(min_length=1, max_length=1024)]
    provenance: dict

    @pydantic.model_validator(mode="after")
    def _bounds(self) -> "Header":
        """Sizes that decoding may rely on: with them, memory follows the file's own size."""
        for number, (before, after) in enumerate(zip(self.layers, self.layers[1:]), start=1):
            if before.outputs != after.inputs:
                raise ValueError(f"layer {number} takes {after.inputs} inputs, layer {number - 1} "
                                 f"gives {before.outputs}")
        for number, layer in enumerate(self.layers):
            if layer.rows * layer.cols > MAX_WEIGHTS:
                raise ValueError(f"layer {number} has {layer.rows:,} x {layer.cols:,} weights, at "
                                 f"most {MAX_WEIGHTS:,} are read")
        entries = sum(layer.entries for layer in self.layers)
        if entries > MAX_ENTRIES:
            raise ValueError(f"it has {entries:,} entries, at most {MAX_ENTRIES:,} are read")
        return self


def dump_header(fields: dict) -> str:
    """Compact JSON that :func:`parse_header` reads back unchanged, tuples as lists.

    Raises
    ------
    ValueError : a field is not allowed, or JSON would change it.
    """
    try:
        text = json.dumps(fields, separators=(",", ":"), sort_keys=True, allow_nan=False)
        if len(text) > MAX_HEADER_BYTES:
            raise ValueError(f"its header has {len(text):,} bytes, at most {MAX_HEADER_BYTES:,} "
                             f"are read; shorten the provenance")
        if parse_header(text).provenance != _plain(fields["provenance"]):
            raise ValueError("provenance must hold plain JSON values under text keys")
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return text


def parse_header(text: str) -> Header:
    """The header in JSON.

    Raises
    ------
    ValueError : the first thing that is wrong, in one line.
    """
    try:
        fields = json.loads(text, object_pairs_hook=_unique)
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema version {version!r:.40}, this version reads "
                             f"{SCHEMA_VERSION}")
        # Refuses what would fail when it is shown or saved: NaN, infinity, half a character.
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
        return Header.model_validate(fields)
    except pydantic.ValidationError as error:
        raise ValueError(_first(error)) from error
    except RecursionError as error:
        raise ValueError(f"the header is nested too deeply ({error})") from error


def _first(error: pydantic.ValidationError) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    return f"{'.'.join(map(str, first['loc']))}: {message}, not {first['input']!r:.80}"


def _unique(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object; the same key twice would mean different things to different readers."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {max(names, key=names.count)!r:.40} stands twice")
    return fields


def _plain(value):
    """The value as JSON gives it back, if nothing is lost: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
