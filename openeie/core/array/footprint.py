# SPDX-License-Identifier: Apache-2.0
"""Bits of an array's memories, by kind."""
from .config import ArrayConfig
from .descriptor import MAX_TABLES
from .load_port import CHANNEL_WORD

__all__ = ["memory_bits"]


def memory_bits(config: ArrayConfig) -> dict[str, int]:
    """Bits of each kind of memory in all PEs together, as the gateware instantiates them.

    ``activations`` counts both activation memories, of which the second begins at a power of two.
    ``codebooks`` has one table per descriptor; ``runs`` (huffman) maps ranks to run lengths. The
    activation queues are registers and are not counted.
    """
    tables = min(config.max_layers, MAX_TABLES)
    has_codebook = config.encodings != ("csr",)
    codebook_words = tables << config.code_width if has_codebook else 0
    run_words = tables << config.run_width if config.huffman else 0
    per_pe = {
        "entries": config.entry_depth * config.word_width,
        "pointers": config.pointer_depth * config.pointer_width,
        "activations": ((1 << config.act_address_width) + config.act_depth) * config.act_width,
        "accumulators": config.acc_banks * config.acc_depth * config.acc_width,
        "channels": config.channel_depth * sum(width for _, width in CHANNEL_WORD),
        "codebooks": codebook_words * config.weight_width,
        "runs": run_words * config.run_width,
    }
    return {name: config.pes * bits for name, bits in per_pe.items()}
