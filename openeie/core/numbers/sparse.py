# SPDX-License-Identifier: Apache-2.0
"""Sparse integer weights of one layer, by column."""
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError

__all__ = ["SparseWeights", "by_column", "frozen", "spread_columns", "select", "permuted"]


_MAX_SLOTS = 256        # of a codebook
_BLOCK = 1 << 20        # elements of a matrix that are looked at together


def frozen(array: npt.ArrayLike, dtype: npt.DTypeLike) -> np.ndarray:
    """A read-only copy of an array in an integer type.

    Raises
    ------
    InputError : elements that are not integers, or that do not fit the type.
    """
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
    """Weights of one layer by column (CSC): a column is what a non-zero activation has to touch.

    Weights are shared if there is a codebook, and otherwise literal.

    Attributes
    ----------
    shape : (rows m, columns n) = (outputs, inputs).
    indptr : int64 [n + 1]; column j is ``indptr[j]:indptr[j + 1]`` of the arrays below.
    rows : int32 [nnz], strictly increasing inside a column.
    values : int16 [nnz], the weights; with a codebook equal to ``codebook[codes]``.
    codes : uint16 [nnz], codebook slots ``1 .. K - 1``; None for literal weights.
    codebook : int16 [K]; slot 0 is 0, as EIE's fillers need it; None for literal weights.

    Raises
    ------
    InputError : arrays that contradict each other or this description.
    """
    shape: tuple[int, int]
    indptr: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
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
        self._check_places()
        self._check_values()

    def _check_places(self) -> None:
        """Shape, column pointers and rows."""
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
        rising[starts - 1] = True                   # a new column may begin with any row
        if not rising.all():
            raise InputError("rows must be strictly increasing inside each column")

    def _check_values(self) -> None:
        """Weights, codes and codebook."""
        if self.codebook is None:
            if not self.values.all():
                raise InputError("values must not hold zeros: a weight of 0 is not stored")
            return
        if not 1 <= len(self.codebook) <= _MAX_SLOTS or self.codebook[0] != 0:
            raise InputError(f"codebook must have 1 .. {_MAX_SLOTS} slots, slot 0 holding 0")
        is_in_range = (self.codes >= 1) & (self.codes < len(self.codebook))
        if len(self.codes) != len(self.rows) or not is_in_range.all():
            raise InputError(f"codes must be {len(self.rows)} slots in "
                             f"1 .. {len(self.codebook) - 1}")
        if not np.array_equal(self.codebook[self.codes], self.values):
            raise InputError("values must equal codebook[codes]")

    @classmethod
    def from_codes(cls, codes: npt.ArrayLike, codebook: npt.ArrayLike) -> "SparseWeights":
        """Shared weights from a dense matrix [m, n] of codebook slots; slot 0 means "no weight".

        Raises
        ------
        InputError : a codebook [K] of more than 256 slots, or with a slot 0 that does not hold 0.
        IndexError : a slot that the codebook does not have.
        """
        matrix = np.asarray(codes)
        slots = np.asarray(codebook)
        indptr, rows, kept = by_column(matrix)
        index = kept if kept.dtype.kind in "iu" else kept.astype(np.int64)
        return cls(shape=(matrix.shape[0], matrix.shape[1]), indptr=indptr, rows=rows, codes=kept,
                   codebook=slots, values=slots[index])

    @classmethod
    def from_dense(cls, weights: npt.ArrayLike) -> "SparseWeights":
        """Literal weights from a dense integer matrix [m, n]; zeros are not stored.

        Raises
        ------
        InputError : weights that are not integers of 16 bits.
        """
        matrix = np.asarray(weights)
        indptr, rows, kept = by_column(matrix)
        return cls(shape=(matrix.shape[0], matrix.shape[1]), indptr=indptr, rows=rows, values=kept)

    def __repr__(self) -> str:
        m, n = self.shape
        slots = "" if self.codebook is None else f", codebook of {len(self.codebook)}"
        return f"<SparseWeights {m} x {n}, {self.nnz:,} of {m * n:,} stored{slots}>"

    @property
    def nnz(self) -> int:
        """Number of stored weights."""
        return len(self.rows)

    @property
    def columns(self) -> np.ndarray:
        """int64 [nnz]: the column of each stored weight."""
        return np.repeat(np.arange(self.shape[1], dtype=np.int64), np.diff(self.indptr))

    def dense(self) -> np.ndarray:
        """The dense matrix, int64 [m, n]."""
        result = np.zeros(self.shape, np.int64)
        result[self.rows, self.columns] = self.values
        return result


def by_column(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column pointers int64 [n + 1], rows int32 [nnz] and values [nnz] of the non-zero elements.

    A block of columns at a time, so that no second matrix of the same size is ever in memory.
    """
    m, n = matrix.shape
    step = max(1, _BLOCK // max(m, 1))
    counts = [np.zeros(0, np.int64)]
    rows = [np.zeros(0, np.int32)]
    values = [np.zeros(0, matrix.dtype)]
    for first in range(0, n, step):
        block = np.ascontiguousarray(matrix[:, first:first + step].T).reshape(-1)
        place = np.flatnonzero(block)
        counts.append(np.bincount(place // m, minlength=min(step, n - first)))
        rows.append((place % m).astype(np.int32))
        values.append(block[place])
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    return indptr, np.concatenate(rows), np.concatenate(values)


def spread_columns(weights: SparseWeights, columns: np.ndarray) -> SparseWeights:
    """The matrix with column j moved to ``columns[j]``, which ascend, and empty columns between."""
    counts = np.zeros(columns[-1] + 1, np.int64)
    counts[columns] = np.diff(weights.indptr)
    return dataclasses.replace(weights, shape=(weights.shape[0], len(counts)),
                               indptr=np.concatenate([[0], np.cumsum(counts)]))


def select(weights: SparseWeights, rows: range, columns: np.ndarray | None = None
           ) -> SparseWeights:
    """Some rows of a matrix, and, unless None, only some ``columns`` of it, which ascend and must
    include all weights of these rows."""
    kept = (weights.rows >= rows.start) & (weights.rows < rows.stop)
    counts = np.bincount(weights.columns[kept], minlength=weights.shape[1])
    if columns is not None:
        assert counts.sum() == counts[columns].sum(), "a weight in a column that is left out"
        counts = counts[columns]
    m = min(len(rows), weights.shape[0] - rows.start)
    codes = None if weights.codes is None else weights.codes[kept]
    return dataclasses.replace(
        weights, shape=(m, len(counts)), rows=weights.rows[kept] - rows.start,
        indptr=np.concatenate([[0], np.cumsum(counts)]), values=weights.values[kept], codes=codes)


def permuted(weights: SparseWeights, rows: np.ndarray, columns: np.ndarray) -> SparseWeights:
    """The matrix ``dense[rows][:, columns]``, for permutations of all rows and of all columns."""
    m, _ = weights.shape
    new_column = np.argsort(columns)[weights.columns]
    new_row = np.argsort(rows)[weights.rows]
    place = new_column * m + new_row
    order = np.argsort(place)
    counts = np.diff(weights.indptr)[columns]
    codes = None if weights.codes is None else weights.codes[order]
    return dataclasses.replace(
        weights, rows=place[order] % m, values=weights.values[order],
        indptr=np.concatenate([[0], np.cumsum(counts)]), codes=codes)
