# SPDX-License-Identifier: Apache-2.0
"""Entries by column, the order in which an engine needs them.

They come from the words of the entry memories, or, with Huffman codes or without compiled code,
from decoded entries. Words of fixed-length entries are read in place, without a copy of every
entry: a large layer takes about three times its encoded size, and decoding it needs hardly more.
"""
from typing import NamedTuple

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.entries.encoding import Entries
from ...core.errors import EncodingError
from .native.library import library

__all__ = ["Columns", "Format", "columns_of_words", "columns_of_entries"]


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


class Format(NamedTuple):
    """How fixed-length entries lie in a word, as plain numbers for compiled code."""
    slots: int          # entries of a word
    width: int          # bits of an entry
    run_width: int
    place_width: int    # bits of an entry's place in its word, in a column pointer
    sign: int           # sign bit of a literal weight; 0 with a codebook

    @classmethod
    def of(cls, config: ArrayConfig, encoding: str) -> "Format":
        """That of ``csr`` or ``codebook`` in an array."""
        sign = 1 << config.weight_width - 1 if encoding == "csr" else 0
        return cls(slots=config.slots(encoding), width=config.entry_widths[encoding],
                   run_width=config.run_width, place_width=config.place_width, sign=sign)


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
    """The columns in memory images of the encodings ``csr`` and ``codebook``, by compiled code.

    words : uint64 [PEs, W].
    pointers : uint32 [PEs, n + 1]; all point into the words, as
        :func:`openeie.core.compile.unpack.read_pointers` has checked.
    codebook : int16 [2 ** code_width].

    Raises
    ------
    EncodingError : an entry of a row that no matrix has.
    """
    native = library()
    form = np.array(Format.of(config, encoding), np.int64)
    words = np.ascontiguousarray(words)
    pointers = np.ascontiguousarray(pointers)
    codebook = np.ascontiguousarray(codebook)
    pes, n = pointers.shape[0], pointers.shape[1] - 1
    image = (words, words.shape[1], pointers, n, pes, codebook, form)
    counts = np.empty((n, pes), np.int32)
    fillers = np.empty_like(counts)
    last = native.count_words(*image, counts, fillers)
    if (last + 1) * pes > np.iinfo(np.int32).max:
        raise EncodingError(f"the image holds an entry of row {last} in a PE; compile it again")
    columns = _empty(counts, fillers, last)
    native.fill_words(*image, columns.rows.itemsize > 2, columns.rows, columns.weights)
    return columns


def columns_of_entries(entries: Entries) -> Columns:
    """The columns of decoded entries of all PEs."""
    pes, n = entries.count.shape
    kept = ~entries.filler
    row = entries.rows[kept]
    columns = _empty(np.ascontiguousarray(entries.count.T),
                     np.ascontiguousarray(entries.filler_count.T),
                     int(row.max()) if len(row) else -1)
    # From PE, column and row to column, PE and row.
    group = np.repeat(np.arange(pes * n), entries.count.reshape(-1))[kept]
    pe, column = np.divmod(group, n)
    order = np.argsort(column, kind="stable")
    columns.rows[:] = (row * pes + pe)[order]
    columns.weights[:] = entries.value[kept][order]
    return columns
