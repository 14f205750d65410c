# SPDX-License-Identifier: Apache-2.0
"""The artefact's header: JSON, checked field by field before any size in it is relied on."""
import json
from typing import Annotated, Any, Literal

import pydantic

from ..host.untrusted import Limits, parse_json
from ..network.graph import INPUT
from .layer_header import Model, Name, Scale
from .layer_headers import AnyLayer, MatrixHeader

__all__ = ["SCHEMA_VERSION", "MAX_HEADER_BYTES", "MAX_ENTRIES", "MAX_WEIGHTS", "MAX_COLUMNS",
           "MAX_PARTS", "Header", "dump_header", "parse_header"]

SCHEMA_VERSION = 1
#: Most bytes of the JSON text.
MAX_HEADER_BYTES = 1 << 20
#: Most entries of a whole file; decoding takes about 70 bytes of memory for each.
MAX_ENTRIES = 1 << 26
#: Most weights of one layer, zeros included.
MAX_WEIGHTS = 1 << 32
#: Most columns of all matrices of a file; each takes 8 bytes of memory, but none in the file.
MAX_COLUMNS = 1 << 24
#: Most maps that a layer reads side by side, through the pools before it.
MAX_PARTS = 1024
_LIMITS = Limits(bytes=MAX_HEADER_BYTES)


class Header(Model):
    """What the header says about the network."""
    schema_version: int
    name: Name
    act_width: Literal[8, 16]
    input_range: tuple[int, int] = pydantic.Field(strict=False)
    input_scale: Scale
    layers: Annotated[list[AnyLayer], pydantic.Field(min_length=1, max_length=1024)]
    provenance: dict[str, Any]

    def sources(self, number: int) -> list[str]:
        """Names of what layer ``number`` reads."""
        before = self.layers[number - 1].name if number else INPUT
        return self.layers[number].sources or [before]

    @pydantic.model_validator(mode="after")
    def _bounds(self) -> "Header":
        """Check the sizes that decoding relies on, so that its memory is bounded by the file's own
        size."""
        _check_sources(self)
        entries = 0
        columns = 0
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, MatrixHeader):
                continue
            if layer.rows * layer.cols > MAX_WEIGHTS:
                raise ValueError(f"layer {number} has {layer.rows:,} x {layer.cols:,} weights, at "
                                 f"most {MAX_WEIGHTS:,} are read")
            entries += layer.entries
            columns += layer.cols
        if entries > MAX_ENTRIES:
            raise ValueError(f"it has {entries:,} entries, at most {MAX_ENTRIES:,} are read")
        if columns > MAX_COLUMNS:
            raise ValueError(f"it has {columns:,} columns, at most {MAX_COLUMNS:,} are read")
        return self


def _check_sources(header: Header) -> None:
    """Check that what each layer reads comes before it and has the size that it says.

    The network itself checks more (``openeie/core/network/graph.py``), once payloads are read.
    """
    outputs: dict[str, int] = {}
    parts = {INPUT: 1}
    for number, layer in enumerate(header.layers):
        sources = header.sources(number)
        if INPUT in sources:
            outputs.setdefault(INPUT, layer.inputs)
        for name in sources:
            if name not in outputs:
                raise ValueError(f"layer {number} reads {name!r:.40}, which is not an earlier "
                                 f"layer")
        together = sum if layer.concatenates else max
        given = together(outputs[name] for name in sources)
        if given != layer.inputs:
            raise ValueError(f"layer {number} takes {layer.inputs} inputs, "
                             f"{', '.join(map(repr, sources)):.80} gives {given}")
        read = together(parts[name] for name in sources)
        if read > MAX_PARTS:
            raise ValueError(f"layer {number} reads {read:,} maps side by side, at most "
                             f"{MAX_PARTS:,} are read")
        if layer.name in outputs or layer.name == INPUT:
            raise ValueError(f"layer {number} has the name {layer.name!r:.40}, which another layer "
                             f"has")
        outputs[layer.name] = layer.outputs
        parts[layer.name] = read if layer.keeps_parts else 1


def dump_header(fields: dict[str, Any]) -> str:
    """Compact JSON that :func:`parse_header` reads back unchanged, except for tuples, which become
    lists.

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
    """The header from JSON.

    Raises
    ------
    ValueError : names the first thing that is wrong, in one line.
    """
    try:
        fields = parse_json(text, "the header", _LIMITS)
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema version {version!r:.40}, this version reads "
                             f"{SCHEMA_VERSION}")
        return Header.model_validate(fields)
    except pydantic.ValidationError as error:
        raise ValueError(_first(error)) from error


def _first(error: pydantic.ValidationError) -> str:
    """The first of the errors, in one line."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    return f"{'.'.join(map(str, first['loc']))}: {message}, not {first['input']!r:.80}"


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON if nothing is lost: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
