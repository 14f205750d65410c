# SPDX-License-Identifier: Apache-2.0
"""The artefact, ``*.eie``: a compressed network as a file that really is that small.

A valid safetensors file of uint8 tensors: one per layer (:mod:`openeie.core.payload`), and
``header``, which describes them: a CRC-32, then deflated JSON. ``docs/artefact.md``.
"""
import dataclasses
import json
import os
import tempfile
import zlib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pydantic
import safetensors
import safetensors.numpy

from .errors import ArtefactError, EncodingError, InputError
from .graph import Linear, Network
from .payload import PayloadShape, decode_payload, encode_payload

__all__ = ["SCHEMA_VERSION", "MAX_FILE_BYTES", "Header", "LayerHeader", "save", "load", "dumps",
           "loads", "read_header"]

SCHEMA_VERSION = 1
#: Larger files are refused unread.
MAX_FILE_BYTES = 1 << 30
_MAX_HEADER_BYTES = 1 << 20
_HEADER = "header"

Count = Annotated[int, pydantic.Field(ge=0, le=1 << 32)]
Size = Annotated[int, pydantic.Field(ge=1, le=1 << 20)]
Scale = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True)


class LayerHeader(_Model):
    """What the header says of one layer; the payload's shape stands under short names."""
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
    crc: Annotated[int, pydantic.Field(ge=0, lt=1 << 32)]

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


def dumps(network: Network) -> bytes:
    """The artefact's bytes; the same network gives the same bytes.

    Raises
    ------
    ArtefactError : the network has something the format cannot hold.
    """
    layers, tensors = [], {}
    for number, layer in enumerate(network.layers):
        shape, payload = encode_payload(layer)
        fields = dataclasses.asdict(shape)
        del fields["huffman"]
        layers.append(fields | {
            "name": layer.name, "rows": layer.outputs, "cols": layer.inputs,
            "encoding": layer.encoding, "relu": layer.relu, "weight_scale": layer.weight_scale,
            "output_scale": layer.output_scale, "crc": zlib.crc32(payload)})
        tensors[str(number)] = np.frombuffer(payload, np.uint8)
    fields = {"schema_version": SCHEMA_VERSION, "name": network.name,
              "act_width": network.act_width, "input_range": list(network.input_range),
              "input_scale": network.input_scale, "layers": layers,
              "provenance": network.provenance}
    try:
        text = json.dumps(fields, separators=(",", ":"), sort_keys=True, allow_nan=False)
        _parse_header(text)
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"network {network.name!r} cannot be written: {error}") from error
    deflated = zlib.compress(text.encode(), 9)
    stamp = zlib.crc32(deflated).to_bytes(4, "little")
    tensors[_HEADER] = np.frombuffer(stamp + deflated, np.uint8)
    return safetensors.numpy.save(tensors, {"format": f"openeie-{SCHEMA_VERSION}"})


def loads(data: bytes, *, source: str = "artefact") -> Network:
    """The network in an artefact's bytes, checked completely before anything is returned.

    Raises
    ------
    ArtefactError : whatever is wrong with the bytes; names ``source`` and the layer.
    """
    header, payloads = read_header(data, source=source)
    layers = []
    for number, (layer, payload) in enumerate(zip(header.layers, payloads)):
        where = f"{source}, layer {number} ({layer.name})"
        if zlib.crc32(payload) != layer.crc:
            raise ArtefactError(f"{where}: CRC-32 is {zlib.crc32(payload):08x}, the header says "
                                f"{layer.crc:08x}: the file is damaged; fetch it again")
        try:
            fields = decode_payload(layer.shape, payload, rows=layer.rows, columns=layer.cols)
            layers.append(Linear(
                name=layer.name, encoding=layer.encoding, relu=layer.relu,
                weight_scale=layer.weight_scale, output_scale=layer.output_scale, **fields))
        except (EncodingError, InputError) as error:
            raise ArtefactError(f"{where}: {error}") from error
    try:
        return Network(name=header.name, layers=tuple(layers), act_width=header.act_width,
                       input_range=header.input_range, input_scale=header.input_scale,
                       provenance=header.provenance)
    except InputError as error:
        raise ArtefactError(f"{source}: {error}") from error


def read_header(data: bytes, *, source: str = "artefact") -> tuple[Header, list[bytes]]:
    """Header and payloads, before the payloads are looked at."""
    def refuse(what, error=None):
        return ArtefactError(f"{source} is not an artefact this version can read: {what}")
    if len(data) > MAX_FILE_BYTES:
        raise refuse(f"it has {len(data):,} bytes, at most {MAX_FILE_BYTES:,} are read")
    try:
        tensors = {name: bytes(value["data"])
                   for name, value in safetensors.deserialize(data)}
        stamped = tensors.pop(_HEADER)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise refuse(f"{type(error).__name__}: {error}") from error
    if int.from_bytes(stamped[:4], "little") != zlib.crc32(stamped[4:]):
        raise refuse("the header's CRC-32 does not match: the file is damaged")
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(stamped[4:], _MAX_HEADER_BYTES).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise refuse(f"the header cannot be read: {error}") from error
    if not inflate.eof:
        raise refuse(f"the header has more than {_MAX_HEADER_BYTES:,} bytes")
    try:
        header = _parse_header(text)
    except (ValueError, RecursionError) as error:
        raise refuse(_first_line(error)) from error
    names = [str(number) for number in range(len(header.layers))]
    if sorted(tensors) != sorted(names):
        raise refuse(f"its tensors are {sorted(tensors)}, its layers {names}")
    return header, [tensors[name] for name in names]


def _parse_header(text: str) -> Header:
    fields = json.loads(text)
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema version {version!r}, this version reads {SCHEMA_VERSION}")
    return Header.model_validate(fields)


def _first_line(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r:.80}"
    return str(error)


def save(network: Network, path: str | os.PathLike) -> int:
    """Write an artefact; returns its size in bytes. The file appears complete or not at all."""
    data = dumps(network)
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.",
                                         delete=False) as file:
            file.write(data)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def load(path: str | os.PathLike) -> Network:
    """Read an artefact; see :func:`loads`."""
    return loads(read_bytes(path), source=str(path))


def read_bytes(path: str | os.PathLike) -> bytes:
    """A file's bytes, unless it is too large to be an artefact."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ArtefactError(f"{path} has {path.stat().st_size:,} bytes, at most "
                                f"{MAX_FILE_BYTES:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot read {path}: {error.strerror}; give the path of an *.eie "
                            f"file") from error
