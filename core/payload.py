# SPDX-License-Identifier: Apache-2.0
"""The bytes of one layer in an artefact: entry stream, codebook, code lengths, bias, scales.

Array-independent: the matrix is one column-major vector, and a run counts the zeros since the
last entry across column ends, so no column pointers are stored (as in the files that Deep
Compression's authors released).
"""
from dataclasses import dataclass

import numpy as np

from .errors import EncodingError
from .layers import Weighted
from .weights import SparseWeights
from .huffman import MAX_LENGTH, CanonicalCode, pack_bits
from .stream import decode_stream, split_runs

__all__ = ["PayloadShape", "encode_payload", "decode_payload", "split_sections",
           "encode_writeback", "decode_writeback", "WEIGHT_BITS"]

#: Bits of a weight stored in place.
WEIGHT_BITS = 16
_RUN_WIDTHS = range(1, 9)


@dataclass(frozen=True, kw_only=True)
class PayloadShape:
    """What must be known to read a payload; stands in the artefact's header.

    Attributes
    ----------
    entries : entries in the stream, fillers included.
    run_width : bits of a run before Huffman coding.
    codebook : slots, 0 if weights stand in place.
    huffman : run and code are Huffman coded.
    run_bits, code_bits : bits of all runs and of all codes (or weights) in the stream.
    bias_bytes : bytes of each bias.
    uniform : one multiplier and shift for all channels.
    """
    entries: int
    run_width: int
    codebook: int
    huffman: bool
    run_bits: int
    code_bits: int
    bias_bytes: int
    uniform: bool

    @property
    def code_width(self) -> int:
        """Bits of a code (or weight) before Huffman coding."""
        return _code_width(self.codebook)

    def sections(self, outputs: int) -> dict[str, int]:
        """Bytes of each part of the payload, in order."""
        lengths = (1 << self.run_width, self.codebook) if self.huffman else (0, 0)
        channels = 1 if self.uniform else outputs
        return {"entries": -(-(self.run_bits + self.code_bits) // 8),
                "codebook": 2 * self.codebook,
                "run_lengths": -(-lengths[0] // 2), "code_lengths": -(-lengths[1] // 2),
                "bias": self.bias_bytes * outputs, "multiplier": 2 * channels, "shift": channels}


def _code_width(codebook: int) -> int:
    return max(1, (codebook - 1).bit_length()) if codebook else WEIGHT_BITS


def encode_payload(layer: Weighted) -> tuple[PayloadShape, bytes]:
    """The smallest payload over all run widths, and its shape."""
    weights = layer.weights
    m = weights.shape[0]
    position = weights.columns * m + weights.rows
    symbols = weights.codes if weights.codes is not None else weights.values
    shape, stream, tables = _smallest(layer, position, symbols)
    codebook = b"" if weights.codebook is None else weights.codebook.astype("<i2").tobytes()
    _, writeback = encode_writeback(layer, uniform=shape.uniform)
    return shape, b"".join([pack_bits(*stream), codebook, *tables, writeback])


def encode_writeback(layer, *, uniform: bool) -> tuple[int, bytes]:
    """Bytes of each bias, and all biases, multipliers and shifts; the latter two once if they are
    ``uniform``."""
    size = _bias_bytes(layer.bias)
    bias = layer.bias.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :size].tobytes()
    channels = slice(0, 1) if uniform else slice(None)
    return size, b"".join([bias, layer.multiplier[channels].astype("<u2").tobytes(),
                           layer.shift[channels].tobytes()])


def _bias_bytes(bias: np.ndarray) -> int:
    return next(size for size in (1, 2, 3, 4) if np.all(
        np.abs(bias.astype(np.int64) * 2 + 1) < 1 << (8 * size)))


def _smallest(layer, position, symbols):
    """The best of all run widths, on a tie the narrowest.

    A width whose entries alone are too many is not tried: narrow runs in a nearly empty matrix
    need more fillers than memory holds.
    """
    gap = np.diff(position, prepend=-1) - 1
    code_width = _code_width(_slots(layer.weights))
    best = None
    for width in sorted(_RUN_WIDTHS, reverse=True):
        entries = len(gap) + int((gap >> width).sum())
        least = 2 if layer.encoding == "huffman" else width + code_width
        if best is None or least * entries <= best[0]:
            candidate = _stream(layer, position, symbols, width)
            if best is None or candidate[0] <= best[0]:
                best = candidate
    return best[1:]


def _slots(weights: SparseWeights) -> int:
    return 0 if weights.codebook is None else len(weights.codebook)


def _stream(layer, position, symbols, width):
    """For one run width: size in bits, shape, (codewords, their sizes), code lengths."""
    run, code = split_runs(position, symbols, (1 << width) - 1)
    codebook, huffman = _slots(layer.weights), layer.encoding == "huffman"
    code_width = _code_width(codebook)
    run_sizes = np.full(len(run), width, np.int64)
    code_sizes = np.full(len(run), code_width, np.int64)
    tables = [b"", b""]
    if huffman:
        run_code = CanonicalCode.of(run, 1 << width, MAX_LENGTH)
        code_code = CanonicalCode.of(code, codebook, MAX_LENGTH)
        run_sizes, code_sizes = (c.lengths[s].astype(np.int64)
                                 for c, s in ((run_code, run), (code_code, code)))
        tables = [_pack_nibbles(c.lengths) for c in (run_code, code_code)]
        run, code = run_code.codewords[run].astype(np.int64), code_code.codewords[code]
    else:
        code = code & ((1 << code_width) - 1)
    shape = PayloadShape(
        entries=len(run), run_width=width, codebook=codebook, huffman=huffman,
        run_bits=int(run_sizes.sum()), code_bits=int(code_sizes.sum()),
        bias_bytes=_bias_bytes(layer.bias),
        uniform=bool(np.all(layer.multiplier == layer.multiplier[0])
                     and np.all(layer.shift == layer.shift[0])))
    bits = shape.run_bits + shape.code_bits + 8 * sum(map(len, tables))
    words = run.astype(np.int64) << code_sizes | code.astype(np.int64)
    return bits, shape, (words, run_sizes + code_sizes), tables


def decode_payload(shape: PayloadShape, data: bytes, *, rows: int, columns: int) -> dict:
    """Fields of :class:`Weighted` from a payload: weights, bias, multiplier, shift.

    Sizes are checked before memory is taken: about 70 bytes an entry, 30 a column.

    Raises
    ------
    EncodingError : the payload does not have the size its shape says, or is not well formed.
    """
    parts = split_sections(shape.sections(rows), data)
    total = shape.run_bits + shape.code_bits
    if not 2 * shape.entries <= total <= 2 * MAX_LENGTH * shape.entries:
        raise EncodingError(f"{shape.entries} entries cannot take {total} bits: each has a run "
                            f"and a code of 1 .. {MAX_LENGTH} bits, or of fixed widths")
    bits = np.unpackbits(np.frombuffer(parts["entries"], np.uint8))
    if bits[total:].any():
        raise EncodingError("the bits behind the entry stream must be 0")
    codebook = np.frombuffer(parts["codebook"], "<i2").astype(np.int16)
    codes = _codes(shape, parts)
    run, code = decode_stream(shape, bits, codes)
    weights = _weights(shape, run, code, codebook, rows, columns)
    return {"weights": weights} | decode_writeback(parts, rows, shape.bias_bytes)


def split_sections(sections: dict[str, int], data: bytes) -> dict[str, bytes]:
    """The parts of a payload, whose bytes ``sections`` has in order.

    Raises
    ------
    EncodingError : the payload has another size.
    """
    if len(data) != sum(sections.values()):
        raise EncodingError(f"the payload has {len(data)} bytes, its header asks for "
                            f"{sum(sections.values())}")
    parts, at = {}, 0
    for name, size in sections.items():
        parts[name], at = data[at:at + size], at + size
    return parts


def decode_writeback(parts: dict[str, bytes], rows: int, bias_bytes: int) -> dict[str, np.ndarray]:
    """Bias, multiplier and shift of each row, from the sections of these names."""
    bias = np.frombuffer(parts["bias"], np.uint8).reshape(rows, bias_bytes)
    sign = np.where(bias[:, -1:] > 127, 255, 0).astype(np.uint8)
    wide = np.concatenate([bias, np.repeat(sign, 4 - bias_bytes, axis=1)], axis=1)
    spread = np.ones(rows // len(parts["shift"]), np.int64)
    return {"bias": np.ascontiguousarray(wide).view("<i4").reshape(rows),
            "multiplier": np.frombuffer(parts["multiplier"], "<u2").astype(np.int64) * spread,
            "shift": np.frombuffer(parts["shift"], np.uint8).astype(np.int64) * spread}


def _weights(shape, run, code, codebook, rows, columns):
    position = np.cumsum(run, dtype=np.int64)
    position += np.arange(len(run))
    real = (run != (1 << shape.run_width) - 1) | (code != 0)
    position, code = position[real], code[real]
    if len(position) and position[-1] >= rows * columns:
        raise EncodingError(f"an entry stands at {position[-1]} of {rows * columns} weights")
    if not shape.codebook:
        code = code.astype(np.int16)                # two's complement of 16 bits
    elif len(code) and code.max() >= shape.codebook:
        raise EncodingError(f"an entry has code {code.max()} of {shape.codebook}")
    indptr = np.searchsorted(position, np.arange(columns + 1, dtype=np.int64) * rows)
    common = {"shape": (rows, columns), "indptr": indptr, "rows": position % rows}
    if shape.codebook:
        return SparseWeights(**common, codes=code, codebook=codebook, values=codebook[code])
    return SparseWeights(**common, values=code)


def _codes(shape, parts):
    if not shape.huffman:
        return None
    return (CanonicalCode(_unpack_nibbles(parts["run_lengths"], 1 << shape.run_width)),
            CanonicalCode(_unpack_nibbles(parts["code_lengths"], shape.codebook)))


def _pack_nibbles(lengths):
    padded = np.concatenate([lengths, np.zeros(len(lengths) % 2, np.uint8)])
    return (padded[::2] | padded[1::2] << 4).astype(np.uint8).tobytes()


def _unpack_nibbles(data, count):
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:count]
