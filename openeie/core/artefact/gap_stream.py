# SPDX-License-Identifier: Apache-2.0
"""The entry stream of an artefact: from gaps to runs and bits, and from bits to runs and codes.

A gap is the number of zeros before a weight, which can be longer than any run. A run is that of an
entry; fillers split gaps into runs.
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..entries.huffman import MAX_LENGTH, BitPacker, CanonicalCode
from ..errors import EncodingError
from .payload_shape import PayloadShape

__all__ = ["Coder", "Codes", "Gaps", "decode_stream", "encode_stream", "split_runs"]

#: Bit positions decoded, or weights encoded, at a time; bounds the memory of both.
_CHUNK = 1 << 18
#: Longer gaps are rare, so they may be sorted.
_LONG = 1 << 16

#: From runs or codes, int64 [n], to their codewords and these codewords' lengths, int64 [n].
Coder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
#: The codes of runs and of codebook slots.
Codes = tuple[CanonicalCode, CanonicalCode]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaps:
    """The zeros before each weight of a vector, counted from the weight before it.

    Attributes
    ----------
    each : unsigned [nnz], the gaps in order.
    length, count : int64, the different gaps, ascending, and how often each occurs.
    """
    each: np.ndarray
    length: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, position: np.ndarray) -> "Gaps":
        """Gaps of weights at ascending positions, int64 [nnz]."""
        is_narrow = not len(position) or position[-1] < 1 << 32
        each: np.ndarray = np.empty(len(position), np.uint32 if is_narrow else np.uint64)
        each[:1] = position[:1]
        for at in range(1, len(position), _CHUNK):
            end = min(at + _CHUNK, len(position))
            each[at:end] = position[at:end] - position[at - 1:end - 1] - 1
        short = np.zeros(_LONG, np.int64)
        for at in range(0, len(each), _CHUNK):
            part = each[at:at + _CHUNK]
            short += np.bincount(part[part < _LONG].astype(np.int64), minlength=_LONG)
        length = np.flatnonzero(short)
        long, long_count = np.unique(each[each >= _LONG].astype(np.int64), return_counts=True)
        return cls(each=each, length=np.concatenate([length, long]),
                   count=np.concatenate([short[length], long_count]))

    def runs(self, width: int) -> tuple[int, np.ndarray]:
        """Number of fillers if runs have ``width`` bits, and how often each run then occurs, int64
        [2**width]."""
        fillers = int(np.dot(self.length >> width, self.count))
        run = self.length & ((1 << width) - 1)
        frequency = np.bincount(run, weights=self.count, minlength=1 << width).astype(np.int64)
        frequency[-1] += fillers
        return fillers, frequency


def split_runs(gap: np.ndarray, symbols: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs and symbols of all entries, both int64 [entries], for weights with ``symbols`` [nnz]
    after gaps [nnz].

    A gap beyond the longest run of ``width`` bits is split by fillers, which are entries with that
    run and symbol 0.
    """
    fillers = (gap >> width).astype(np.int64)
    place = np.arange(len(gap)) + np.cumsum(fillers)
    longest = (1 << width) - 1
    run = np.full(len(gap) + int(fillers.sum()), longest, np.int64)
    run[place] = gap & longest
    code = np.zeros(len(run), np.int64)
    code[place] = symbols
    return run, code


def encode_stream(gaps: Gaps, symbols: np.ndarray, width: int, run_code: Coder,
                  symbol_code: Coder) -> bytes:
    """The bits of all entries, of each first its run and then its symbol.

    Parameters
    ----------
    symbols : codebook slots or weights, [nnz].
    width : bits of a run before Huffman coding.
    run_code, symbol_code : codes with codewords of at most 16 bits.
    """
    packer = BitPacker()
    for at in range(0, len(symbols), _CHUNK):
        run, symbol = split_runs(gaps.each[at:at + _CHUNK], symbols[at:at + _CHUNK], width)
        run_word, run_size = run_code(run)
        symbol_word, symbol_size = symbol_code(symbol)
        packer.add(run_word << symbol_size | symbol_word, run_size + symbol_size)
    return packer.finish()


def decode_stream(shape: PayloadShape, bits: np.ndarray, codes: Codes | None
                  ) -> tuple[np.ndarray, np.ndarray]:
    """Runs uint8 [entries], and codes (or literal weights, as unsigned numbers) int32 [entries].

    Parameters
    ----------
    shape : sizes of the stream.
    bits : uint8 [>= run_bits + code_bits], each 0 or 1.
    codes : Huffman codes; None for fixed widths.

    Raises
    ------
    EncodingError : the stream does not have exactly the entries, the bits of runs and the bits of
        codes that ``shape`` says.
    """
    total = shape.run_bits + shape.code_bits
    if codes is None:
        return _decode_fixed(shape, bits[:total])
    runs = [np.zeros(0, np.uint8)]
    values = [np.zeros(0, np.int32)]
    at = 0
    left = shape.entries
    padded = np.concatenate([bits[:total], np.zeros(2 * MAX_LENGTH + 1, np.uint8)])
    while left:
        if at >= total:
            raise EncodingError(f"the entry stream ends {left} entries early")
        part = padded[at:at + _CHUNK + 2 * MAX_LENGTH]
        run, code, used = _decode_chunk(part, codes, min(_CHUNK, total - at), left)
        runs.append(run)
        values.append(code)
        at += used
        left -= len(run)
    run = np.concatenate(runs)
    code = np.concatenate(values)
    run_bits = codes[0].bits(run)
    code_bits = codes[1].bits(code)
    if (run_bits, code_bits) != (shape.run_bits, shape.code_bits):
        raise EncodingError(f"the entry stream has {shape.run_bits} + {shape.code_bits} bits, "
                            f"its entries take {run_bits} + {code_bits}")
    return run, code


def _decode_fixed(shape: PayloadShape, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stream if runs and codes have fixed widths."""
    run_width = shape.run_width
    code_width = shape.code_width
    expected = (run_width * shape.entries, code_width * shape.entries)
    if (shape.run_bits, shape.code_bits) != expected:
        raise EncodingError(f"{shape.entries} entries of {run_width} + {code_width} bits are "
                            f"not {shape.run_bits} + {shape.code_bits} bits")
    words = _numbers(bits.reshape(shape.entries, run_width + code_width))
    run = (words >> code_width).astype(np.uint8)
    return run, words & ((1 << code_width) - 1)


def _decode_chunk(bits: np.ndarray, codes: Codes, length: int, limit: int
                  ) -> tuple[np.ndarray, np.ndarray, int]:
    """Runs and codes of at most ``limit`` entries that start in the first ``length`` bits, and the
    number of bits that these entries take.

    An entry is decoded at every bit, as if it started there. Then the lengths are followed from the
    first bit on, which finds the positions where entries really start.
    """
    window = np.zeros(len(bits) - MAX_LENGTH + 1, np.int64)
    for bit in range(MAX_LENGTH):
        window = window << 1 | bits[bit:bit + len(window)]
    run, run_length = codes[0].match(window)
    code, code_length = codes[1].match(window)
    code_start = np.minimum(np.arange(length) + run_length[:length], len(window) - 1)
    size = (run_length[:length] + code_length[code_start]).tolist()
    starts: list[int] = []
    at = 0
    while at < length and len(starts) < limit:
        starts.append(at)
        at += size[at]
    run_at = np.array(starts, np.int64)
    code_at = code_start[run_at]
    if max(run_length[run_at].max(), code_length[code_at].max()) > MAX_LENGTH:
        raise EncodingError("the entry stream holds bits that are not a codeword")
    return run[run_at].astype(np.uint8), code[code_at].astype(np.int32), at


def _numbers(bits: np.ndarray) -> np.ndarray:
    """Numbers int32 [n] from their bits [n, width], the most significant first."""
    result = np.zeros(len(bits), np.int32)
    for column in bits.T:
        result = result << 1 | column
    return result
