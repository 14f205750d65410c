# SPDX-License-Identifier: Apache-2.0
"""Entries: relative-index columns, interleaved over PEs (EIE, section III).

PE k of N owns rows i with ``i mod N == k``. Its part of a column is a list of entries
``(run, weight)``: ``run`` rows of this PE are zero, then comes the weight. A run longer than the
format allows is split by fillers, entries of the longest run with weight 0.
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
    code : uint16 [entries], the weight's codebook slot, 0 for a filler; None without codebook.
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
        group = np.repeat(np.arange(self.count.size), self.count.reshape(-1))
        return np.bincount(group[self.filler], minlength=self.count.size).reshape(
            self.count.shape).astype(np.int32)

    @property
    def rows(self) -> np.ndarray:
        """int64 [entries]: row of each entry inside its PE, runs added up."""
        ends = np.cumsum(self.run.astype(np.int64) + 1)
        starts = np.concatenate([[0], np.cumsum(self.count.reshape(-1))])[:-1]
        before = np.concatenate([[0], ends])[starts]
        return ends - 1 - np.repeat(before, self.count.reshape(-1))


def encode_entries(weights: SparseWeights, pes: int, max_run: int) -> Entries:
    """Interleave a matrix over ``pes`` PEs; zero weights are dropped, trailing zeros not padded."""
    kept = weights.values != 0
    if kept.all():                      # the usual case: no copies
        kept = slice(None)
    rows = weights.rows[kept]
    columns = weights.columns[kept].astype(np.int32)
    pe = (rows % pes).astype(np.uint16)                 # few bits: sorted digit by digit
    order = np.argsort(pe, kind="stable")               # keeps (column, row) order inside a PE
    pe, columns, local = pe[order].astype(np.int64), columns[order], rows[order] // pes
    group = pe * weights.shape[1] + columns
    gap = local.copy()
    gap[1:] -= np.where(group[1:] == group[:-1], local[:-1] + 1, 0)
    fillers = gap // (max_run + 1)
    place = np.arange(len(gap)) + np.cumsum(fillers)
    total = len(gap) + int(fillers.sum())

    run = np.full(total, max_run, np.uint8)
    value = np.zeros(total, np.int16)
    filler = np.ones(total, bool)
    run[place] = gap % (max_run + 1)
    value[place] = weights.values[kept][order]
    filler[place] = False
    code = None
    if weights.codes is not None:
        code = np.zeros(total, np.uint16)
        code[place] = weights.codes[kept][order]
    count = np.bincount(group, weights=1 + fillers, minlength=pes * weights.shape[1])
    return Entries(count=count.astype(np.int32).reshape(pes, -1), run=run, value=value,
                   filler=filler, code=code)


def decode_entries(entries: Entries, rows: int) -> SparseWeights:
    """The matrix of ``rows`` rows that ``entries`` stand for, weights in place.

    Raises
    ------
    EncodingError : an entry points beyond the last row.
    """
    pes, n = entries.count.shape
    group = np.repeat(np.arange(pes * n), entries.count.reshape(-1))
    row = entries.rows * pes + group // n
    real = ~entries.filler
    if np.any(row[real] >= rows):
        raise EncodingError(f"an entry points to row {row[real].max()} of {rows}")
    column = group[real] % n
    order = np.lexsort((row[real], column))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=n))])
    return SparseWeights(shape=(rows, n), indptr=indptr, rows=row[real][order],
                         values=entries.value[real][order])


def _positions(entries: Entries, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where entries of given sizes lie, counted from their PE's start.

    Returns PE [entries], start [entries] and column starts [PEs, n + 1].
    """
    pes, n = entries.count.shape
    edges = np.concatenate([[0], np.cumsum(entries.count.reshape(-1), dtype=np.int64)])
    total = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    starts = total[edges[:-1]].reshape(pes, n)
    ends = total[edges[n::n]]
    columns = np.concatenate([starts, ends[:, np.newaxis]], axis=1) - starts[:, :1]
    pe = np.repeat(np.arange(pes), entries.count.sum(axis=1))
    return pe, total[:-1] - starts[:, 0][pe], columns


def pack_fixed(config: ArrayConfig, encoding: str, entries: Entries) -> tuple[np.ndarray,
                                                                              np.ndarray]:
    """Words uint64 [PEs, W] and pointers uint32 [PEs, n + 1] of ``csr`` or ``codebook``.

    Slot s of a word is its bits s * width and up: run, then the code, or the weight in two's
    complement. A pointer is word << place_width | slot.
    """
    width, slots = config.entry_widths[encoding], config.slots(encoding)
    if encoding == "csr":
        payload = entries.value.astype(np.int64) & ((1 << config.weight_width) - 1)
    else:
        payload = entries.code
    pe, index, columns = _positions(entries, np.ones(len(entries.run), np.int64))
    length = max(1, -(-int(columns.max()) // slots))
    fields = np.zeros((len(columns), length, slots), np.uint32)
    fields.reshape(-1)[pe * (length * slots) + index] = (
        entries.run | payload.astype(np.uint32) << np.uint32(config.run_width))
    words = np.zeros(fields.shape[:2], np.uint64)
    for slot in range(slots):
        words |= fields[:, :, slot].astype(np.uint64) << np.uint64(slot * width)
    pointers = (columns // slots) << config.place_width | columns % slots
    return words, pointers.astype(np.uint32)


def pack_huffman(config: ArrayConfig, entries: Entries, run: CanonicalCode,
                 code: CanonicalCode) -> tuple[np.ndarray, np.ndarray]:
    """Words uint64 [PEs, W] and pointers uint32 [PEs, n + 1] of ``huffman``.

    A PE's stream begins at the top bit of its word 0; each entry is its run's codeword, then its
    code's, first bit first, straddling words. A pointer is the number of a bit.
    """
    width = config.word_width
    code_size = code.lengths[entries.code].astype(np.int64)
    size = run.lengths[entries.run] + code_size
    codeword = (run.codewords[entries.run].astype(np.int64) << code_size
                | code.codewords[entries.code])
    pe, start, columns = _positions(entries, size)
    words = np.zeros((len(columns), int(columns.max()) // width + 2), np.uint64)
    place = width - start % width - size                    # of the last bit, from the bottom
    high = np.where(place >= 0, codeword << np.maximum(place, 0),
                    codeword >> np.maximum(-place, 0)).astype(np.uint64)
    np.bitwise_or.at(words, (pe, start // width), high)
    over = place < 0
    low = codeword[over].astype(np.uint64) << (width + place[over]).astype(np.uint64)
    np.bitwise_or.at(words, (pe[over], start[over] // width + 1),
                     low & np.uint64((1 << width) - 1))
    used = max(1, -(-int(columns.max()) // width))
    return words[:, :used], columns.astype(np.uint32)
