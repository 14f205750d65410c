# SPDX-License-Identifier: Apache-2.0
"""The bytes of one layer in an artefact: entry stream, codebook, code lengths, bias, scales.

They do not depend on an array: the matrix is one vector, column after column, and runs count zeros
across column ends. So no column pointers are stored, just as in the files that the authors of Deep
Compression released.
"""
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..entries.huffman import MAX_LENGTH, CanonicalCode, package_merge
from ..errors import EncodingError
from ..network.layers import Weighted
from ..numbers.sparse import SparseWeights
from .gap_stream import Coder, Codes, Gaps, decode_stream, encode_stream
from .payload_shape import PayloadShape, code_width

__all__ = ["encode_payload", "decode_payload", "split_sections", "encode_writeback",
           "decode_writeback"]

_RUN_WIDTHS = range(1, 9)
#: Codes counted at a time.
_CHUNK = 1 << 20


def encode_payload(layer: Weighted) -> tuple[PayloadShape, bytes]:
    """The smallest payload of all run widths, and its shape; of equal ones that of the narrowest
    run.

    Sizes are computed from how often each gap and code occurs, so only the smallest payload is
    written. Takes about 12 bytes of memory per weight, besides the layer.
    """
    weights = layer.weights
    m = weights.shape[0]
    position = weights.columns
    position *= m
    position += weights.rows
    gaps = Gaps.of(position)
    del position
    if weights.codes is None:
        symbols = weights.values
        frequency = None
        codebook = b""
    else:
        symbols = weights.codes
        frequency = _count(weights.codes, len(weights.codebook))
        codebook = weights.codebook.astype("<i2").tobytes()
    plans = [_plan(layer, gaps, frequency, width) for width in _RUN_WIDTHS]
    plan = min(plans, key=lambda plan: (plan.bits, plan.shape.run_width))
    shape = plan.shape
    stream = encode_stream(gaps, symbols, shape.run_width, plan.run_code, plan.symbol_code)
    _, writeback = encode_writeback(layer, uniform=shape.uniform)
    return shape, b"".join([stream, codebook, *plan.tables, writeback])


def encode_writeback(layer: Any, *, uniform: bool) -> tuple[int, bytes]:
    """Number of bytes per bias, and the bytes of all biases, multipliers and shifts of a layer. If
    these are ``uniform``, one multiplier and one shift are written."""
    size = _bias_bytes(layer.bias)
    bias = layer.bias.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :size].tobytes()
    channels = slice(0, 1) if uniform else slice(None)
    multiplier = layer.multiplier[channels].astype("<u2").tobytes()
    shift = layer.shift[channels].tobytes()
    return size, bias + multiplier + shift


def _bias_bytes(bias: np.ndarray) -> int:
    """Bytes, 1 to 4, that hold every bias in two's complement."""
    twice = np.abs(bias.astype(np.int64) * 2 + 1)
    return next(size for size in (1, 2, 3, 4) if np.all(twice < 1 << (8 * size)))


def _count(codes: np.ndarray, slots: int) -> np.ndarray:
    """How often each code occurs, int64 [slots]."""
    count = np.zeros(slots, np.int64)
    for at in range(0, len(codes), _CHUNK):
        count += np.bincount(codes[at:at + _CHUNK], minlength=slots)
    return count


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How to write a stream with one run width.

    Attributes
    ----------
    bits : of the stream and its tables.
    shape : of the payload.
    run_code, symbol_code : from runs and symbols to codewords.
    tables : lengths of the codewords, as bytes; empty without Huffman coding.
    """
    bits: int
    shape: PayloadShape
    run_code: Coder
    symbol_code: Coder
    tables: list[bytes]


def _plan(layer: Weighted, gaps: Gaps, frequency: np.ndarray | None, width: int) -> _Plan:
    """The plan for runs of ``width`` bits; ``frequency`` is that of the codes, None for literal
    weights."""
    fillers, run_frequency = gaps.runs(width)
    entries = len(gaps.each) + fillers
    codebook = 0 if frequency is None else len(frequency)
    is_huffman = layer.encoding == "huffman"
    if is_huffman:
        code_frequency = frequency.copy()
        code_frequency[0] += fillers
        runs = CanonicalCode(package_merge(run_frequency, MAX_LENGTH))
        codes = CanonicalCode(package_merge(code_frequency, MAX_LENGTH))
        run_bits = int(np.dot(run_frequency, runs.lengths.astype(np.int64)))
        code_bits = int(np.dot(code_frequency, codes.lengths.astype(np.int64)))
        run_code = _canonical(runs)
        symbol_code = _canonical(codes)
        tables = [_pack_nibbles(runs.lengths), _pack_nibbles(codes.lengths)]
    else:
        run_bits = width * entries
        code_bits = code_width(codebook) * entries
        run_code = _fixed(width)
        symbol_code = _fixed(code_width(codebook))
        tables = []
    is_uniform = bool(np.all(layer.multiplier == layer.multiplier[0])
                      and np.all(layer.shift == layer.shift[0]))
    shape = PayloadShape(
        entries=entries, run_width=width, codebook=codebook, huffman=is_huffman,
        run_bits=run_bits, code_bits=code_bits, bias_bytes=_bias_bytes(layer.bias),
        uniform=is_uniform)
    return _Plan(bits=run_bits + code_bits + 8 * sum(map(len, tables)), shape=shape,
                 run_code=run_code, symbol_code=symbol_code, tables=tables)


def _fixed(width: int) -> Coder:
    """The code whose codewords are the symbols' own ``width`` bits."""
    mask = (1 << width) - 1
    return lambda symbols: (symbols & mask, np.full(len(symbols), width, np.int64))


def _canonical(code: CanonicalCode) -> Coder:
    codewords = code.codewords.astype(np.int64)
    lengths = code.lengths.astype(np.int64)
    return lambda symbols: (codewords[symbols], lengths[symbols])


def decode_payload(shape: PayloadShape, data: bytes, *, rows: int, columns: int
                   ) -> dict[str, Any]:
    """Fields of :class:`openeie.core.network.layers.Weighted` from a payload: weights, bias,
    multiplier, shift.

    Sizes are checked before memory is used: about 70 bytes per entry and 30 per column.

    Raises
    ------
    EncodingError : the payload does not have the size that its shape says, or is malformed.
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
    run, code = decode_stream(shape, bits, _codes(shape, parts))
    weights = _weights(shape, run, code, codebook, rows, columns)
    return {"weights": weights} | decode_writeback(parts, rows, shape.bias_bytes)


def split_sections(sections: dict[str, int], data: bytes) -> dict[str, bytes]:
    """The parts of a payload by name; ``sections`` gives their bytes, in order.

    Raises
    ------
    EncodingError : the payload has another size.
    """
    if len(data) != sum(sections.values()):
        raise EncodingError(f"the payload has {len(data)} bytes, its header asks for "
                            f"{sum(sections.values())}")
    parts = {}
    at = 0
    for name, size in sections.items():
        parts[name] = data[at:at + size]
        at += size
    return parts


def decode_writeback(parts: dict[str, bytes], rows: int, bias_bytes: int) -> dict[str, np.ndarray]:
    """Bias, multiplier and shift of each of ``rows`` rows, from the sections of these names."""
    bias = np.frombuffer(parts["bias"], np.uint8).reshape(rows, bias_bytes)
    sign = np.where(bias[:, -1:] > 127, 255, 0).astype(np.uint8)
    extended = np.concatenate([bias, np.repeat(sign, 4 - bias_bytes, axis=1)], axis=1)
    repeats = rows // len(parts["shift"])           # 1, or all rows if they are uniform
    multiplier = np.frombuffer(parts["multiplier"], "<u2").astype(np.int64)
    shift = np.frombuffer(parts["shift"], np.uint8).astype(np.int64)
    return {"bias": np.ascontiguousarray(extended).view("<i4").reshape(rows),
            "multiplier": np.repeat(multiplier, repeats), "shift": np.repeat(shift, repeats)}


def _weights(shape: PayloadShape, run: np.ndarray, code: np.ndarray, codebook: np.ndarray,
             rows: int, columns: int) -> SparseWeights:
    """The matrix from the runs and codes of all entries."""
    position = np.cumsum(run, dtype=np.int64)
    position += np.arange(len(run))
    is_weight = (run != (1 << shape.run_width) - 1) | (code != 0)       # and not a filler
    position = position[is_weight]
    code = code[is_weight]
    if len(position) and position[-1] >= rows * columns:
        raise EncodingError(f"an entry points to weight {position[-1]} of {rows * columns}")
    indptr = np.searchsorted(position, np.arange(columns + 1, dtype=np.int64) * rows)
    row = position % rows
    if not shape.codebook:
        literal = code.astype(np.int16)             # two's complement of 16 bits
        return SparseWeights(shape=(rows, columns), indptr=indptr, rows=row, values=literal)
    if len(code) and code.max() >= shape.codebook:
        raise EncodingError(f"an entry has code {code.max()} of {shape.codebook}")
    return SparseWeights(shape=(rows, columns), indptr=indptr, rows=row, values=codebook[code],
                         codes=code, codebook=codebook)


def _codes(shape: PayloadShape, parts: dict[str, bytes]) -> Codes | None:
    """The Huffman codes of runs and codes, if the payload has them."""
    if not shape.huffman:
        return None
    return (CanonicalCode(_unpack_nibbles(parts["run_lengths"], 1 << shape.run_width)),
            CanonicalCode(_unpack_nibbles(parts["code_lengths"], shape.codebook)))


def _pack_nibbles(lengths: np.ndarray) -> bytes:
    """Two lengths per byte, the first in the low half."""
    padded = np.concatenate([lengths, np.zeros(len(lengths) % 2, np.uint8)])
    return (padded[::2] | padded[1::2] << 4).astype(np.uint8).tobytes()


def _unpack_nibbles(data: bytes, count: int) -> np.ndarray:
    """The first ``count`` lengths, uint8."""
    pairs = np.frombuffer(data, np.uint8)
    return np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:count]
