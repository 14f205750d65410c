# SPDX-License-Identifier: Apache-2.0
"""The entry stream of an artefact: positions to runs, and bits back to (run, code)."""
import numpy as np

from .errors import EncodingError
from .huffman import MAX_LENGTH

__all__ = ["split_runs", "decode_stream"]

#: Bit positions decoded at a time; bounds the memory of decoding.
_CHUNK = 1 << 18


def split_runs(position: np.ndarray, symbols: np.ndarray,
               longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs and symbols, int64 [entries], of weights at increasing positions [nnz].

    A run counts zeros since the weight before it; one beyond ``longest`` is split by fillers,
    entries of the longest run with symbol 0.
    """
    gap = np.diff(position, prepend=-1) - 1
    fillers = gap // (longest + 1)
    place = np.arange(len(gap)) + np.cumsum(fillers)
    total = len(gap) + int(fillers.sum())
    run = np.full(total, longest, np.int64)
    code = np.zeros(total, np.int64)
    run[place], code[place] = gap % (longest + 1), symbols
    return run, code


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
