# SPDX-License-Identifier: Apache-2.0
"""Sparse integer weights of one layer, by column."""
import dataclasses
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

__all__ = ["SparseWeights", "frozen", "spread_columns", "select", "permuted"]


def frozen(array, dtype) -> np.ndarray:
    """A read-only copy in a fixed integer type; refuses values that the type would change."""
    source = np.asarray(array)
    if source.size and source.dtype.kind not in "iub":
        raise InputError(f"expected integers, not an array of {source.dtype}")
    result = np.ascontiguousarray(source, dtype=dtype).copy()
    if source.size and not np.array_equal(result, source):
        raise InputError(f"values do not fit {np.dtype(dtype).name}: "
                         f"{source.min()} .. {source.max()}")
    result.setflags(write=False)
    return result


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseWeights:
    """Weights of one layer by column (CSC): what a non-zero activation has to touch.

    Attributes
    ----------
    shape : (rows m, columns n) = (outputs, inputs).
    indptr : int64 [n + 1]; column j is ``indptr[j]:indptr[j + 1]``.
    rows : int32 [nnz], strictly increasing inside a column.
    codebook : int16 [K], slot 0 is 0 (EIE's filler needs it); None where weights stand in place.
    codes : uint16 [nnz], codebook slots ``1 .. K - 1``; None where weights stand in place.
    values : int16 [nnz], the weights themselves, ``codebook[codes]`` where there is a codebook.
    """
    shape: tuple[int, int]
    indptr: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None

    def __post_init__(self) -> None:
        def put(name, value):
            object.__setattr__(self, name, value)
        put("shape", (int(self.shape[0]), int(self.shape[1])))
        put("indptr", frozen(self.indptr, np.int64))
        put("rows", frozen(self.rows, np.int32))
        put("values", frozen(self.values, np.int16))
        if (self.codes is None) != (self.codebook is None):
            raise InputError("codes and codebook must be given together")
        if self.codes is not None:
            put("codes", frozen(self.codes, np.uint16))
            put("codebook", frozen(self.codebook, np.int16))
        self._check()

    def _check(self) -> None:
        m, n = self.shape
        if m < 1 or n < 1:
            raise InputError(f"shape must be at least 1 x 1, not {m} x {n}")
        if self.indptr.shape != (n + 1,) or self.indptr[0] != 0 \
                or self.indptr[-1] != len(self.rows) or np.any(np.diff(self.indptr) < 0):
            raise InputError(f"indptr must rise from 0 to {len(self.rows)} in {n + 1} steps")
        if len(self.values) != len(self.rows):
            raise InputError(f"values must have {len(self.rows)} elements, "
                             f"not {len(self.values)}")
        if len(self.rows) and not (self.rows.min() >= 0 and self.rows.max() < m):
            raise InputError(f"rows must be in 0 .. {m - 1}, "
                             f"not {self.rows.min()} .. {self.rows.max()}")
        rising = self.rows[1:] > self.rows[:-1]
        starts = self.indptr[(self.indptr > 0) & (self.indptr < len(self.rows))]
        rising[starts - 1] = True                   # from one column to the next, any row follows
        if not rising.all():
            raise InputError("rows must be strictly increasing inside each column")
        if self.codebook is None:
            if not self.values.all():
                raise InputError("values must not hold zeros: a weight of 0 is not stored")
            return
        if not 1 <= len(self.codebook) <= 256 or self.codebook[0] != 0:
            raise InputError("codebook must have 1 .. 256 slots, slot 0 holding 0")
        if len(self.codes) != len(self.rows) or (len(self.codes) and not (
                self.codes.min() >= 1 and self.codes.max() < len(self.codebook))):
            raise InputError(f"codes must be {len(self.rows)} slots in "
                             f"1 .. {len(self.codebook) - 1}")
        if not np.array_equal(self.codebook[self.codes], self.values):
            raise InputError("values must equal codebook[codes]")

    @classmethod
    def from_codes(cls, codes: np.ndarray, codebook: np.ndarray) -> "SparseWeights":
        """From a dense matrix [m, n] of codebook slots; slot 0 means "no weight"."""
        codes = np.asarray(codes)
        indptr, rows, kept = _by_column(codes)
        return cls(shape=codes.shape, indptr=indptr, rows=rows, codes=kept, codebook=codebook,
                   values=np.asarray(codebook)[kept if kept.dtype.kind in "iu"
                                               else kept.astype(np.int64)])

    @classmethod
    def from_dense(cls, weights: np.ndarray) -> "SparseWeights":
        """From a dense integer matrix [m, n]; weights stand in place, zeros are not stored."""
        weights = np.asarray(weights)
        indptr, rows, kept = _by_column(weights)
        return cls(shape=weights.shape, indptr=indptr, rows=rows, values=kept)

    def __repr__(self) -> str:
        m, n = self.shape
        slots = "" if self.codebook is None else f", codebook of {len(self.codebook)}"
        return f"<SparseWeights {m} x {n}, {self.nnz:,} of {m * n:,} stored{slots}>"

    @property
    def nnz(self) -> int:
        """Stored weights."""
        return len(self.rows)

    @property
    def columns(self) -> np.ndarray:
        """int64 [nnz]: the column of each stored weight."""
        return np.repeat(np.arange(self.shape[1], dtype=np.int64), np.diff(self.indptr))

    def dense(self) -> np.ndarray:
        """int64 [m, n]."""
        result = np.zeros(self.shape, np.int64)
        result[self.rows, self.columns] = self.values
        return result


def _by_column(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column pointers int64 [n + 1], rows int32 [nnz] and the elements [nnz] other than zero."""
    columns = np.ascontiguousarray(matrix.T)
    set_ = columns != 0
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(set_, axis=1))])
    rows = np.empty(indptr[-1], np.int32)
    for column, start, end in zip(set_, indptr[:-1], indptr[1:]):
        rows[start:end] = np.flatnonzero(column)
    return indptr, rows, columns[set_]


def spread_columns(weights: SparseWeights, columns: np.ndarray) -> SparseWeights:
    """The matrix with column j at ``columns[j]``, which rise, and empty columns between them."""
    counts = np.zeros(columns[-1] + 1, np.int64)
    counts[columns] = np.diff(weights.indptr)
    return dataclasses.replace(weights, shape=(weights.shape[0], len(counts)),
                               indptr=np.concatenate([[0], np.cumsum(counts)]))


def select(weights: SparseWeights, rows: range, columns: np.ndarray | None = None
           ) -> SparseWeights:
    """Some rows of a matrix; ``columns``, which rise, are those that are left, if not all."""
    kept = (weights.rows >= rows.start) & (weights.rows < rows.stop)
    counts = np.bincount(weights.columns[kept], minlength=weights.shape[1])
    if columns is not None:
        assert counts.sum() == counts[columns].sum(), "a weight in a column that is left out"
        counts = counts[columns]
    return dataclasses.replace(
        weights, shape=(min(len(rows), weights.shape[0] - rows.start), len(counts)),
        rows=weights.rows[kept] - rows.start, indptr=np.concatenate([[0], np.cumsum(counts)]),
        values=weights.values[kept], codes=None if weights.codes is None else weights.codes[kept])


def permuted(weights: SparseWeights, rows: np.ndarray, columns: np.ndarray) -> SparseWeights:
    """The matrix ``dense[rows][:, columns]``; each of the two names every row or column once."""
    m, n = weights.shape
    place = np.argsort(columns)[weights.columns] * m + np.argsort(rows)[weights.rows]
    order = np.argsort(place)
    return dataclasses.replace(
        weights, rows=place[order] % m, values=weights.values[order],
        indptr=np.concatenate([[0], np.cumsum(np.diff(weights.indptr)[columns])]),
        codes=None if weights.codes is None else weights.codes[order])
