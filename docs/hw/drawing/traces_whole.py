# SPDX-License-Identifier: Apache-2.0
"""Worked traces: the blocks that others are in, and those that run programs."""
import struct
import zlib

from openeie.hw import accelerator, array, loader, pe, sequencer
from openeie.hw.loader import Control, Target

from .simulate import Feed, Trace
from .worked import CONFIG, ITEMS, LAYER, load_words

__all__ = ["TRACES"]


def _crc(words):
    return zlib.crc32(b"".join(struct.pack("<BBHIQ", word["target"], 0, word["pe"],
                                           word["address"], word["data"]) for word in words))


def _command(address, data=0):
    return {"target": int(Target.CONTROL), "pe": 0, "address": int(address), "data": data}


def _pe():
    mine = [word for word in load_words() if word["pe"] in (0, 0xFFFF)]
    layer = LAYER | {"number": 0}
    clear = [{"layer": layer, "clear": 1, "clear_index": index} for index in range(7)]
    return Trace(
        block=pe.PE(CONFIG), cycles=44,
        prepare=[*({"load_en": 1, "load": word} for word in mine), {}, {},
                 {"layer": layer, "layer_start": 1}, *clear, *[{"layer": layer}] * 3],
        inputs={"i": Feed(ITEMS), "layer": layer, "running": 1, "read_en": [0] * 41 + [1, 1],
                "read_b": 1, "read_address": [0] * 42 + [1]},
        columns=("i", "pointers.o", "entries.o", "multiply.i", "multiply.o", "done", "act"),
        fields={"i": ("act", "column", "token"), "pointers.o": ("act", "start", "end", "token"),
                "entries.o": ("act", "run", "weight"), "multiply.i": ("act", "weight", "row"),
                "multiply.o": ("value", "row")},
        valid={"act": range(42, 44)}, noted=True,
        notes={0: "broadcast: the queue takes it", 1: "its pointers are read",
               2: "column 0 has two entries", 3: "column 4 has none in this PE",
               4: "2 is decoded; column 5 waits, since next_column is full",
               5: "-1 is decoded", 6: "decode_column is the empty one; the first entry is there",
               7: "column 5's entry is decoded", 8: "its row is known: 3 x 2", 9: "3 x -1",
               10: "column 5's entry is being looked up", 11: "-2 x 1",
               12: "the last product", 38: "both rows are written back",
               42: "row 0: (6 - 2) / 2", 43: "row 1: -3 / 2, rounded half up"})


def _array():
    start = {"layer": LAYER}
    clear = [start | {"clear": 1, "clear_index": index} for index in range(7)]
    return Trace(
        block=array.PEArray(CONFIG), cycles=45,
        prepare=[*({"load_en": 1, "load": word} for word in load_words()), {}, {},
                 start | {"layer_start": 1}, *clear, start],
        inputs={"layer": LAYER, "scan_start": [1], "running": [0] + [1] * 60},
        columns=("scan.o", "lnzd.o", "broadcast.item", "entries[0].o", "entries[1].o", "done"),
        fields={"scan.o": ("acts", "column"), "entries[0].o": ("act", "run", "weight"),
                "entries[1].o": ("act", "run", "weight")},
        valid={"broadcast.item": "broadcast.push"}, formats={"done": "{:02b}".format}, noted=True,
        notes={0: "the scan begins", 3: "the first row", 4: "its hit; the row of zeros",
               5: "to both queues; the last row", 6: "no hit in the row of zeros",
               7: "two hits", 8: "and the token", 9: "room is known a cycle late: the token waits",
               10: "it goes", 11: "PE 0 has column 0's two entries,",
               12: "which PE 1 has not", 13: "column 4: an entry in PE 1 alone",
               14: "column 5: one in each", 44: "both PEs have written back"})


def _accelerator():
    words = load_words()
    reads = [(Target.ACT_B, pe, row) for row in (0, 1) for pe in (0, 1)] + [(Target.CYCLES, 0, 0)]
    origin = 4 + 8 * len(words) + 15        # wiped, loaded, checked; START is taken
    return Trace(
        block=accelerator.Accelerator(CONFIG), cycles=origin + 99, origin=origin,
        inputs={"i_load": Feed([*words, _command(Control.CHECK, _crc(words)),
                                _command(Control.START, 1 << 16)]),
                "i_read": Feed([{"target": int(target), "pe": pe, "address": row}
                                for target, pe, row in reads], origin + 2),
                "o_read.ready": 1},
        columns=("i_load", "busy", "sequencer.running", "lnzd.o", "i_read", "o_read"),
        formats={"o_read": lambda word: str((word ^ 1 << 63) - (1 << 63))}, noted=True,
        notes={-8: "CHECK is taken: the CRC agrees", 0: "START is taken",
               1: "the descriptor is fetched", 2: "a read waits for the end",
               9: "the layer runs", 12: "the first hit", 14: "column 4", 15: "column 5",
               16: "the token", 54: "the end; now y[0] is read", 62: "y[0]", 71: "y[1]",
               80: "y[2]", 89: "y[3]", 98: "the layer took 53 cycles"})


def _loader():
    word = {"target": int(Target.POINTER), "pe": 0, "address": 1, "data": 4}
    return Trace(
        block=loader.Loader(CONFIG), cycles=33,
        inputs={"i": Feed([word, _command(Control.CHECK, _crc([word])),
                           _command(Control.START, 1 << 16), _command(Control.START, 3 << 16)])},
        columns=("i", "write", "word", "program_start", "first", "count", "fault"),
        fields={"word": ("target", "address", "data")},
        valid={"word": "write", "first": "program_start", "count": "program_start"}, noted=True,
        notes={0: "a pointer: its record goes through the CRC", 7: "the word is taken",
               8: "and written; CHECK comes", 15: "CHECK is taken: the CRC agrees",
               16: "START of one layer", 23: "is taken, and obeyed",
               24: "START of three layers, of which the array holds two",
               31: "is taken, and refused", 32: "fault 4: BAD_LAYERS"})


def _sequencer():
    words = [word for word in load_words() if word["target"] == Target.DESCRIPTOR]
    return Trace(
        block=sequencer.Sequencer(CONFIG), cycles=25,
        prepare=[*({"load_en": 1, "load_address": word["address"], "load_data": word["data"]}
                   for word in words), *[{}] * 8],
        inputs={"program_start": [1], "first": 0, "count": 1, "done": [0] * 20 + [1, 3, 3]},
        columns=("program_start", "busy", "layer_start", "clear", "clear_index", "scan_start",
                 "running", "layer", "done", "cycles"),
        fields={"layer": ("src_rows", "cycle_limit")}, formats={"done": "{:02b}".format},
        valid={"clear_index": "clear"}, noted=True,
        notes={0: "the loader starts one layer", 1: "the layer's cycle 0: word 0 is read",
               2: "word 1 is read", 3: "word 0's fields are there", 4: "word 1's",
               7: "the last counter is cleared", 8: "the scan starts",
               9: "the counters count", 20: "PE 0 has finished", 21: "so has PE 1",
               22: "known a cycle later", 23: "idle: the layer took 22 cycles"})


TRACES = {"pe": _pe, "array": _array, "accelerator": _accelerator, "loader": _loader,
          "sequencer": _sequencer}
