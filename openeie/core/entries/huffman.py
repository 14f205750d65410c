# SPDX-License-Identifier: Apache-2.0
"""Canonical Huffman codes of bounded length (Deep Compression, section 4)."""
import numpy as np
import numpy.typing as npt

from ..errors import EncodingError

__all__ = ["MAX_LENGTH", "package_merge", "CanonicalCode", "BitPacker", "pack_bits",
           "table_words"]

#: Bits of the longest codeword that any code may have, so that its length fits 4 bits in a file.
MAX_LENGTH = 15


def package_merge(frequencies: npt.ArrayLike, max_length: int) -> np.ndarray:
    """Codeword lengths that minimise ``sum(frequencies * lengths)``, none above ``max_length``.

    Package-merge (Larmore and Hirschberg, 1990): ``max_length`` times, the cheapest items are
    paired into packages, which are merged with the symbols. The cheapest 2 (n - 1) items of the
    last round count each of the n symbols as often as its codeword has bits.

    Parameters
    ----------
    frequencies : [symbols] counts. A symbol of frequency 0 gets length 0, a lone symbol length 1.
    max_length : 1 .. 15.

    Returns
    -------
    uint8 [symbols].

    Raises
    ------
    EncodingError : more symbols than codewords of ``max_length`` bits, or a bad argument.
    """
    counts = np.asarray(frequencies, np.int64)
    if not 1 <= max_length <= MAX_LENGTH:
        raise EncodingError(f"max_length must be in 1 .. {MAX_LENGTH}, not {max_length!r}")
    if counts.ndim != 1 or np.any(counts < 0):
        raise EncodingError("frequencies must be a vector of counts, none negative")
    lengths = np.zeros(len(counts), np.uint8)
    symbols = np.flatnonzero(counts)
    if len(symbols) > 1 << max_length:
        raise EncodingError(f"{len(symbols)} symbols do not fit codewords of at most "
                            f"{max_length} bits")
    if len(symbols) < 2:
        lengths[symbols] = 1
        return lengths
    # An item is its cost, and how often it counts each symbol.
    one_each = np.eye(len(symbols), dtype=np.int64)
    leaves = [(int(counts[symbol]), one) for symbol, one in zip(symbols, one_each)]
    leaves.sort(key=lambda item: item[0])
    items = leaves
    for _ in range(max_length - 1):
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(items[::2], items[1::2])]
        items = sorted(leaves + packages, key=lambda item: item[0])
    chosen = items[:2 * (len(symbols) - 1)]
    lengths[symbols] = sum(item[1] for item in chosen)
    return lengths


class CanonicalCode:
    """The canonical code of given lengths: codewords ascend by length, then by symbol.

    Attributes
    ----------
    lengths : uint8 [symbols], bits of each codeword; 0 for a symbol without one.
    codewords : uint32 [symbols].
    ranked : int64 [codewords], the symbols in canonical order. A symbol's index here is its rank.
    counts : int64 [MAX_LENGTH + 1], number of codewords of each length.
    first : int64 [MAX_LENGTH + 1], the first codeword of each length.
    base : int64 [MAX_LENGTH + 1], the rank of that codeword.

    Raises
    ------
    EncodingError : lengths beyond :data:`MAX_LENGTH`, or lengths that no complete prefix code has.
        Only the code of a lone symbol may leave codewords unused.
    """
    def __init__(self, lengths: npt.ArrayLike) -> None:
        self.lengths = np.asarray(lengths, np.uint8)
        if np.any(self.lengths > MAX_LENGTH):
            raise EncodingError(f"codeword lengths must be at most {MAX_LENGTH}, "
                                f"not {self.lengths.max()}")
        self.counts = np.bincount(self.lengths, minlength=MAX_LENGTH + 1).astype(np.int64)
        self.counts[0] = 0
        self._check_complete()
        self.first = np.zeros(MAX_LENGTH + 1, np.int64)
        for length in range(1, MAX_LENGTH + 1):
            self.first[length] = (self.first[length - 1] + self.counts[length - 1]) << 1
        self.base = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        order = np.lexsort((np.arange(len(self.lengths)), self.lengths))
        self.ranked = order[self.lengths[order] > 0]
        length_of = self.lengths[self.ranked]
        rank = np.arange(len(self.ranked))
        self.codewords = np.zeros(len(self.lengths), np.uint32)
        self.codewords[self.ranked] = self.first[length_of] + rank - self.base[length_of]

    def _check_complete(self) -> None:
        """Refuse lengths that leave codewords unused, or that need more than there are."""
        total = self.counts.sum()
        is_lone = total == 1 and self.counts[1] == 1
        used = int(np.sum(self.counts << (MAX_LENGTH - np.arange(MAX_LENGTH + 1))))
        if total and used != 1 << MAX_LENGTH and not is_lone:
            raise EncodingError(f"codeword lengths do not form a complete prefix code: they fill "
                                f"{used} of {1 << MAX_LENGTH} codewords")

    @classmethod
    def of(cls, symbols: np.ndarray, size: int, max_length: int) -> "CanonicalCode":
        """The code that makes ``symbols``, all below ``size``, shortest.

        Raises
        ------
        EncodingError : more different symbols than codewords of ``max_length`` bits.
        """
        return cls(package_merge(np.bincount(symbols, minlength=size), max_length))

    def bits(self, symbols: np.ndarray) -> int:
        """Total bits of the codewords of ``symbols``."""
        return int(self.lengths[symbols].astype(np.int64).sum())

    def limits(self, longest: int) -> np.ndarray:
        """int64 [longest]: element l - 1 is the first window of ``longest`` bits beyond all
        codewords of length <= l. A window begins with a codeword of the smallest length whose limit
        exceeds the window.
        """
        length = np.arange(1, longest + 1)
        return (self.first[length] + self.counts[length]) << (longest - length)

    def offsets(self, longest: int) -> np.ndarray:
        """int64 [longest]: rank minus codeword; the same for all codewords of a length."""
        length = np.arange(1, longest + 1)
        return self.base[length] - self.first[length]

    def match(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Symbol and length, both int64, of the codeword at the top of each window of
        ``MAX_LENGTH`` bits.

        A window that does not begin with a codeword gets length ``MAX_LENGTH + 1``.
        """
        length = np.searchsorted(self.limits(MAX_LENGTH), windows, side="right") + 1
        within = np.minimum(length, MAX_LENGTH)
        rank = (windows >> (MAX_LENGTH - within)) + self.offsets(MAX_LENGTH)[within - 1]
        ranked = self.ranked if len(self.ranked) else np.zeros(1, np.int64)
        return ranked[np.clip(rank, 0, len(ranked) - 1)], length


class BitPacker:
    """Concatenates codewords, added in any number of parts; the first bit is the top of byte 0."""

    def __init__(self) -> None:
        self._bytes: list[bytes] = []
        # Bits at the end that do not fill a byte yet.
        self._left_value = 0
        self._left_length = 0

    def add(self, values: np.ndarray, lengths: np.ndarray) -> None:
        """Append codewords [n] of given lengths [n], each of at most 32 bits."""
        length = np.concatenate([[self._left_length], np.asarray(lengths, np.int64)])
        value = np.concatenate([[self._left_value], np.asarray(values, np.int64)])
        value = (value & ((1 << length) - 1)).astype(np.uint64)
        end = np.cumsum(length)
        word = (end - length) >> 6

        # A codeword ends inside the 64-bit word in which it begins, or ``over`` bits behind it.
        over = end - (word << 6) - 64
        right = value >> np.maximum(over, 0).astype(np.uint64)
        left = value << np.maximum(-over, 0).astype(np.uint64)
        part = np.where(over > 0, right, left)
        words = np.zeros((int(end[-1]) >> 6) + 2, np.uint64)
        first = np.flatnonzero(np.diff(word, prepend=-1))
        words[word[first]] = np.bitwise_or.reduceat(part, first)
        split = np.flatnonzero(over > 0)
        words[word[split] + 1] |= value[split] << (64 - over[split]).astype(np.uint64)

        whole, rest = divmod(int(end[-1]), 8)
        data = words.astype(">u8").tobytes()
        self._bytes.append(data[:whole])
        self._left_value = data[whole] >> (8 - rest)
        self._left_length = rest

    def finish(self) -> bytes:
        """All bytes; the last one is filled up with zeros."""
        last = b""
        if self._left_length:
            last = bytes([self._left_value << (8 - self._left_length)])
        return b"".join(self._bytes) + last


def pack_bits(values: np.ndarray, lengths: np.ndarray) -> bytes:
    """Concatenate codewords [n] of given lengths [n], each of at most 32 bits; the first bit is the
    top of byte 0, and the last byte is filled up with zeros."""
    packer = BitPacker()
    packer.add(values, lengths)
    return packer.finish()


def table_words(run: CanonicalCode, code: CanonicalCode, max_length: int) -> list[dict[str, int]]:
    """Fields of :data:`openeie.core.array.descriptor.TABLE_WORD` for lengths 1 .. ``max_length``,
    which is the width of the hardware's window."""
    run_limits = run.limits(max_length)
    run_offsets = run.offsets(max_length) % 256
    code_limits = code.limits(max_length)
    code_offsets = code.offsets(max_length) % 256
    return [{"run_limit": int(run_limits[row]), "run_offset": int(run_offsets[row]),
             "code_limit": int(code_limits[row]), "code_offset": int(code_offsets[row])}
            for row in range(max_length)]
