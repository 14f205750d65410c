# SPDX-License-Identifier: Apache-2.0
"""The artefact, ``*.eie``: a compressed network as a file that really is that small.

A valid safetensors file of uint8 tensors: one per layer with weights
(:mod:`openeie.core.artefact.payload`), and ``header``, which describes all layers: a CRC-32, then
deflated JSON. ``docs/artefact.md``.
"""
import os
import zlib
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from ..errors import ArtefactError, EncodingError, InputError, UntrustedError
from ..host.files import replace_file
from ..host.untrusted import read_regular
from ..network.graph import Network
from .header import MAX_HEADER_BYTES, SCHEMA_VERSION, Header, dump_header, parse_header
from .layer_headers import write_layer

__all__ = ["MAX_FILE_BYTES", "save", "load", "dumps", "loads", "read_bytes", "read_header"]

#: Larger files are refused unread.
MAX_FILE_BYTES = 1 << 30
_MAX_MESSAGE = 300
_HEADER = "header"


def dumps(network: Network, *, encoding: str | None = None) -> bytes:
    """The artefact's bytes; the same network gives the same bytes.

    Loading them gives every field back; of the provenance, what JSON can tell: tuples return as
    lists.

    Parameters
    ----------
    encoding : of every matrix, instead of the layers' own; loading gives it back.

    Raises
    ------
    ArtefactError : the network has something the format cannot hold.
    InputError : a layer's weights do not allow the encoding.
    """
    layers, tensors = [], {}
    for number, layer in enumerate(network.layers):
        fields, payload = write_layer(layer, encoding)
        layers.append(fields)
        if payload is not None:
            tensors[str(number)] = np.frombuffer(payload, np.uint8)
    fields = {"schema_version": SCHEMA_VERSION, "name": network.name,
              "act_width": network.act_width, "input_range": list(network.input_range),
              "input_scale": network.input_scale, "layers": layers,
              "provenance": network.provenance}
    try:
        text = dump_header(fields)
    except ValueError as error:
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
        try:
            layers.append(layer.read(payload))
        except (EncodingError, InputError) as error:
            raise ArtefactError(f"{where}: {error}") from error
        except MemoryError as error:
            raise ArtefactError(f"{where}: {len(payload):,} bytes need more memory than there "
                                f"is") from error
    try:
        return Network(name=header.name, layers=tuple(layers), act_width=header.act_width,
                       input_range=header.input_range, input_scale=header.input_scale,
                       provenance=header.provenance)
    except InputError as error:
        raise ArtefactError(f"{source}: {error!s:.{_MAX_MESSAGE}}") from error


def read_header(data: bytes, *, source: str = "artefact") -> tuple[Header, list[bytes]]:
    """Header and payloads, before these are looked at; a layer without one has ``b""``."""
    def refuse(what):
        # What a file says of itself may be as long as it likes.
        return ArtefactError(f"{source} is not an artefact this version can read: "
                             f"{what:.{_MAX_MESSAGE}}")
    if len(data) > MAX_FILE_BYTES:
        raise refuse(f"it has {len(data):,} bytes, at most {MAX_FILE_BYTES:,} are read")
    try:
        parts = safetensors.deserialize(data)
        tensors = {name: bytes(part["data"]) for name, part in parts}
        stamped = tensors.pop(_HEADER)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise refuse(f"{type(error).__name__}: {error}") from error
    if any(part["dtype"] != "U8" or len(part["shape"]) != 1 for _, part in parts):
        raise refuse("its tensors must be vectors of bytes (U8)")
    if int.from_bytes(stamped[:4], "little") != zlib.crc32(stamped[4:]):
        raise refuse("the header's CRC-32 does not match: the file is damaged")
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(stamped[4:], MAX_HEADER_BYTES).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise refuse(f"the header cannot be read: {error}") from error
    if inflate.unconsumed_tail:
        raise refuse(f"the header has more than {MAX_HEADER_BYTES:,} bytes")
    if not inflate.eof or inflate.unused_data:
        raise refuse("the header is cut short, or something follows it")
    try:
        header = parse_header(text)
    except ValueError as error:
        raise refuse(str(error)) from error
    names = {str(number) for number, layer in enumerate(header.layers) if layer.stored}
    if set(tensors) != names:
        raise refuse(f"it has {len(tensors)} payloads for {len(names)} layers that have one, or "
                     f"under other names than these layers' numbers")
    return header, [tensors.get(str(number), b"") for number in range(len(header.layers))]


def save(network: Network, path: str | os.PathLike, *, encoding: str | None = None) -> int:
    """Write an artefact; returns its size in bytes. The file appears complete or not at all; a
    link is followed, a device or a pipe is written to.

    ``encoding`` as in :func:`dumps`.
    """
    data = dumps(network, encoding=encoding)
    path = Path(path)
    try:
        replace_file(path, data)
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def load(path: str | os.PathLike) -> Network:
    """Read an artefact; see :func:`loads`."""
    return loads(read_bytes(path), source=str(path))


def read_bytes(path: str | os.PathLike) -> bytes:
    """A file's bytes, unless it is too large to be an artefact."""
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except UntrustedError as error:
        raise ArtefactError(f"cannot read {error}; give the path of an *.eie file") from error
