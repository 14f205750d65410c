# SPDX-License-Identifier: Apache-2.0
"""The bytes of one layer in an artefact: entry stream, codebook, code lengths, bias, scales.

Array-independent: the matrix is one column-major vector, and a run counts the zeros since the
last entry across column ends, so no column pointers are stored (as in the files that Deep
Compression's authors released).
"""
from dataclasses import dataclass

import numpy as np

from .errors import EncodingError
from .graph import Linear, SparseWeights
from .huffman import MAX_LENGTH, CanonicalCode, pack_bits

__all__ = ["PayloadShape", "encode_payload", "decode_payload", "WEIGHT_BITS"]

#: Bits of a weight stored in place.
WEIGHT_BITS = 16
_RUN_WIDTHS = range(1, 9)
#: Bit positions decoded at a time; bounds the memory of decoding.
_CHUNK = 1 << 18


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
        return max(1, (self.codebook - 1).bit_length()) if self.codebook else WEIGHT_BITS

    def sections(self, outputs: int) -> dict[str, int]:
        """Bytes of each part of the payload, in order."""
        lengths = (1 << self.run_width, self.codebook) if self.huffman else (0, 0)
        channels = 1 if self.uniform else outputs
        return {"entries": -(-(self.run_bits + self.code_bits) // 8),
                "codebook": 2 * self.codebook,
                "run_lengths": -(-lengths[0] // 2), "code_lengths": -(-lengths[1] // 2),
                "bias": self.bias_bytes * outputs, "multiplier": 2 * channels, "shift": channels}


def encode_payload(layer: Linear) -> tuple[PayloadShape, bytes]:
    """The smallest payload over all run widths, and its shape."""
    weights = layer.weights
    m = weights.shape[0]
    position = weights.columns * m + weights.rows
    symbols = weights.codes if weights.codes is not None else weights.values
    candidates = (_stream(layer, position, symbols, width) for width in _RUN_WIDTHS)
    _, shape, stream, tables = min(candidates, key=lambda item: item[0])
    bias = layer.bias.astype("<i4").view(np.uint8).reshape(m, 4)[:, :shape.bias_bytes].tobytes()
    channels = slice(0, 1) if shape.uniform else slice(None)
    codebook = b"" if weights.codebook is None else weights.codebook.astype("<i2").tobytes()
    return shape, b"".join([pack_bits(*stream), codebook, *tables, bias,
                            layer.multiplier[channels].astype("<u2").tobytes(),
                            layer.shift[channels].tobytes()])


def _stream(layer, position, symbols, width):
    """For one run width: size in bits, shape, (codewords, their sizes), code lengths."""
    run, code = _runs(position, symbols, (1 << width) - 1)
    codebook = 0 if layer.weights.codebook is None else len(layer.weights.codebook)
    huffman = layer.encoding == "huffman"
    code_width = max(1, (codebook - 1).bit_length()) if codebook else WEIGHT_BITS
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
        bias_bytes=next(size for size in (1, 2, 3, 4) if np.all(
            np.abs(layer.bias.astype(np.int64) * 2 + 1) < 1 << (8 * size))),
        uniform=bool(np.all(layer.multiplier == layer.multiplier[0])
                     and np.all(layer.shift == layer.shift[0])))
    bits = shape.run_bits + shape.code_bits + 8 * sum(map(len, tables))
    words = run.astype(np.int64) << code_sizes | code.astype(np.int64)
    return bits, shape, (words, run_sizes + code_sizes), tables


def _runs(position, symbols, longest):
    """Runs and symbols (int64) with fillers, from increasing positions."""
    gap = np.diff(position, prepend=-1) - 1
    fillers = gap // (longest + 1)
    place = np.arange(len(gap)) + np.cumsum(fillers)
    total = len(gap) + int(fillers.sum())
    run = np.full(total, longest, np.int64)
    code = np.zeros(total, np.int64)
    run[place], code[place] = gap % (longest + 1), symbols
    return run, code


def decode_payload(shape: PayloadShape, data: bytes, *, rows: int, columns: int) -> dict:
    """Fields of :class:`Linear` from a payload: weights, bias, multiplier, shift.

    Memory is bounded by a small multiple of ``len(data)`` + 8 bytes a column.

    Raises
    ------
    EncodingError : the payload does not have the size its shape says, or is not well formed.
    """
    sections = shape.sections(rows)
    if len(data) != sum(sections.values()):
        raise EncodingError(f"the payload has {len(data)} bytes, its header asks for "
                            f"{sum(sections.values())}")
    parts, at = {}, 0
    for name, size in sections.items():
        parts[name], at = data[at:at + size], at + size
    bits = np.unpackbits(np.frombuffer(parts["entries"], np.uint8))
    if shape.entries * 2 > len(bits):
        raise EncodingError(f"{shape.entries} entries do not fit {len(bits)} bits")
    codebook = np.frombuffer(parts["codebook"], "<i2").astype(np.int16)
    codes = _codes(shape, parts)
    run, code = _decode_stream(shape, bits, codes)
    weights = _weights(shape, run, code, codebook, rows, columns)
    bias = np.frombuffer(parts["bias"], np.uint8).reshape(rows, shape.bias_bytes)
    sign = np.where(bias[:, -1:] > 127, 255, 0).astype(np.uint8)
    wide = np.concatenate([bias, np.repeat(sign, 4 - shape.bias_bytes, axis=1)], axis=1)
    spread = np.ones(rows if shape.uniform else 1, np.int64)
    return {"weights": weights, "bias": np.ascontiguousarray(wide).view("<i4").reshape(rows),
            "multiplier": np.frombuffer(parts["multiplier"], "<u2").astype(np.int64) * spread,
            "shift": np.frombuffer(parts["shift"], np.uint8).astype(np.int64) * spread}


def _weights(shape, run, code, codebook, rows, columns):
    position = np.cumsum(run + 1) - 1
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


def _decode_stream(shape, bits, codes):
    """Runs and codes, int64 [entries]; exactly the bits that the header names are used."""
    total = shape.run_bits + shape.code_bits
    if codes is None:
        size = shape.run_width + shape.code_width
        if total != size * shape.entries:
            raise EncodingError(f"{shape.entries} entries of {size} bits are not {total} bits")
        words = _value(bits[:total].reshape(shape.entries, size))
        return words >> shape.code_width, words & ((1 << shape.code_width) - 1)
    runs, values, at = [], [], 0
    left = shape.entries
    padded = np.concatenate([bits[:total], np.zeros(2 * MAX_LENGTH + 1, np.uint8)])
    while left:
        if at >= total:
            raise EncodingError(f"the entry stream ends {left} entries early")
        part = padded[at:at + _CHUNK + 2 * MAX_LENGTH]
        run, code, used = _decode_chunk(part, codes, min(_CHUNK, total - at), left)
        runs.append(run)
        values.append(code)
        at, left = at + used, left - len(run)
    if at != total:
        raise EncodingError(f"the entry stream has {total} bits, its entries take {at}")
    gather = [np.concatenate(p) if p else np.zeros(0, np.int64) for p in (runs, values)]
    return gather[0], gather[1]


def _decode_chunk(bits, codes, length, limit):
    """Entries that start in the first ``length`` bits, at most ``limit`` of them.

    What would be decoded is worked out at every bit at once; following the lengths from the
    first bit then picks the positions where entries really start.
    """
    window = np.zeros(len(bits) - MAX_LENGTH + 1, np.int64)
    for bit in range(MAX_LENGTH):
        window = window << 1 | bits[bit:bit + len(window)]
    (run, run_length), (code, code_length) = (_symbols(c, window) for c in codes)
    after = np.minimum(np.arange(length) + run_length[:length], len(window) - 1)
    step = (run_length[:length] + code_length[after]).tolist()
    starts: list[int] = []
    at = 0
    while at < length and len(starts) < limit:
        starts.append(at)
        at += step[at]
    place = np.array(starts, np.int64)
    return run[place], code[after[place]], at


def _symbols(canonical, window):
    """Symbol and length of the codeword at the start of each window of MAX_LENGTH bits."""
    limits, offsets = canonical.limits(MAX_LENGTH), canonical.offsets(MAX_LENGTH)
    length = np.minimum(np.searchsorted(limits, window, side="right"), MAX_LENGTH - 1) + 1
    rank = (window >> (MAX_LENGTH - length)) + offsets[length - 1]
    ranked = canonical.ranked if len(canonical.ranked) else np.zeros(1, np.int64)
    return ranked[np.clip(rank, 0, len(ranked) - 1)], length


def _value(bits):
    """int64 [n] from bits [n, width], first bit highest."""
    result = np.zeros(len(bits), np.int64)
    for column in bits.T:
        result = result << 1 | column
    return result


def _pack_nibbles(lengths):
    padded = np.concatenate([lengths, np.zeros(len(lengths) % 2, np.uint8)])
    return (padded[::2] | padded[1::2] << 4).astype(np.uint8).tobytes()


def _unpack_nibbles(data, count):
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:count]
