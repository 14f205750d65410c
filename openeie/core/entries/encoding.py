# SPDX-License-Identifier: Apache-2.0
"""Entries: relative-index columns, interleaved over PEs (EIE, section III).

PE k of N owns rows i with ``i mod N == k``. Its part of a column is a list of entries
``(run, weight)``: first ``run`` rows of this PE are zero, then comes the weight. A run longer than
the format allows is split by fillers, which are entries of the longest run with weight 0.
"""
from dataclasses import dataclass

import numpy as np

from ..array.config import ArrayConfig
from ..errors import EncodingError
from ..numbers.sparse import SparseWeights
from .huffman import CanonicalCode

__all__ = ["Entries", "encode_entries", "decode_entries", "pack_fixed", "pack_huffman"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """Entries of all PEs, ordered by PE, then column, then row.

    Attributes
    ----------
    count : int32 [PEs, n], entries of each PE in each column, fillers included.
    run : uint8 [entries].
    value : int16 [entries], the weight; 0 for a filler.
    code : uint16 [entries], the weight's codebook slot; 0 for a filler; None without a codebook.
    filler : bool [entries].
    """
    count: np.ndarray
    run: np.ndarray
    value: np.ndarray
    filler: np.ndarray
    code: np.ndarray | None = None

    @property
    def filler_count(self) -> np.ndarray:
        """int32 [PEs, n]: fillers of each PE in each column."""
        groups = self.count.size                                    # one for each PE and column
        group = np.repeat(np.arange(groups), self.count.reshape(-1))
        fillers = np.bincount(group[self.filler], minlength=groups)
        return fillers.reshape(self.count.shape).astype(np.int32)

    @property
    def rows(self) -> np.ndarray:
        """int64 [entries]: row of each entry inside its PE, which follows from the runs."""
        per_group = self.count.reshape(-1)
        first = np.cumsum(per_group) - per_group                    # entry of each PE and column
        after = np.cumsum(self.run.astype(np.int64) + 1)            # rows passed since the start
        before = np.concatenate([[0], after])[first]
        return after - 1 - np.repeat(before, per_group)


def encode_entries(weights: SparseWeights, pes: int, max_run: int) -> Entries:
    """The matrix as entries, interleaved over ``pes`` PEs, with runs of at most ``max_run``.

    Weights of value 0 are dropped. Zeros behind the last weight of a column need no entry.
    """
    is_weight = weights.values != 0
    # Usually there is nothing to drop; a slice then makes no copies.
    kept: np.ndarray | slice = slice(None) if is_weight.all() else is_weight
    rows = weights.rows[kept]
    columns = weights.columns[kept].astype(np.int32)
    values = weights.values[kept]

    # By PE, keeping the order by column and row inside each. Few bits make this a radix sort.
    pe = (rows % pes).astype(np.uint16)
    order = np.argsort(pe, kind="stable")
    row = rows[order] // pes
    group = pe[order].astype(np.int64) * weights.shape[1] + columns[order]

    # Zeros before each weight, since the weight before it in the same PE and column.
    gap = row.copy()
    gap[1:] -= np.where(group[1:] == group[:-1], row[:-1] + 1, 0)
    fillers = gap // (max_run + 1)
    place = np.arange(len(gap)) + np.cumsum(fillers)
    total = len(gap) + int(fillers.sum())

    # Every entry is a filler until a weight takes its place.
    run = np.full(total, max_run, np.uint8)
    run[place] = gap % (max_run + 1)
    value = np.zeros(total, np.int16)
    value[place] = values[order]
    filler = np.ones(total, bool)
    filler[place] = False
    code = None
    if weights.codes is not None:
        code = np.zeros(total, np.uint16)
        code[place] = weights.codes[kept][order]
    count = np.bincount(group, weights=1 + fillers, minlength=pes * weights.shape[1])
    return Entries(count=count.astype(np.int32).reshape(pes, -1), run=run, value=value,
                   filler=filler, code=code)


def decode_entries(entries: Entries, rows: int) -> SparseWeights:
    """The matrix with ``rows`` rows that ``entries`` represent, as literal weights (no codebook).

    Raises
    ------
    EncodingError : an entry points beyond the last row.
    """
    pes, n = entries.count.shape
    group = np.repeat(np.arange(pes * n), entries.count.reshape(-1))
    is_weight = ~entries.filler
    group = group[is_weight]
    row = entries.rows[is_weight] * pes + group // n
    column = group % n
    if np.any(row >= rows):
        raise EncodingError(f"an entry points to row {row.max()} of {rows}")
    order = np.lexsort((row, column))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=n))])
    return SparseWeights(shape=(rows, n), indptr=indptr, rows=row[order],
                         values=entries.value[is_weight][order])


def _positions(entries: Entries, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where entries of given sizes lie, all counted from the start of their PE's memory.

    Returns the PE of each entry [entries], its start [entries], and the starts of all columns
    [PEs, n + 1], of which the last is the end.
    """
    pes, n = entries.count.shape
    edges = np.concatenate([[0], np.cumsum(entries.count.reshape(-1), dtype=np.int64)])
    total = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    starts = total[edges[:-1]].reshape(pes, n)
    ends = total[edges[n::n]]
    columns = np.concatenate([starts, ends[:, np.newaxis]], axis=1) - starts[:, :1]
    pe = np.repeat(np.arange(pes), entries.count.sum(axis=1))
    return pe, total[:-1] - starts[:, 0][pe], columns


def pack_fixed(config: ArrayConfig, encoding: str, entries: Entries
               ) -> tuple[np.ndarray, np.ndarray]:
    """Words uint64 [PEs, W] and pointers uint32 [PEs, n + 1] of ``csr`` or ``codebook``.

    Slot s of a word begins at bit s * width. It holds the run in its low bits, above it the
    codebook slot (``codebook``) or the weight in two's complement (``csr``). A pointer is
    word << place_width | slot.
    """
    width = config.entry_widths[encoding]
    slots = config.slots(encoding)
    if encoding == "csr":
        payload = entries.value.astype(np.int64) & ((1 << config.weight_width) - 1)
    else:
        payload = entries.code
    field = entries.run | payload.astype(np.uint32) << np.uint32(config.run_width)

    pe, index, columns = _positions(entries, np.ones(len(entries.run), np.int64))
    length = max(1, -(-int(columns.max()) // slots))
    fields = np.zeros((len(columns), length * slots), np.uint32)
    fields[pe, index] = field
    by_word = fields.reshape(len(columns), length, slots)
    words = np.zeros(by_word.shape[:2], np.uint64)
    for slot in range(slots):
        words |= by_word[:, :, slot].astype(np.uint64) << np.uint64(slot * width)
    pointers = (columns // slots) << config.place_width | columns % slots
    return words, pointers.astype(np.uint32)


def pack_huffman(config: ArrayConfig, entries: Entries, run: CanonicalCode,
                 code: CanonicalCode) -> tuple[np.ndarray, np.ndarray]:
    """Words uint64 [PEs, W] and pointers uint32 [PEs, n + 1] of ``huffman``.

    A PE's stream begins at the top bit of its word 0. Each entry is the codeword of its run, then
    that of its code, most significant bit first; it may straddle two words. A pointer is the number
    of a bit in the stream.
    """
    width = config.word_width
    code_size = code.lengths[entries.code].astype(np.int64)
    size = run.lengths[entries.run] + code_size
    codeword = (run.codewords[entries.run].astype(np.int64) << code_size
                | code.codewords[entries.code])
    pe, start, columns = _positions(entries, size)
    word = start // width
    words = np.zeros((len(columns), int(columns.max()) // width + 2), np.uint64)

    # Bit of the first word at which an entry ends; negative by the bits that the next word takes.
    place = width - start % width - size
    left = codeword << np.maximum(place, 0)
    right = codeword >> np.maximum(-place, 0)
    first = np.where(place >= 0, left, right).astype(np.uint64)
    np.bitwise_or.at(words, (pe, word), first)

    over = place < 0
    rest = codeword[over].astype(np.uint64) << (width + place[over]).astype(np.uint64)
    rest &= np.uint64((1 << width) - 1)
    np.bitwise_or.at(words, (pe[over], word[over] + 1), rest)
    used = max(1, -(-int(columns.max()) // width))
    return words[:, :used], columns.astype(np.uint32)
