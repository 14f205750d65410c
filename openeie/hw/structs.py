# SPDX-License-Identifier: Apache-2.0
"""The words that travel between blocks, as packed structs.

Signed fields are two's complement. Widths come from
:class:`openeie.core.array.config.ArrayConfig`.
"""
from collections.abc import Iterable

from amaranth import signed
from amaranth.lib import data

from ..core.array.config import ArrayConfig
from ..core.array.descriptor import CLUSTER_WORDS, TABLE_WORD, WINDOW_WORDS

__all__ = ["Item", "Column", "FetchedEntry", "Operand", "Addend", "ScanRow", "Result", "LoadWord",
           "ReadRequest", "LayerFields", "TABLE_LAYOUT", "struct_of"]


def struct_of(fields: Iterable[tuple[str, int]]) -> data.StructLayout:
    """Layout of a packed word of ``core/array/descriptor.py``, given as (name, bits) pairs."""
    return data.StructLayout(dict(fields))


#: One length of the Huffman decoding tables: limits and offsets of runs and of codes.
TABLE_LAYOUT = struct_of(TABLE_WORD)


class ScanRow(data.StructLayout):
    """One row of source activations: one activation of each PE, PE 0 first.

    ``column`` is the column number of PE 0's activation; ``last`` marks the last row of a vector;
    ``cluster`` is the cluster that the row is for.
    """
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "acts": data.ArrayLayout(signed(config.act_width), config.pes),
            "column": config.column_address_width,
            "last": 1,
            "cluster": config.cluster_width,
        })


class Item(data.StructLayout):
    """What is broadcast: a non-zero activation with its column, or the token after a vector."""
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "act": signed(config.act_width),
            "column": config.column_address_width,
            "token": 1,
        })


class Column(data.StructLayout):
    """An item whose pointers are known: entries ``start`` up to, but not including, ``end``.

    A pointer is a word address, with the position inside the word in its low ``place_width`` bits:
    the number of the entry, or in ``huffman`` of its first bit.
    """
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "act": signed(config.act_width),
            "start": config.pointer_width,
            "end": config.pointer_width,
            "token": 1,
        })


class FetchedEntry(data.StructLayout):
    """One entry as read from memory, with its column's activation.

    ``csr`` sets ``weight``, the other encodings set ``code``. In ``huffman`` run and code are
    ranks until the codebook has looked them up. ``first`` marks the first entry of a column;
    ``bank`` is the accumulator bank.
    """
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "act": signed(config.act_width),
            "run": config.run_width,
            "code": config.code_width,
            "weight": signed(config.weight_width),
            "first": 1,
            "bank": 1,
        })


class Operand(data.StructLayout):
    """One multiplication to do, and the accumulator it belongs to."""
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "act": signed(config.act_width),
            "weight": signed(config.weight_width),
            "row": config.row_width,
            "bank": 1,
        })


class Addend(data.StructLayout):
    """One product, and the accumulator to add it to."""
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "value": signed(config.act_width + config.weight_width),
            "row": config.row_width,
            "bank": 1,
        })


class Result(data.StructLayout):
    """An output activation on its way into the destination memory.

    With convolutions ``address`` has one more bit, which selects memory A or B. ``cluster`` is
    the cluster whose PE stores it.
    """
    def __init__(self, config: ArrayConfig):
        super().__init__({
            "act": signed(config.act_width),
            "address": config.act_address_width + config.conv,
            "cluster": config.cluster_width,
        })


class LoadWord(data.StructLayout):
    """One write of the load port; ``target`` is a :class:`openeie.core.array.load_port.Target`."""
    def __init__(self) -> None:
        super().__init__({"target": 4, "pe": 16, "address": 32, "data": 64})


class ReadRequest(data.StructLayout):
    """One read of the read port."""
    def __init__(self) -> None:
        super().__init__({"target": 4, "pe": 16, "address": 32})


class LayerFields(data.StructLayout):
    """What every PE must know of the current layer; constant while it runs.

    The window and cluster fields, and the Huffman tables, exist only in arrays that need them.
    """
    def __init__(self, config: ArrayConfig):
        fields = {
            "encoding": 2,
            "relu": 1,
            "table": config.layer_width,
            "src_rows": 16,
            "vectors": 16,
            "acc_rows": 16,
            "pointer_base": config.column_address_width,
            "channel_base": config.channel_address_width,
            "cycle_limit": 32,
            "number": config.layer_width,
        }
        if config.conv:
            for word in WINDOW_WORDS:
                fields |= dict(word)
        if config.clusters > 1:
            for word in CLUSTER_WORDS:
                fields |= dict(word)
        if config.huffman:
            fields["tables"] = data.ArrayLayout(TABLE_LAYOUT, config.max_code_length)
        super().__init__(fields)
