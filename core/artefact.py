# SPDX-License-Identifier: Apache-2.0
"""The artefact, ``*.eie``: a compressed network as a file that really is that small.

A valid safetensors file of uint8 tensors: one per layer (:mod:`openeie.core.payload`), and
``header``, which describes them: a CRC-32, then deflated JSON. ``docs/artefact.md``.
"""
import dataclasses
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from .errors import ArtefactError, EncodingError, InputError
from .graph import Conv, Linear, Network
from .header import MAX_HEADER_BYTES, SCHEMA_VERSION, Header, dump_header, parse_header
from .payload import decode_payload, encode_payload

__all__ = ["MAX_FILE_BYTES", "save", "load", "dumps", "loads", "read_bytes", "read_header"]

#: Larger files are refused unread.
MAX_FILE_BYTES = 1 << 30
_MAX_MESSAGE = 300
_HEADER = "header"


def dumps(network: Network) -> bytes:
    """The artefact's bytes; the same network gives the same bytes.

    Loading them gives every field back; of the provenance, what JSON can tell: tuples return as
    lists.

    Raises
    ------
    ArtefactError : the network has something the format cannot hold.
    """
    layers, tensors = [], {}
    chain = [layer for layer in network.layers
             if isinstance(layer, Linear) and layer.name not in network.branches]
    others = [layer.name for layer in network.layers if layer not in chain]
    if others:
        raise ArtefactError(f"network {network.name!r} cannot be written: this version's files "
                            f"hold no pools and no branches, and {', '.join(others)} are such")
    for number, layer in enumerate(chain):
        shape, payload = encode_payload(layer)
        fields = dataclasses.asdict(shape)
        del fields["huffman"]
        layers.append(fields | {
            "name": layer.name, "rows": layer.channels, "cols": layer.weights.shape[1],
            "encoding": layer.encoding, "relu": layer.relu, "weight_scale": layer.weight_scale,
            "output_scale": layer.output_scale, "crc": zlib.crc32(payload)})
        if isinstance(layer, Conv):
            window = layer.window
            layers[-1]["window"] = [window.height, window.width, window.channels, *window.kernel,
                                    *window.stride, *window.pad]
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
        if zlib.crc32(payload) != layer.crc:
            raise ArtefactError(f"{where}: CRC-32 is {zlib.crc32(payload):08x}, the header says "
                                f"{layer.crc:08x}: the file is damaged; fetch it again")
        try:
            fields = decode_payload(layer.shape, payload, rows=layer.rows, columns=layer.cols)
            fields |= {
                "name": layer.name, "encoding": layer.encoding, "relu": layer.relu,
                "weight_scale": layer.weight_scale, "output_scale": layer.output_scale}
            layers.append(Linear(**fields) if layer.window is None
                          else Conv(window=layer.walked, **fields))
        except (EncodingError, InputError) as error:
            raise ArtefactError(f"{where}: {error}") from error
        except MemoryError as error:
            raise ArtefactError(f"{where}: {layer.entries:,} entries need more memory than there "
                                f"is") from error
    try:
        return Network(name=header.name, layers=tuple(layers), act_width=header.act_width,
                       input_range=header.input_range, input_scale=header.input_scale,
                       provenance=header.provenance)
    except InputError as error:
        raise ArtefactError(f"{source}: {error}") from error


def read_header(data: bytes, *, source: str = "artefact") -> tuple[Header, list[bytes]]:
    """Header and payloads, before the payloads are looked at."""
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
    names = [str(number) for number in range(len(header.layers))]
    if sorted(tensors) != sorted(names):
        raise refuse(f"it has {len(tensors)} tensors for {len(names)} layers, or their names "
                     f"are not 0 .. {len(names) - 1}")
    return header, [tensors[name] for name in names]


def save(network: Network, path: str | os.PathLike) -> int:
    """Write an artefact; returns its size in bytes. The file appears complete or not at all."""
    data = dumps(network)
    path = Path(path)
    written = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.",
                                         delete=False) as file:
            written = Path(file.name)
            file.write(data)
        written.chmod(0o644)
        written.replace(path)
    except OSError as error:
        if written is not None:
            written.unlink(missing_ok=True)
        raise ArtefactError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def load(path: str | os.PathLike) -> Network:
    """Read an artefact; see :func:`loads`."""
    return loads(read_bytes(path), source=str(path))


def read_bytes(path: str | os.PathLike) -> bytes:
    """A file's bytes, unless it is too large to be an artefact."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            # A device or pipe has no size to ask for: read no more than is allowed.
            data = file.read(min(path.stat().st_size, MAX_FILE_BYTES) + 1)
    except OSError as error:
        raise ArtefactError(f"cannot read {path}: {error.strerror}; give the path of an *.eie "
                            f"file") from error
    if len(data) > MAX_FILE_BYTES:
        raise ArtefactError(f"{path} has more than the {MAX_FILE_BYTES:,} bytes that are read")
    return data
