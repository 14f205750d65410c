# SPDX-License-Identifier: Apache-2.0
"""The words that travel between blocks."""
from amaranth import *
from amaranth.lib import data

from ..core.array.descriptor import CLUSTER_WORDS, TABLE_WORD, WINDOW_WORDS

__all__ = ["Item", "Column", "FetchedEntry", "Operand", "Addend", "ScanRow", "Result", "LoadWord",
           "ReadRequest", "LayerFields", "TABLE_LAYOUT", "struct_of"]


def struct_of(fields) -> data.StructLayout:
    """A packed word of :mod:`openeie.core.array.descriptor` as a layout."""
    return data.StructLayout(dict(fields))


TABLE_LAYOUT = struct_of(TABLE_WORD)


class ScanRow(data.StructLayout):
    """One activation of every PE, the column number of the first of them, and who wants it."""
    def __init__(self, config):
        super().__init__({
            "acts": data.ArrayLayout(signed(config.act_width), config.pes),
            "column": config.column_address_width,
            "last": 1,
            "cluster": config.cluster_width,
        })


class Item(data.StructLayout):
    """What is broadcast: a non-zero activation with its column, or the end-of-vector token."""
    def __init__(self, config):
        super().__init__({
            "act": signed(config.act_width),
            "column": config.column_address_width,
            "token": 1,
        })


class Column(data.StructLayout):
    """An item whose pointers are known: entries ``start`` up to, not including, ``end``."""
    def __init__(self, config):
        super().__init__({
            "act": signed(config.act_width),
            "start": config.pointer_width,
            "end": config.pointer_width,
            "token": 1,
        })


class FetchedEntry(data.StructLayout):
    """One entry as read from memory; in ``huffman`` run and code are still ranks."""
    def __init__(self, config):
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
    def __init__(self, config):
        super().__init__({
            "act": signed(config.act_width),
            "weight": signed(config.weight_width),
            "row": config.row_width,
            "bank": 1,
        })


class Addend(data.StructLayout):
    """One addition to do."""
    def __init__(self, config):
        super().__init__({
            "value": signed(config.act_width + config.weight_width),
            "row": config.row_width,
            "bank": 1,
        })


class Result(data.StructLayout):
    """An activation on its way into the destination memory; ``cluster``: of which cluster's PE."""
    def __init__(self, config):
        super().__init__({
            "act": signed(config.act_width),
            "address": config.act_address_width + config.conv,
            "cluster": config.cluster_width,
        })


class LoadWord(data.StructLayout):
    """One write of the load port; see :data:`openeie.core.array.load_port.LOAD_RECORD`."""
    def __init__(self):
        super().__init__({"target": 4, "pe": 16, "address": 32, "data": 64})


class ReadRequest(data.StructLayout):
    """One read of the read port."""
    def __init__(self):
        super().__init__({"target": 4, "pe": 16, "address": 32})


class LayerFields(data.StructLayout):
    """What every PE must know of the layer in hand; constant while it runs."""
    def __init__(self, config):
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
            fields |= {name: width for word in WINDOW_WORDS for name, width in word}
        if config.clusters > 1:
            fields |= {name: width for word in CLUSTER_WORDS for name, width in word}
        if config.huffman:
            fields["tables"] = data.ArrayLayout(TABLE_LAYOUT, config.max_code_length)
        super().__init__(fields)
