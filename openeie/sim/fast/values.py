# SPDX-License-Identifier: Apache-2.0
"""Sums of products of a decoded tile; all of them exact.

Matrix-vector products go entry by entry, for the activations that are not zero, or, where many
vectors meet a matrix with few zeros, through the dense product of floats that NumPy has from BLAS.
A product of two 16-bit numbers has at most 31 bits, so sums of up to 2**22 of them are exact in the
53 bits of a float64, in whatever order they are added.
"""
import numpy as np

from .decoded import DecodedPart
from .native.library import library
from .recurrence import find_items

__all__ = ["multiply", "accumulate_channels"]

# When the dense product is faster: so many vectors, and such a share of weights that are stored.
# It takes about 0.06 ns for each weight of a column, stored or not, and the other way 0.7 ns for
# each stored weight of a column whose activation is not zero, which two of three are not.
_DENSE_VECTORS = 16
_DENSE_SHARE = 0.15
# Cells of the largest matrix that is kept dense, and of a block that is made and thrown away.
_DENSE_CELLS = 1 << 24
_BLOCK_CELLS = 1 << 20


def multiply(x: np.ndarray, part: DecodedPart) -> np.ndarray:
    """W x of each vector: int64 [vectors, m]; x int16 [vectors, n]."""
    if _is_dense(len(x), part):
        return (x[:, part.used].astype(np.float64) @ part.dense).astype(np.int64)
    native = library()
    if native is None:
        return _by_blocks(x, part)
    items = find_items(x != 0)
    wide = np.ascontiguousarray(x, np.int32)
    sums = np.zeros((len(x), part.channels), np.int64)
    native.accumulate(items, len(items), wide, x.shape[1], part.indptr, part.rows,
                      part.rows.itemsize > 2, part.weights, sums, part.channels)
    return sums


def _by_blocks(x: np.ndarray, part: DecodedPart) -> np.ndarray:
    """W x without a compiler: dense products of some columns at a time."""
    sums = np.zeros((len(x), part.channels))
    step = max(1, _BLOCK_CELLS // part.channels)
    for first in range(0, len(part.indptr) - 1, step):
        edges = part.indptr[first:first + step + 1]
        mine = slice(edges[0], edges[-1])
        block = np.zeros((len(edges) - 1, part.channels))
        block[np.repeat(np.arange(len(block)), np.diff(edges)), part.rows[mine]] = \
            part.weights[mine]
        sums += x[:, first:first + len(block)].astype(np.float64) @ block
    return sums.astype(np.int64)


def _is_dense(vectors: int, part: DecodedPart) -> bool:
    """Whether the dense product is faster."""
    cells = len(part.used) * part.channels
    return vectors >= _DENSE_VECTORS and cells <= _DENSE_CELLS \
        and len(part.weights) >= _DENSE_SHARE * cells


def accumulate_channels(x: np.ndarray, part: DecodedPart, *, maximum: bool, lowest: int
                        ) -> np.ndarray:
    """Accumulators int64 [vectors, m] of a channel-wise tile: every PE takes its own activations.

    Parameters
    ----------
    x : int16 [vectors, rows, PEs]. If the tile has fewer columns than rows, its columns serve all
        pixels in turn.
    maximum : an accumulator keeps its largest product instead of the sum; ``lowest`` is subtracted
        from the products, so that a cleared accumulator is below all of them.
    """
    vectors, rows, pes = x.shape
    columns = len(part.indptr) - 1
    by_pixel = x.reshape(vectors, rows // columns, columns, pes)
    sums = np.zeros((vectors, part.channels), np.int64)
    for j in range(columns):
        mine = slice(part.indptr[j], part.indptr[j + 1])
        row = part.rows[mine]
        products = by_pixel[:, :, j, row % pes] * part.weights[mine].astype(np.int64)
        if maximum:
            largest = (products - lowest).max(axis=1)
            sums[:, row] = np.maximum(sums[:, row], largest)
        else:
            sums[:, row] += products.sum(axis=1)
    return sums
