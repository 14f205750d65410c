# SPDX-License-Identifier: Apache-2.0
"""The bytes of one layer in an artefact: entry stream, codebook, code lengths, bias, scales.

Array-independent: the matrix is one column-major vector, and a run counts the zeros since the
last entry across column ends, so no column pointers are stored (as in the files that Deep
Compression's authors released).
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..entries.huffman import MAX_LENGTH, CanonicalCode, package_merge
from ..errors import EncodingError
from ..network.layers import Weighted
from ..numbers.sparse import SparseWeights
from .gap_stream import Gaps, decode_stream, encode_stream

__all__ = ["PayloadShape", "encode_payload", "decode_payload", "split_sections",
           "encode_writeback", "decode_writeback", "WEIGHT_BITS"]

#: Bits of a weight stored in place.
WEIGHT_BITS = 16
_RUN_WIDTHS = range(1, 9)
#: Codes counted at a time.
_CHUNK = 1 << 20


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
    """The smallest payload over all run widths, on a tie of the narrowest; and its shape.

    Sizes follow from how often each gap and code comes, so only the best is written. Takes about
    12 bytes a weight beside the layer's own.
    """
    weights = layer.weights
    m = weights.shape[0]
    position = weights.columns
    position *= m
    position += weights.rows
    gaps = Gaps.of(position)
    del position
    symbols = weights.values if weights.codes is None else weights.codes
    often = None if weights.codes is None else _count(weights.codes, len(weights.codebook))
    plan = min((_plan(layer, gaps, often, width) for width in _RUN_WIDTHS),
               key=lambda plan: (plan.bits, plan.shape.run_width))
    shape = plan.shape
    stream = encode_stream(gaps, symbols, shape.run_width, plan.run_code, plan.symbol_code)
    codebook = b"" if weights.codebook is None else weights.codebook.astype("<i2").tobytes()
    _, writeback = encode_writeback(layer, uniform=shape.uniform)
    return shape, b"".join([stream, codebook, *plan.tables, writeback])


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


def _count(codes: np.ndarray, slots: int) -> np.ndarray:
    """How often each code comes, int64 [slots]."""
    return sum((np.bincount(part, minlength=slots) for part in
                np.array_split(codes, -(-len(codes) // _CHUNK) or 1)), np.zeros(slots, np.int64))


#: Codes or runs, int64, to codewords and their lengths, int64.
Coder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A run width: bits of the stream with its tables, and how to write it."""
    bits: int
    shape: PayloadShape
    run_code: Coder
    symbol_code: Coder
    tables: list[bytes]


def _plan(layer: Weighted, gaps: Gaps, often: np.ndarray | None, width: int) -> _Plan:
    fillers, runs = gaps.runs(width)
    entries = len(gaps.each) + fillers
    codebook = 0 if often is None else len(often)
    code_width, tables = _code_width(codebook), []
    run_code, symbol_code = _fixed(width), _fixed(code_width)
    run_bits, code_bits = width * entries, code_width * entries
    if layer.encoding == "huffman":
        both = (runs, often + fillers * (np.arange(codebook) == 0))
        codes = [CanonicalCode(package_merge(one, MAX_LENGTH)) for one in both]
        run_bits, code_bits = (int(np.dot(one, code.lengths.astype(np.int64)))
                               for one, code in zip(both, codes))
        run_code, symbol_code = map(_canonical, codes)
        tables = [_pack_nibbles(code.lengths) for code in codes]
    shape = PayloadShape(
        entries=entries, run_width=width, codebook=codebook, huffman=layer.encoding == "huffman",
        run_bits=run_bits, code_bits=code_bits, bias_bytes=_bias_bytes(layer.bias),
        uniform=bool(np.all(layer.multiplier == layer.multiplier[0])
                     and np.all(layer.shift == layer.shift[0])))
    return _Plan(bits=run_bits + code_bits + 8 * sum(map(len, tables)), shape=shape,
                 run_code=run_code, symbol_code=symbol_code, tables=tables)


def _fixed(width: int) -> Coder:
    return lambda symbols: (symbols & ((1 << width) - 1), np.full(len(symbols), width, np.int64))


def _canonical(code: CanonicalCode) -> Coder:
    words, lengths = code.codewords.astype(np.int64), code.lengths.astype(np.int64)
    return lambda symbols: (words[symbols], lengths[symbols])


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
