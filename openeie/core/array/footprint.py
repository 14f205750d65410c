# SPDX-License-Identifier: Apache-2.0
"""Bits of an array's memories, by kind."""
from .config import ArrayConfig
from .descriptor import MAX_TABLES
from .load_port import CHANNEL_WORD

__all__ = ["memory_bits"]


def memory_bits(config: ArrayConfig) -> dict[str, int]:
    """Bits that each kind of memory takes in all PEs together, as the gateware makes them.

    ``activations`` are source and destination, of which the second begins at a power of two;
    ``codebooks`` has a table for each layer, and ``runs`` (huffman) what their ranks stand for.
    Queues are registers, and are left out.
    """
    tables = min(config.max_layers, MAX_TABLES)
    per_pe = {
        "entries": config.entry_depth * config.word_width,
        "pointers": config.pointer_depth * config.pointer_width,
        "activations": ((1 << config.act_address_width) + config.act_depth) * config.act_width,
        "accumulators": config.acc_banks * config.acc_depth * config.acc_width,
        "channels": config.channel_depth * sum(width for _, width in CHANNEL_WORD),
        "codebooks": 0 if config.encodings == ("csr",)
        else (tables << config.code_width) * config.weight_width,
        "runs": (tables << config.run_width) * config.run_width if config.huffman else 0,
    }
    return {name: config.pes * bits for name, bits in per_pe.items()}
