# SPDX-License-Identifier: Apache-2.0
"""A tile's descriptor: the words that tell the array what to compute."""
from collections.abc import Mapping, Sequence

import numpy as np

from .config import ENCODINGS, ArrayConfig

__all__ = ["ADDRESS_BITS", "DESCRIPTOR_WORDS", "MAX_TABLES", "WINDOW_WORDS", "CLUSTER_WORDS",
           "TABLE_WORD", "descriptor_layout", "descriptor_words", "descriptor_stride",
           "read_descriptor", "pack", "unpack", "encoding_number"]

#: The fields of one 64-bit word: name and width, least significant first.
Fields = Sequence[tuple[str, int]]

#: Address distances in a descriptor are modulo 2 ** ADDRESS_BITS.
ADDRESS_BITS = 24

#: The words that every descriptor begins with.
DESCRIPTOR_WORDS: tuple[Fields, ...] = (
    (("encoding", 2), ("relu", 1), ("table", 8), ("src_rows", 16), ("vectors", 16),
     ("acc_rows", 16)),
    (("cycle_limit", 32), ("pointer_base", 24)),
    (("channel_base", 24),),
)

#: Number of codebooks and run-symbol tables that a descriptor can choose from. Each matrix has
#: one, which all its tiles share.
MAX_TABLES = 1 << dict(DESCRIPTOR_WORDS[0])["table"]

#: Further words in an array that can run convolutions: which addresses the scan visits, see
#: :class:`openeie.core.network.address_walk.AddressWalk`.
#: ``dst_origin``: first row written; ``dst_step``: from a position's last row to the first row of
#: the next position. ``local``: every PE reads its own activations; ``maximum``: it keeps the
#: largest product instead of the sum; ``repeat``: all pixels of a position use the same columns.
WINDOW_WORDS: tuple[Fields, ...] = (
    (("kernel_height", 8), ("kernel_width", 8), ("stride_y", 8), ("stride_x", 8),
     ("pad_top", 8), ("pad_left", 8), ("pixel_rows", 16)),
    (("height", 16), ("width", 16), ("out_height", 16), ("out_width", 16)),
    (("origin", ADDRESS_BITS), ("row_step", ADDRESS_BITS)),
    (("x_step", ADDRESS_BITS), ("y_step", ADDRESS_BITS)),
    (("image_step", ADDRESS_BITS), ("pixel_step", ADDRESS_BITS), ("local", 1), ("maximum", 1),
     ("repeat", 1)),
    (("dst_origin", ADDRESS_BITS), ("dst_step", ADDRESS_BITS)),
)

#: A word before the window's in an array with N clusters.
#: ``clustered``: each cluster takes every N-th vector. ``cluster_vectors``: vectors of each
#: cluster; the first ``cluster_more`` clusters have one more. ``cluster_step``: from the first row
#: that one cluster writes to the first row of the next cluster.
CLUSTER_WORDS: tuple[Fields, ...] = (
    (("clustered", 1), ("cluster_vectors", 16), ("cluster_more", 4),
     ("cluster_step", ADDRESS_BITS)),
)

#: Word l - 1 of the Huffman tables: canonical decoding at codeword length l.
#: ``limit``: the first left-aligned window beyond all codewords of length <= l; it is one bit wider
#: than the longest codeword. ``offset``: added to a codeword of length l, it gives its rank.
TABLE_WORD: Fields = (("run_limit", 17), ("run_offset", 8), ("code_limit", 17), ("code_offset", 8))


def descriptor_stride(config: ArrayConfig) -> int:
    """Words from one descriptor to the next: a power of two, so that forming an address takes no
    multiplier."""
    return 1 << (descriptor_words(config) - 1).bit_length()


def descriptor_layout(config: ArrayConfig) -> tuple[Fields, ...]:
    """The fields of each word of a descriptor, without the Huffman tables."""
    # The cluster word comes first: the number of vectors per PE must be known four cycles before
    # the layer runs, when the counters look at it.
    cluster = CLUSTER_WORDS if config.clusters > 1 else ()
    window = WINDOW_WORDS if config.conv else ()
    return (*DESCRIPTOR_WORDS, *cluster, *window)


def descriptor_words(config: ArrayConfig) -> int:
    """Words of one descriptor, Huffman tables included."""
    return len(descriptor_layout(config)) + (config.max_code_length if config.huffman else 0)


def read_descriptor(config: ArrayConfig, words: np.ndarray) -> dict[str, int]:
    """All fields of a descriptor (uint64 [words]) by name, without the Huffman tables."""
    fields: dict[str, int] = {}
    for layout, word in zip(descriptor_layout(config), words, strict=False):
        fields |= unpack(layout, int(word))
    return fields


def pack(fields: Fields, values: Mapping[str, int]) -> int:
    """One 64-bit word from named values, signed or unsigned.

    Raises
    ------
    ValueError : a value does not fit its field.
    """
    word = 0
    position = 0
    for name, width in fields:
        value = int(values[name]) & ((1 << width) - 1)
        if value != values[name] and value - (1 << width) != values[name]:
            raise ValueError(f"{name} must fit {width} bits, not {values[name]!r}")
        word |= value << position
        position += width
    return word


def unpack(fields: Fields, word: int) -> dict[str, int]:
    """The values in a packed word by name, all unsigned."""
    values = {}
    rest = int(word)
    for name, width in fields:
        values[name] = rest & ((1 << width) - 1)
        rest >>= width
    return values


def encoding_number(name: str) -> int:
    """The value of a descriptor's ``encoding`` field."""
    return ENCODINGS.index(name)
