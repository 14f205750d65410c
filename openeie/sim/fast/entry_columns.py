# SPDX-License-Identifier: Apache-2.0
"""Entries by column, the order in which an engine needs them.

They come from the words of the entry memories, or, with Huffman codes, from decoded entries. Words
of fixed-length entries are read in place, without a copy of every entry: a large layer takes about
three times its encoded size, and decoding it needs hardly more.
"""
from typing import NamedTuple

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.entries.encoding import Entries
from .compiled import compiled

__all__ = ["Columns", "columns_of_words", "columns_of_entries"]


class Columns(NamedTuple):
    """The entries that PEs hold of a matrix [m, n], column by column.

    Attributes
    ----------
    counts, fillers : int32 [n, PEs], entries of each column and PE, and fillers among them.
    indptr : int64 [n + 1]; column j has the weights ``indptr[j]:indptr[j + 1]``, no fillers.
    rows : output channel of each weight [weights]; uint16, or int32 if m is above 65,536.
    weights : int16 [weights].
    """
    counts: np.ndarray
    fillers: np.ndarray
    indptr: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


class _Format(NamedTuple):
    """How fixed-length entries lie in a word, as plain numbers for compiled code."""
    slots: int          # entries of a word
    width: int          # bits of an entry
    run_width: int
    place_width: int    # bits of an entry's place in its word, in a column pointer
    sign: int           # sign bit of a literal weight; 0 with a codebook


@compiled
def _entry(words, number, codebook, form):
    """(run, weight) of entry ``number`` of a PE's words uint64 [W]."""
    shift = np.uint64(number % form.slots * form.width)
    word = np.int64(words[number // form.slots] >> shift)
    field = word & ((np.int64(1) << form.width) - 1)
    run = field & ((1 << form.run_width) - 1)
    payload = field >> form.run_width
    if form.sign:
        return run, (payload ^ form.sign) - form.sign
    return run, np.int64(codebook[payload])


@compiled
def _number(pointer, form):
    """The number of the entry that a column pointer points to."""
    pointer = np.int64(pointer)
    word = pointer >> form.place_width
    place = pointer & ((1 << form.place_width) - 1)
    return word * form.slots + place


@compiled
def _count_words(words, pointers, codebook, form, counts, fillers):
    """Fill counts and fillers, int32 [n, PEs]; returns the last row inside a PE, or -1."""
    longest = (1 << form.run_width) - 1
    last = np.int64(-1)
    n, pes = counts.shape
    for i in range(pes):
        for j in range(n):
            first = _number(pointers[i, j], form)
            end = _number(pointers[i, j + 1], form)
            counts[j, i] = end - first
            row = np.int64(-1)
            padding = 0
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
    """Fill rows and weights [weights], column by column and PE by PE."""
    longest = (1 << form.run_width) - 1
    put = 0
    pes = len(words)
    for j in range(pointers.shape[1] - 1):
        for i in range(pes):
            row = np.int64(-1)
            for k in range(_number(pointers[i, j], form), _number(pointers[i, j + 1], form)):
                run, weight = _entry(words[i], k, codebook, form)
                row += run + 1
                if run != longest or weight != 0:
                    rows[put] = row * pes + i
                    weights[put] = weight
                    put += 1


def _empty(counts: np.ndarray, fillers: np.ndarray, last_row: int) -> Columns:
    """Columns with room for rows and weights, which are not set yet.

    counts, fillers : int32 [n, PEs].
    last_row : inside a PE; it decides the type of ``rows``.
    """
    weights = counts.sum(axis=1, dtype=np.int64) - fillers.sum(axis=1, dtype=np.int64)
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(weights, out=indptr[1:])
    is_narrow = (last_row + 1) * counts.shape[1] <= 1 << 16
    return Columns(counts, fillers, indptr,
                   rows=np.empty(indptr[-1], np.uint16 if is_narrow else np.int32),
                   weights=np.empty(indptr[-1], np.int16))


def columns_of_words(config: ArrayConfig, encoding: str, words: np.ndarray, pointers: np.ndarray,
                     codebook: np.ndarray) -> Columns:
    """The columns in memory images of the encodings ``csr`` and ``codebook``.

    words : uint64 [PEs, W].
    pointers : uint32 [PEs, n + 1]; all point into the words, as
        :func:`openeie.core.compile.unpack.read_pointers` has checked.
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
    """Fill rows and weights from entries by PE, column and row; count int32 [PEs, n]."""
    pes, n = count.shape
    first = np.zeros(pes * n + 1, np.int64)             # first entry of each (PE, column)
    first[1:] = np.cumsum(count.reshape(-1))
    put = 0
    for j in range(n):
        for i in range(pes):
            row = np.int64(-1)
            for k in range(first[i * n + j], first[i * n + j + 1]):
                row += np.int64(run[k]) + np.int64(1)
                if not filler[k]:
                    rows[put] = row * pes + i
                    weights[put] = value[k]
                    put += 1


def columns_of_entries(entries: Entries) -> Columns:
    """The columns of decoded entries of all PEs."""
    kept = entries.rows[~entries.filler]
    columns = _empty(np.ascontiguousarray(entries.count.T),
                     np.ascontiguousarray(entries.filler_count.T),
                     int(kept.max()) if len(kept) else -1)
    _fill_from_entries(entries.count, entries.run, entries.value, entries.filler, columns.rows,
                       columns.weights)
    return columns
