# SPDX-License-Identifier: Apache-2.0
"""Bits of weights in several storage formats, for rates of compression.

Only weights are counted; biases take the same bits in all formats. A float32 weight has 32 bits,
and so has a centroid (``b`` in Deep Compression, section 3).
"""
import numpy as np

from ...core.artefact.gap_stream import Gaps, split_runs
from ...core.entries.huffman import MAX_LENGTH, CanonicalCode

__all__ = ["FLOAT_BITS", "entries_of", "sparse_bits", "codebook_bits", "sparse_codebook_bits",
           "huffman_bits", "low_rank_bits"]

#: Bits of a float32 weight, and of a centroid.
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
    """Bits of a pruned matrix: a run and a float32 per entry, with the best width of runs."""
    return _best(weight != 0, FLOAT_BITS)


def codebook_bits(weights: int, slots: int) -> int:
    """Bits of ``weights`` dense weights that share ``slots`` values: ``n log2 k + k b``."""
    return weights * _width(slots) + slots * FLOAT_BITS


def sparse_codebook_bits(codes: np.ndarray, slots: int) -> int:
    """Bits of a pruned matrix with shared weights: a run and a code per entry, and the codebook.

    Parameters
    ----------
    codes : slots of the codebook [out, ...], 0 where there is no weight.
    """
    return _best(codes != 0, _width(slots)) + slots * FLOAT_BITS


def huffman_bits(codes: np.ndarray, slots: int) -> int:
    """As :func:`sparse_codebook_bits`, with runs and codes Huffman coded, and four bits for the
    length of each symbol's codeword."""
    sizes = []
    for width in _RUN_WIDTHS:
        runs, kept = entries_of(codes, width)
        sizes.append(_coded_bits(runs, 1 << width) + _coded_bits(kept, slots))
    return min(sizes) + slots * FLOAT_BITS


def _coded_bits(symbols: np.ndarray, size: int) -> int:
    """Bits of Huffman-coded symbols below ``size``, and of the codewords' lengths."""
    return CanonicalCode.of(symbols, size, MAX_LENGTH).bits(symbols) + 4 * size


def low_rank_bits(shape: tuple[int, int], rank: int | None) -> int:
    """Bits of a matrix [m, n] as a product of [m, rank] and [rank, n]; of the matrix itself for
    None."""
    numbers = shape[0] * shape[1] if rank is None else rank * sum(shape)
    return numbers * FLOAT_BITS


def _width(slots: int) -> int:
    """Bits of a code."""
    return max(1, (slots - 1).bit_length())


def _best(mask: np.ndarray, payload: int) -> int:
    """Bits of the entries of a matrix, non-zero where ``mask``, with the best width of runs and
    ``payload`` bits each."""
    codes = mask.astype(np.int64)
    return min((payload + width) * len(entries_of(codes, width)[0]) for width in _RUN_WIDTHS)
