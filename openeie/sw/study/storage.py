# SPDX-License-Identifier: Apache-2.0
"""Bits that weights take under each way of storing them; what rates of compression count.

Weights alone: biases are as large under every way. A weight in float32 takes 32 bits, and so does
a centroid (the ``b`` of Deep Compression, section 3).
"""
import numpy as np

from ...core.artefact.gap_stream import Gaps, split_runs
from ...core.entries.huffman import MAX_LENGTH, CanonicalCode

__all__ = ["FLOAT_BITS", "entries_of", "sparse_bits", "codebook_bits", "sparse_codebook_bits",
           "huffman_bits", "low_rank_bits"]

#: Of a weight, and of a centroid.
FLOAT_BITS = 32
_RUN_WIDTHS = range(1, 9)


def entries_of(codes: np.ndarray, run_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs and codes of a matrix's entries, fillers included, in the order of an artefact.

    Parameters
    ----------
    codes : integers [out, ...], 0 where there is no weight.
    run_width : bits of a run.
    """
    columns = np.asarray(codes).reshape(len(codes), -1).T.reshape(-1)
    position = np.flatnonzero(columns)
    return split_runs(Gaps.of(position).each, columns[position], run_width)


def sparse_bits(weight: np.ndarray) -> int:
    """Of a pruned matrix: each entry a run and a float32, the best width of a run."""
    return _best(weight != 0, FLOAT_BITS)


def codebook_bits(weights: int, slots: int) -> int:
    """Of ``weights`` dense weights that share ``slots`` values: ``n log2 k + k b``."""
    return weights * _width(slots) + slots * FLOAT_BITS


def sparse_codebook_bits(codes: np.ndarray, slots: int) -> int:
    """Of a pruned matrix whose weights are shared: each entry a run and a code, and the codebook.

    codes : slots of the codebook, 0 where there is no weight.
    """
    return _best(codes != 0, _width(slots)) + slots * FLOAT_BITS


def huffman_bits(codes: np.ndarray, slots: int) -> int:
    """The same with runs and codes Huffman coded, four bits a symbol for the codewords' lengths."""
    sizes = []
    for width in _RUN_WIDTHS:
        run, code = entries_of(codes, width)
        sizes.append(sum(CanonicalCode.of(symbols, size, MAX_LENGTH).bits(symbols) + 4 * size
                         for symbols, size in ((run, 1 << width), (code, slots))))
    return min(sizes) + slots * FLOAT_BITS


def low_rank_bits(shape: tuple[int, int], rank: int | None) -> int:
    """Of a matrix [m, n] as a product of ``[m, rank]`` and ``[rank, n]``; as it is for None."""
    return (shape[0] * shape[1] if rank is None else rank * sum(shape)) * FLOAT_BITS


def _width(slots: int) -> int:
    return max(1, (slots - 1).bit_length())


def _best(there: np.ndarray, payload: int) -> int:
    return min((payload + width) * len(entries_of(there.astype(np.int64), width)[0])
               for width in _RUN_WIDTHS)
