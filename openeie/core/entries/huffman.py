# SPDX-License-Identifier: Apache-2.0
"""Canonical Huffman codes of bounded length (Deep Compression, section 4)."""
import numpy as np

from ..errors import EncodingError

__all__ = ["MAX_LENGTH", "package_merge", "CanonicalCode", "BitPacker", "pack_bits",
           "table_words"]

#: Longest codeword any code may have: a length fits four bits in a file.
MAX_LENGTH = 15


def package_merge(frequencies, max_length: int) -> np.ndarray:
    """Codeword lengths that minimise ``sum(frequencies * lengths)`` with none above the bound.

    Package-merge (Larmore and Hirschberg, 1990): ``max_length`` times, pair the cheapest items
    into packages and merge them with the symbols; the cheapest 2 (n - 1) items of the last round
    say how often each symbol is counted, which is its length.

    Parameters
    ----------
    frequencies : [symbols] counts; a symbol of frequency 0 gets length 0, a lone one length 1.
    max_length : 1 .. 15.

    Returns
    -------
    uint8 [symbols].

    Raises
    ------
    EncodingError : more symbols than codewords of that length, or a bad argument.
    """
    frequencies = np.asarray(frequencies, np.int64)
    if not 1 <= max_length <= MAX_LENGTH:
        raise EncodingError(f"max_length must be in 1 .. {MAX_LENGTH}, not {max_length!r}")
    if frequencies.ndim != 1 or np.any(frequencies < 0):
        raise EncodingError("frequencies must be a vector of counts, none negative")
    lengths = np.zeros(len(frequencies), np.uint8)
    symbols = np.flatnonzero(frequencies)
    if len(symbols) > 1 << max_length:
        raise EncodingError(f"{len(symbols)} symbols do not fit codewords of at most "
                            f"{max_length} bits")
    if len(symbols) < 2:
        lengths[symbols] = 1
        return lengths
    # An item is (weight, how often it counts each symbol).
    leaves = sorted(((int(frequencies[s]), np.eye(1, len(symbols), k, dtype=np.int64)[0])
                     for k, s in enumerate(symbols)), key=lambda item: item[0])
    items = leaves
    for _ in range(max_length - 1):
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(items[::2], items[1::2])]
        items = sorted(leaves + packages, key=lambda item: item[0])
    lengths[symbols] = sum(item[1] for item in items[:2 * (len(symbols) - 1)])
    return lengths


class CanonicalCode:
    """The canonical code of given lengths: codewords ordered by (length, symbol).

    Attributes
    ----------
    lengths : uint8 [symbols], 0 for a symbol without codeword.
    codewords : uint32 [symbols].
    ranked : int64 [codewords], symbols in canonical order; a symbol's place here is its rank.
    counts, first, base : int64 [MAX_LENGTH + 1], per length: codewords, the first of them, and
        its rank.

    Raises
    ------
    EncodingError : lengths beyond :data:`MAX_LENGTH`, or no prefix code has these lengths. Only a
        lone symbol may leave codewords unused.
    """
    def __init__(self, lengths):
        self.lengths = np.asarray(lengths, np.uint8)
        if np.any(self.lengths > MAX_LENGTH):
            raise EncodingError(f"codeword lengths must be at most {MAX_LENGTH}, "
                                f"not {self.lengths.max()}")
        self.counts = np.bincount(self.lengths, minlength=MAX_LENGTH + 1).astype(np.int64)
        self.counts[0] = 0
        used = int(np.sum(self.counts << (MAX_LENGTH - np.arange(MAX_LENGTH + 1))))
        lone = self.counts.sum() == 1 and self.counts[1] == 1
        if self.counts.sum() and used != 1 << MAX_LENGTH and not lone:
            raise EncodingError(f"codeword lengths do not form a complete prefix code: they fill "
                                f"{used} of {1 << MAX_LENGTH} codewords")
        self.first = np.zeros(MAX_LENGTH + 1, np.int64)
        for length in range(1, MAX_LENGTH + 1):
            self.first[length] = (self.first[length - 1] + self.counts[length - 1]) << 1
        self.base = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        order = np.lexsort((np.arange(len(self.lengths)), self.lengths))
        self.ranked = order[self.lengths[order] > 0]
        self.codewords = np.zeros(len(self.lengths), np.uint32)
        of = self.lengths[self.ranked]
        self.codewords[self.ranked] = self.first[of] + np.arange(len(of)) - self.base[of]

    @classmethod
    def of(cls, symbols: np.ndarray, size: int, max_length: int) -> "CanonicalCode":
        """The best code for a sequence of symbols below ``size``."""
        return cls(package_merge(np.bincount(symbols, minlength=size), max_length))

    def bits(self, symbols: np.ndarray) -> int:
        """Bits that encoding ``symbols`` takes."""
        return int(self.lengths[symbols].astype(np.int64).sum())

    def limits(self, longest: int) -> np.ndarray:
        """int64 [longest]: element l - 1 is the first window of ``longest`` bits beyond the
        codewords of length <= l; a window's codeword has the first length whose limit exceeds it.
        """
        length = np.arange(1, longest + 1)
        return (self.first[length] + self.counts[length]) << (longest - length)

    def offsets(self, longest: int) -> np.ndarray:
        """int64 [longest]: rank minus codeword, for each length."""
        length = np.arange(1, longest + 1)
        return self.base[length] - self.first[length]

    def match(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Symbol and length of the codeword at the top of each window of MAX_LENGTH bits.

        int64 both; a window that starts with no codeword has length ``MAX_LENGTH + 1``.
        """
        length = np.searchsorted(self.limits(MAX_LENGTH), windows, side="right") + 1
        within = np.minimum(length, MAX_LENGTH)
        rank = (windows >> (MAX_LENGTH - within)) + self.offsets(MAX_LENGTH)[within - 1]
        ranked = self.ranked if len(self.ranked) else np.zeros(1, np.int64)
        return ranked[np.clip(rank, 0, len(ranked) - 1)], length


class BitPacker:
    """Concatenates codewords, in as many parts as one likes; first bit at the top of byte 0."""

    def __init__(self) -> None:
        self._bytes: list[bytes] = []
        self._left = (0, 0)             # bits that do not fill a byte yet: value, length

    def add(self, values: np.ndarray, lengths: np.ndarray) -> None:
        """Append codewords of given lengths (at most 32 bits)."""
        lengths = np.concatenate([[self._left[1]], np.asarray(lengths, np.int64)])
        values = np.concatenate([[self._left[0]], np.asarray(values, np.int64)])
        values = (values & ((1 << lengths) - 1)).astype(np.uint64)
        end = np.cumsum(lengths)
        start = end - lengths
        word = start >> 6
        # A codeword ends inside the 64-bit word where it starts, or in the next one.
        over = end - (word << 6) - 64
        here = np.where(over > 0, values >> np.maximum(over, 0).astype(np.uint64),
                        values << np.maximum(-over, 0).astype(np.uint64))
        words = np.zeros((int(end[-1]) >> 6) + 2, np.uint64)
        first = np.flatnonzero(np.diff(word, prepend=-1))
        words[word[first]] = np.bitwise_or.reduceat(here, first)
        split = np.flatnonzero(over > 0)
        words[word[split] + 1] |= values[split] << (64 - over[split]).astype(np.uint64)
        whole, rest = divmod(int(end[-1]), 8)
        data = words.astype(">u8").tobytes()
        self._bytes.append(data[:whole])
        self._left = (data[whole] >> (8 - rest), rest)

    def finish(self) -> bytes:
        """All bytes, the last one filled with zeros."""
        value, length = self._left
        last = bytes([value << (8 - length)]) if length else b""
        return b"".join(self._bytes) + last


def pack_bits(values: np.ndarray, lengths: np.ndarray) -> bytes:
    """Concatenate codewords of given lengths (at most 32 bits), first bit at the top of byte 0."""
    packer = BitPacker()
    packer.add(values, lengths)
    return packer.finish()


def table_words(run: CanonicalCode, code: CanonicalCode, max_length: int) -> list[dict[str, int]]:
    """Values of :data:`openeie.core.array.descriptor.TABLE_WORD` for lengths 1 .. ``max_length``.

    The hardware's window has ``max_length`` bits.
    """
    def columns(canonical):
        return canonical.limits(max_length), canonical.offsets(max_length) % 256
    (run_limit, run_offset), (code_limit, code_offset) = columns(run), columns(code)
    return [{"run_limit": int(a), "run_offset": int(b), "code_limit": int(c),
             "code_offset": int(d)}
            for a, b, c, d in zip(run_limit, run_offset, code_limit, code_offset)]
