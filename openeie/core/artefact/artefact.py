# SPDX-License-Identifier: Apache-2.0
"""The artefact, ``*.eie``: a compressed network as a file that really is that small.

It is a valid safetensors file of uint8 tensors: a payload for each layer with weights
(:mod:`openeie.core.artefact.payload`), and ``header``, which describes all layers in a CRC-32
followed by deflated JSON. See ``docs/artefact.md``.
"""
import os
import zlib
from pathlib import Path
from typing import Any

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

#: Larger files are refused without reading them.
MAX_FILE_BYTES = 1 << 30
_MAX_MESSAGE = 300      # characters that a message takes from a file, which may be any text
_HEADER = "header"


def dumps(network: Network, *, encoding: str | None = None) -> bytes:
    """The bytes of a network's artefact; the same network always gives the same bytes.

    Loading them restores every field. Only the provenance's tuples come back as lists, because it
    is stored as JSON.

    Parameters
    ----------
    encoding : the encoding of every matrix, instead of each layer's own. Loaded layers have it.

    Raises
    ------
    ArtefactError : the network has something that the format cannot hold.
    InputError : a layer's weights do not allow the encoding.
    """
    layers = []
    tensors = {}
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
    """The network in an artefact's bytes; everything is checked before it is returned.

    ``source`` is the name that messages give to the artefact.

    Raises
    ------
    ArtefactError : anything is wrong with the bytes; names ``source`` and the layer.
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
    """The header of an artefact, and the payload of each layer, not yet decoded; ``b""`` for a
    layer without one.

    Raises
    ------
    ArtefactError : the file is damaged, too large, or of another version; names ``source``.
    """
    try:
        tensors = _tensors(data)
        header = parse_header(_header_text(tensors.pop(_HEADER)))
        names = {str(number) for number, layer in enumerate(header.layers) if layer.stored}
        if set(tensors) != names:
            raise ValueError(f"it has {len(tensors)} payloads for {len(names)} layers that have "
                             f"one, or under other names than these layers' numbers")
    except ValueError as error:
        raise ArtefactError(f"{source} is not an artefact this version can read: "
                            f"{error!s:.{_MAX_MESSAGE}}") from error
    return header, [tensors.get(str(number), b"") for number in range(len(header.layers))]


def _tensors(data: bytes) -> dict[str, bytes]:
    """The tensors of a safetensors file by name, ``header`` among them.

    Raises
    ------
    ValueError : the file is too large, not a safetensors file, or has other tensors than vectors
        of bytes.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it has {len(data):,} bytes, at most {MAX_FILE_BYTES:,} are read")
    parts: list[tuple[str, dict[str, Any]]]
    try:
        parts = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        tensors = {name: bytes(part["data"]) for name, part in parts}
    except (safetensors.SafetensorError, ValueError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if _HEADER not in tensors:
        raise ValueError(f"it has no tensor {_HEADER!r}")
    if any(part["dtype"] != "U8" or len(part["shape"]) != 1 for _, part in parts):
        raise ValueError("its tensors must be vectors of bytes (U8)")
    return tensors


def _header_text(stamped: bytes) -> str:
    """The header's JSON from its CRC-32 and deflated text.

    Raises
    ------
    ValueError : it is damaged or too long.
    """
    if int.from_bytes(stamped[:4], "little") != zlib.crc32(stamped[4:]):
        raise ValueError("the header's CRC-32 does not match: the file is damaged")
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(stamped[4:], MAX_HEADER_BYTES).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"the header cannot be read: {error}") from error
    if inflate.unconsumed_tail:
        raise ValueError(f"the header has more than {MAX_HEADER_BYTES:,} bytes")
    if not inflate.eof or inflate.unused_data:
        raise ValueError("the header is cut short, or something follows it")
    return text


def save(network: Network, path: str | os.PathLike[str], *, encoding: str | None = None) -> int:
    """Write a network's artefact to a file; returns its size in bytes.

    The file appears complete or not at all. A link is followed; a device or a pipe is written to.
    ``encoding`` as for :func:`dumps`.

    Raises
    ------
    ArtefactError, InputError : as :func:`dumps`, or the file cannot be written.
    """
    data = dumps(network, encoding=encoding)
    path = Path(path)
    try:
        replace_file(path, data)
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def load(path: str | os.PathLike[str]) -> Network:
    """The network in an artefact's file.

    Raises
    ------
    ArtefactError : the file cannot be read, or as :func:`loads`.
    """
    return loads(read_bytes(path), source=str(path))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an artefact's file.

    Raises
    ------
    ArtefactError : the file cannot be read, or is larger than :data:`MAX_FILE_BYTES`.
    """
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except UntrustedError as error:
        raise ArtefactError(f"cannot read {error}; give the path of an *.eie file") from error
