# SPDX-License-Identifier: Apache-2.0
"""Entries by column, as an engine goes through them: out of the entry memories' words, or of
entries that a Huffman decoder has already made.

Words of fixed-length entries are read where they lie, without a copy of every entry in between: a
large layer takes about three times its encoded size here, and no more on the way.
"""
from typing import NamedTuple

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.entries.encoding import Entries
from .compiled import compiled

__all__ = ["Columns", "columns_of_words", "columns_of_entries"]


class Columns(NamedTuple):
    """What PEs hold of a matrix [m, n], column by column.

    Attributes
    ----------
    counts, fillers : int32 [n, PEs], entries of each column and PE, and fillers among them.
    indptr : int64 [n + 1]; column j has the weights ``indptr[j]:indptr[j + 1]``, no fillers.
    rows : uint16, or int32 of more than 65,536 rows, [entries]; output channel.
    weights : int16 [entries].
    """
    counts: np.ndarray
    fillers: np.ndarray
    indptr: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


class _Format(NamedTuple):
    """A fixed-length entry in a word, as plain numbers, which compiled code can take."""
    slots: int
    width: int
    run_width: int
    place_width: int
    sign: int           # of a weight in place; 0 with a codebook


@compiled
def _entry(words, number, codebook, form):
    """(run, weight) of entry ``number`` of a PE's words uint64 [W]."""
    word = np.int64(words[number // form.slots] >> np.uint64(number % form.slots * form.width))
    field = word & ((np.int64(1) << form.width) - 1)
    run, payload = field & ((1 << form.run_width) - 1), field >> form.run_width
    if form.sign:
        return run, (payload ^ form.sign) - form.sign
    return run, np.int64(codebook[payload])


@compiled
def _number(pointer, form):
    """A column pointer as the number of an entry."""
    pointer = np.int64(pointer)
    return ((pointer >> form.place_width) * form.slots
            + (pointer & ((1 << form.place_width) - 1)))


@compiled
def _count_words(words, pointers, codebook, form, counts, fillers):
    """Fill counts and fillers, int32 [n, PEs]; returns the last row inside a PE."""
    longest, last = (1 << form.run_width) - 1, np.int64(-1)
    n, pes = counts.shape
    for i in range(pes):
        for j in range(n):
            first, end = _number(pointers[i, j], form), _number(pointers[i, j + 1], form)
            counts[j, i] = end - first
            row, padding = np.int64(-1), 0
            for k in range(first, end):
                run, weight = _entry(words[i], k, codebook, form)
                row += run + 1
                if run == longest and weight == 0:
                    padding += 1
                else:
                    last = max(last, row)
            fillers[j, i] = padding
    return last


@compiled
def _fill_from_words(words, pointers, codebook, form, rows, weights):
    """Fill rows and weights [entries], column by column and PE by PE."""
    longest, put = (1 << form.run_width) - 1, 0
    pes = len(words)
    for j in range(pointers.shape[1] - 1):
        for i in range(pes):
            row = np.int64(-1)
            for k in range(_number(pointers[i, j], form), _number(pointers[i, j + 1], form)):
                run, weight = _entry(words[i], k, codebook, form)
                row += run + 1
                if run != longest or weight != 0:
                    rows[put], weights[put] = row * pes + i, weight
                    put += 1


def _empty(counts: np.ndarray, fillers: np.ndarray, last_row: int) -> Columns:
    """Columns of so many entries, in which rows and weights are not yet set; ``last_row`` of a
    PE."""
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts.sum(axis=1, dtype=np.int64) - fillers.sum(axis=1, dtype=np.int64),
              out=indptr[1:])
    narrow = (last_row + 1) * counts.shape[1] <= 1 << 16
    return Columns(counts, fillers, indptr, np.empty(indptr[-1], np.uint16 if narrow else np.int32),
                   np.empty(indptr[-1], np.int16))


def columns_of_words(config: ArrayConfig, encoding: str, words: np.ndarray, pointers: np.ndarray,
                     codebook: np.ndarray) -> Columns:
    """Columns out of the images of ``csr`` or ``codebook``.

    words : uint64 [PEs, W].
    pointers : uint32 [PEs, n + 1], inside of the words
        (:func:`openeie.core.compile.unpack.read_pointers` has checked them).
    codebook : int16 [2 ** code_width].
    """
    form = _Format(slots=config.slots(encoding), width=config.entry_widths[encoding],
                   run_width=config.run_width, place_width=config.place_width,
                   sign=1 << config.weight_width - 1 if encoding == "csr" else 0)
    counts = np.empty((pointers.shape[1] - 1, len(pointers)), np.int32)
    fillers = np.empty_like(counts)
    last = _count_words(words, pointers, codebook, form, counts, fillers)
    columns = _empty(counts, fillers, last)
    _fill_from_words(words, pointers, codebook, form, columns.rows, columns.weights)
    return columns


@compiled
def _fill_from_entries(count, run, value, filler, rows, weights):
    """The same from entries by PE, column and row; count int32 [PEs, n]."""
    pes, n = count.shape
    first = np.zeros(pes * n + 1, np.int64)             # where (PE, column) starts
    first[1:] = np.cumsum(count.reshape(-1))
    put = 0
    for j in range(n):
        for i in range(pes):
            row = np.int64(-1)
            for k in range(first[i * n + j], first[i * n + j + 1]):
                row += np.int64(run[k]) + np.int64(1)
                if not filler[k]:
                    rows[put], weights[put] = row * pes + i, value[k]
                    put += 1


def columns_of_entries(entries: Entries) -> Columns:
    """Columns of entries of all PEs."""
    kept = entries.rows[~entries.filler]
    columns = _empty(np.ascontiguousarray(entries.count.T),
                     np.ascontiguousarray(entries.filler_count.T),
                     int(kept.max()) if len(kept) else -1)
    _fill_from_entries(entries.count, entries.run, entries.value, entries.filler, columns.rows,
                       columns.weights)
    return columns
