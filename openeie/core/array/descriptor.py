# SPDX-License-Identifier: Apache-2.0
"""A layer's descriptor: the words that tell the array what to do with it."""
import numpy as np

from .config import ENCODINGS, ArrayConfig

__all__ = ["ADDRESS_BITS", "DESCRIPTOR_WORDS", "MAX_TABLES", "WINDOW_WORDS", "CLUSTER_WORDS",
           "TABLE_WORD", "descriptor_layout", "descriptor_words", "descriptor_stride",
           "read_descriptor", "pack", "unpack", "encoding_number"]

#: Distances in a descriptor are modulo 2 ** ADDRESS_BITS.
ADDRESS_BITS = 24

#: Fields of a layer's descriptor, least significant first; each word has 64 bits.
DESCRIPTOR_WORDS = (
    (("encoding", 2), ("relu", 1), ("table", 8), ("src_rows", 16), ("vectors", 16),
     ("acc_rows", 16)),
    (("cycle_limit", 32), ("pointer_base", 24)),
    (("channel_base", 24),),
)

#: Codebooks and run-symbol tables that descriptors tell apart: one a matrix, for all its tiles.
MAX_TABLES = 1 << dict(DESCRIPTOR_WORDS[0])["table"]

#: What follows in an array that can run convolutions: the scan's walk (:mod:`core.walk`).
#: ``dst_origin``, ``dst_step``: first row written; from a position's last row to the next's first.
#: ``local``: every PE takes its own activations; ``maximum``: it keeps the largest product;
#: ``repeat``: the columns of a pixel's rows serve all pixels of a position.
WINDOW_WORDS = (
    (("kernel_height", 8), ("kernel_width", 8), ("stride_y", 8), ("stride_x", 8),
     ("pad_top", 8), ("pad_left", 8), ("pixel_rows", 16)),
    (("height", 16), ("width", 16), ("out_height", 16), ("out_width", 16)),
    (("origin", ADDRESS_BITS), ("row_step", ADDRESS_BITS)),
    (("x_step", ADDRESS_BITS), ("y_step", ADDRESS_BITS)),
    (("image_step", ADDRESS_BITS), ("pixel_step", ADDRESS_BITS), ("local", 1), ("maximum", 1),
     ("repeat", 1)),
    (("dst_origin", ADDRESS_BITS), ("dst_step", ADDRESS_BITS)),
)

#: What comes before that in an array with clusters. ``clustered``: each cluster takes every
#: so-many-th vector; ``cluster_vectors``: how many a cluster has at least, and the first
#: ``cluster_more`` one more; ``cluster_step``: from the first row that a cluster writes to the
#: next one's.
CLUSTER_WORDS = (
    (("clustered", 1), ("cluster_vectors", 16), ("cluster_more", 4),
     ("cluster_step", ADDRESS_BITS)),
)

#: Word l - 1 of a layer's Huffman tables: canonical decoding at codeword length l.
#: ``limit``: first left-aligned window beyond the codewords of length <= l, so one bit wider
#: than the longest codeword. ``offset``: what turns a codeword of length l into its rank.
TABLE_WORD = (("run_limit", 17), ("run_offset", 8), ("code_limit", 17), ("code_offset", 8))


def descriptor_stride(config: ArrayConfig) -> int:
    """Distance between two layers' descriptors: a power of two, so that an address needs no
    multiplier."""
    return 1 << (descriptor_words(config) - 1).bit_length()


def descriptor_layout(config: ArrayConfig) -> tuple:
    """Fields of the words of a layer's descriptor, Huffman tables apart."""
    # Clusters first: how many vectors a PE has must be known before the counters look at it,
    # four cycles before the layer runs.
    return DESCRIPTOR_WORDS + (CLUSTER_WORDS if config.clusters > 1 else ()) \
        + (WINDOW_WORDS if config.conv else ())


def descriptor_words(config: ArrayConfig) -> int:
    """Words per layer in descriptor memory: the descriptor, then the Huffman tables."""
    return len(descriptor_layout(config)) + (config.max_code_length if config.huffman else 0)


def read_descriptor(config: ArrayConfig, words: np.ndarray) -> dict[str, int]:
    """All fields of a layer's descriptor, Huffman tables apart."""
    fields: dict[str, int] = {}
    for layout, word in zip(descriptor_layout(config), words, strict=False):
        fields |= unpack(layout, int(word))
    return fields


def pack(fields, values: dict[str, int]) -> int:
    """One 64-bit word from named values; a value that does not fit its field is refused."""
    word, position = 0, 0
    for name, width in fields:
        value = int(values[name]) & ((1 << width) - 1)
        if value != values[name] and value - (1 << width) != values[name]:
            raise ValueError(f"{name} must fit {width} bits, not {values[name]!r}")
        word |= value << position
        position += width
    return word


def unpack(fields, word: int) -> dict[str, int]:
    """The (unsigned) values of a packed word."""
    values = {}
    for name, width in fields:
        values[name] = int(word) & ((1 << width) - 1)
        word = int(word) >> width
    return values


def encoding_number(name: str) -> int:
    """The descriptor's ``encoding`` field."""
    return ENCODINGS.index(name)
