# SPDX-License-Identifier: Apache-2.0
"""The entry stream of an artefact: gaps to runs and bits, and bits back to (run, code)."""
from dataclasses import dataclass

import numpy as np

from ..entries.huffman import MAX_LENGTH, BitPacker
from ..errors import EncodingError

__all__ = ["Gaps", "split_runs", "encode_stream", "decode_stream"]

#: Bit positions decoded, or weights encoded, at a time; bounds the memory of both.
_CHUNK = 1 << 18
#: Longer gaps are so rare that they may be sorted.
_LONG = 1 << 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaps:
    """Zeros before each weight of a vector, since the weight before it.

    Attributes
    ----------
    each : unsigned [nnz].
    length, count : int64, the different gaps, ascending, and how often each comes.
    """
    each: np.ndarray
    length: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, position: np.ndarray) -> "Gaps":
        """Of weights at increasing positions, int64 [nnz]."""
        dtype = np.uint32 if not len(position) or position[-1] < 1 << 32 else np.uint64
        each: np.ndarray = np.empty(len(position), dtype)
        each[:1] = position[:1]
        for at in range(1, len(position), _CHUNK):
            to = min(at + _CHUNK, len(position))
            each[at:to] = position[at:to] - position[at - 1:to - 1] - 1
        short = np.zeros(_LONG, np.int64)
        for at in range(0, len(each), _CHUNK):
            part = each[at:at + _CHUNK]
            short += np.bincount(part[part < _LONG].astype(np.int64), minlength=_LONG)
        length = np.flatnonzero(short)
        far, many = np.unique(each[each >= _LONG].astype(np.int64), return_counts=True)
        return cls(each=each, length=np.concatenate([length, far]),
                   count=np.concatenate([short[length], many]))

    def runs(self, width: int) -> tuple[int, np.ndarray]:
        """Fillers that runs of ``width`` bits need, and how often each run comes, int64."""
        fillers = int(np.dot(self.length >> width, self.count))
        run = self.length & ((1 << width) - 1)
        often = np.bincount(run, weights=self.count, minlength=1 << width).astype(np.int64)
        often[-1] += fillers
        return fillers, often


def split_runs(gap: np.ndarray, symbols: np.ndarray,
               width: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs and symbols, int64 [entries], of weights after gaps [nnz].

    A gap beyond the longest run of ``width`` bits is split by fillers, entries of that run with
    symbol 0.
    """
    fillers = (gap >> width).astype(np.int64)
    place = np.arange(len(gap)) + np.cumsum(fillers)
    longest = (1 << width) - 1
    run = np.full(len(gap) + int(fillers.sum()), longest, np.int64)
    code = np.zeros(len(run), np.int64)
    run[place], code[place] = gap & longest, symbols
    return run, code


def encode_stream(gaps: Gaps, symbols: np.ndarray, width: int, run_code, symbol_code) -> bytes:
    """The bits of all entries.

    Parameters
    ----------
    symbols : [nnz].
    width : of a run before Huffman coding.
    run_code, symbol_code : each turns runs or symbols, int64, into their codewords and the
        lengths of these, at most 16 bits.
    """
    packer = BitPacker()
    for at in range(0, len(symbols), _CHUNK):
        run, symbol = split_runs(gaps.each[at:at + _CHUNK], symbols[at:at + _CHUNK], width)
        (first, first_size), (second, second_size) = run_code(run), symbol_code(symbol)
        packer.add(first << second_size | second, first_size + second_size)
    return packer.finish()


def decode_stream(shape, bits: np.ndarray, codes) -> tuple[np.ndarray, np.ndarray]:
    """Runs uint8 and codes (or weights, not yet signed) int32 [entries].

    Parameters
    ----------
    shape : the payload's :class:`PayloadShape`.
    bits : uint8 [>= run_bits + code_bits], each 0 or 1.
    codes : canonical codes of runs and of codes; None for fixed widths.

    Raises
    ------
    EncodingError : the stream is not exactly what the shape says: entries, bits of runs, of codes.
    """
    total = shape.run_bits + shape.code_bits
    if codes is None:
        widths = (shape.run_width, shape.code_width)
        if (shape.run_bits, shape.code_bits) != tuple(w * shape.entries for w in widths):
            raise EncodingError(f"{shape.entries} entries of {widths[0]} + {widths[1]} bits are "
                                f"not {shape.run_bits} + {shape.code_bits} bits")
        words = _value(bits[:total].reshape(shape.entries, sum(widths)))
        return ((words >> widths[1]).astype(np.uint8), words & ((1 << widths[1]) - 1))
    runs, values, at = [np.zeros(0, np.uint8)], [np.zeros(0, np.int32)], 0
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
    run, code = np.concatenate(runs), np.concatenate(values)
    used = codes[0].bits(run), codes[1].bits(code)
    if used != (shape.run_bits, shape.code_bits):
        raise EncodingError(f"the entry stream has {shape.run_bits} + {shape.code_bits} bits, "
                            f"its entries take {used[0]} + {used[1]}")
    return run, code


def _decode_chunk(bits, codes, length, limit):
    """Entries that start in the first ``length`` bits, at most ``limit`` of them.

    What would be decoded is worked out at every bit at once; following the lengths from the
    first bit then picks the positions where entries really start.
    """
    window = np.zeros(len(bits) - MAX_LENGTH + 1, np.int64)
    for bit in range(MAX_LENGTH):
        window = window << 1 | bits[bit:bit + len(window)]
    (run, run_length), (code, code_length) = (c.match(window) for c in codes)
    after = np.minimum(np.arange(length) + run_length[:length], len(window) - 1)
    step = (run_length[:length] + code_length[after]).tolist()
    starts: list[int] = []
    at = 0
    while at < length and len(starts) < limit:
        starts.append(at)
        at += step[at]
    place = np.array(starts, np.int64)
    then = after[place]
    if max(run_length[place].max(), code_length[then].max()) > MAX_LENGTH:
        raise EncodingError("the entry stream holds bits that are no codeword")
    return run[place].astype(np.uint8), code[then].astype(np.int32), at


def _value(bits):
    """int32 [n] from bits [n, width], first bit highest."""
    result = np.zeros(len(bits), np.int32)
    for column in bits.T:
        result = result << 1 | column
    return result
