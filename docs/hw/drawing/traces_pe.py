# SPDX-License-Identifier: Apache-2.0
"""Worked traces: inside a processing element, PE 0 of the example."""
from openeie.hw import (accumulators, activations, address, codebook, counters, entries, huffman,
                        multiply, pointers, requantise, writeback)

from .simulate import Feed, Trace
from .worked import COLUMNS, CONFIG, ITEMS, LAYER

__all__ = ["TRACES"]

_VALUE = {"act": 0, "run": 0, "code": 0, "weight": 0, "first": 0, "bank": 0}
#: Multiplier 2**14 and shift 15 as the channel memory's quarters hold them; no bias.
_QUARTERS = [0, 0, 0x8000, 0]


def _place(pointer):
    """A pointer as word.slot."""
    return f"{pointer >> CONFIG.place_width}.{pointer & (1 << CONFIG.place_width) - 1}"


def _column(value):
    if value["token"]:
        return "token"
    return f"act {value['act']}, {_place(value['start'])} to {_place(value['end'])}"


def _pointers():
    load = [{"load_en": 1, "load_address": number, "load_data": pointer}
            for number, pointer in enumerate(COLUMNS["pointers"])]
    return Trace(
        block=pointers.Pointers(CONFIG), cycles=6, prepare=load,
        inputs={"i": Feed(ITEMS), "o.ready": [1, 1, 0, 1, 1, 1]},
        columns=("i", "o"), formats={"o": _column},
        notes={0: "both banks are read, at p[0] and p[1]",
               1: "column 0 has two entries, in word 0", 2: "column 4 is empty; nobody takes it",
               3: "the memories' outputs were held", 4: "column 5 has one entry",
               5: "the token has no pointers"})


def _entries():
    pointer = COLUMNS["pointers"]
    columns = [{"act": item["act"], "start": pointer[item["column"]],
                "end": pointer[item["column"] + 1], "token": 0} for item in ITEMS[:3]]
    load = [{"load_en": 1, "load_address": number, "load_data": word}
            for number, word in enumerate(COLUMNS["words"])]
    return Trace(
        block=entries.EntryReader(CONFIG), cycles=8, prepare=[*load, {"layer": LAYER}],
        inputs={"i": Feed([*columns, {"act": 0, "start": 0, "end": 0, "token": 1}]),
                "layer": LAYER},
        columns=("i", "entry", "empty", "token", "o"),
        fields={"o": ("act", "run", "weight", "first")}, formats={"i": _column},
        notes={0: "column 0 goes into next_column", 1: "it moves on: word 0 is read",
               2: "its first entry is decoded", 3: "and its last; column 4 follows",
               4: "no entries: decode_column is occupied for one cycle", 5: "column 5's only entry",
               6: "the token", 7: "decode_column is empty; the last entry is there"})


def _huffman():
    config = CONFIG.replace(encodings=("huffman",), max_code_length=4)
    # Runs 0, 10, 11; codes 00, 01, 10, 110, 111.
    tables = ({"run_limit": 8, "run_offset": 0, "code_limit": 0, "code_offset": 0},
              {"run_limit": 16, "run_offset": 255, "code_limit": 12, "code_offset": 0},
              {"run_limit": 16, "run_offset": 0, "code_limit": 16, "code_offset": 253},
              {"run_limit": 16, "run_offset": 0, "code_limit": 16, "code_offset": 0})
    return Trace(
        block=huffman.HuffmanDecoder(config), cycles=3,
        inputs={"tables": tables, "window": [0b00001011, 0b10110110, 0b11011010]},
        columns=("window", "run", "code", "length"), formats={"window": "{:08b}".format},
        notes={0: "run 0, then code 00: 3 bits", 1: "run 10, then code 110: 5 bits",
               2: "run 11, then code 01: 4 bits"})


def _codebook():
    load = [{"load_codebook": 1, "load_address": number, "load_data": weight}
            for number, weight in enumerate((0, 2, -1 % 256, 4))]
    coded = [_VALUE | {"act": 3, "code": 1, "first": 1}, _VALUE | {"act": 3, "code": 2}]
    literal = _VALUE | {"act": 3, "weight": 5, "first": 1}
    return Trace(
        block=codebook.Codebook(CONFIG), cycles=4, prepare=load,
        inputs={"i": [*coded, literal],
                "layer": [{"encoding": 1}, {"encoding": 1}, {"encoding": 1}, {"encoding": 0}]},
        columns=("i", "o"),
        fields={"i": ("act", "run", "code", "weight"), "o": ("act", "run", "weight")},
        valid={"i": range(3), "o": range(1, 4)},
        notes={0: "code 1 is looked up", 1: "it stands for 2", 2: "code 2 stands for -1",
               3: "a `csr` layer: the entry's own weight passes"})


def _address():
    given = [_VALUE | {"act": 3, "weight": 2, "first": 1}, _VALUE | {"act": 3, "weight": -1},
             _VALUE | {"act": 5, "run": 15, "first": 1}, _VALUE | {"act": 5, "run": 1, "weight": 4}]
    config = CONFIG.replace(acc_depth=32)
    return Trace(
        block=address.RowAddress(config), cycles=5,
        inputs={"i_valid": [1, 1, 1, 1], "i": given}, columns=("i", "o", "filler"),
        fields={"i": ("run", "weight", "first"), "o": ("act", "weight", "row")},
        notes={0: "a column's first entry", 1: "row 0; one entry further",
               2: "row 1; a new column begins with a filler", 3: "row 15, weight 0",
               4: "row 15 + 1 + 1"})


def _multiply():
    given = [{"act": 3, "weight": 2, "row": 0, "bank": 0},
             {"act": 3, "weight": -1, "row": 1, "bank": 0},
             {"act": -2, "weight": 1, "row": 0, "bank": 0}]
    return Trace(
        block=multiply.Multiply(CONFIG), cycles=4,
        inputs={"i_valid": [1, 1, 1], "i": given}, columns=("i", "o"),
        notes={0: "3 x 2 begins", 1: "3 x 2 = 6; 3 x -1 begins", 2: "3 x -1 = -3; -2 x 1 begins",
               3: "-2 x 1 = -2"})


def _accumulators():
    given = [{"value": 6, "row": 0, "bank": 0}, {"value": -2, "row": 0, "bank": 0},
             {"value": -3, "row": 1, "bank": 0}]
    return Trace(
        block=accumulators.Accumulators(CONFIG), cycles=10,
        inputs={"i_valid": [1, 1, 1], "i": given, "read_en": [0] * 6 + [1, 1, 1],
                "read_row": [0] * 6 + [0, 1, 0], "clear": [0] * 6 + [1]},
        columns=("i", "read_en", "read_row", "clear", "acc"),
        valid={"read_row": "read_en", "acc": range(7, 10)},
        notes={0: "row 0 is read", 1: "row 0 again: it takes the sum that is on its way",
               2: "row 1 is read; 0 + 6", 3: "6 - 2", 4: "0 - 3", 5: "all sums are written",
               6: "the writeback reads row 0 and clears it", 7: "row 0 was 4; row 1 is read",
               8: "row 1 was -3; row 0 is read again", 9: "row 0 is 0"})


def _requantise():
    return Trace(
        block=requantise.Requantise(CONFIG), cycles=16,
        inputs={"phase": [cycle % 8 for cycle in range(16)], "acc": [0] + [-23] * 7,
                "quarter": [0, *_QUARTERS, *_QUARTERS[2:] * 2]},
        columns=("phase", "acc", "quarter", "act", "saturated"),
        formats={"quarter": "{:04x}".format}, noted=True,
        valid={"acc": range(1, 8), "quarter": range(1, 9), "act": range(14, 15),
               "saturated": range(14, 15)},
        notes={0: "the row's first read: x = 0", 1: "bias low; the sum is here", 2: "bias high",
               3: "M0 = 8000, since 2^14 x 2^(16-15) = 2^15", 4: "M1 = 0; digit b0 of the sum",
               5: "M0 for b1", 6: "digit 0 of the product", 7: "M0 for b2; the last read",
               8: "digit 1 is the result's", 10: "digit 2 must repeat its sign",
               12: "digit 4", 14: "-23 / 2 = -11.5, rounded half up"})


def _writeback():
    words = [quarter for _ in range(2) for quarter in _QUARTERS]
    load = [{"load_en": 1, "load_address": number, "load_data": word}
            for number, word in enumerate(words)]
    return Trace(
        block=writeback.Writeback(CONFIG), cycles=25,
        prepare=[*load, {"layer": LAYER}, {"layer": LAYER, "layer_start": 1}],
        inputs={"layer": LAYER, "vector_start": [1], "acc": [0] * 2 + [4] * 8 + [-3] * 8},
        columns=("vector_start", "read_en", "read_row", "clear", "acc", "released", "write_en", "o",
                 "done"),
        valid={"read_row": "read_en", "o": "write_en", "acc": range(2, 18)}, noted=True,
        fields={"o": ("act", "address")},
        notes={0: "a token has reached the accumulators", 1: "row 0 is read, for eight cycles",
               2: "its sum is here", 8: "and cleared in the last of them", 9: "row 1 is read",
               10: "its sum is here", 15: "row 0 is written: 14 cycles after its first read",
               16: "row 1 was the last one: the bank is free", 23: "row 1 is written",
               24: "the layer's only vector is done"})


def _activations():
    return Trace(
        block=activations.Activations(CONFIG), cycles=6,
        inputs={"load_a": [1], "load_address": [2], "load_data": [3],
                "write_en": [0, 1], "i": [{}, {"act": -11, "address": 1}, {}],
                "read_en": [0, 1, 0, 1, 1], "read_b": [0, 0, 0, 1, 0],
                "read_address": [0, 2, 0, 1, 2], "swap": 0},
        columns=("load_a", "write_en", "i", "read_en", "read_b", "read_address", "data"),
        fields={"i": ("act", "address")},
        valid={"i": "write_en", "read_b": "read_en", "read_address": "read_en",
               "data": range(2, 6)},
        notes={0: "the host loads 3 into A[2]",
               1: "A is the source: A[2] is read, and a result goes into B[1]",
               2: "A[2] was 3; nothing is read", 3: "the output is held; B[1] is read",
               4: "the result; A[2] is read again", 5: "A[2]"})


def _counters():
    clear = [{"clear": 1, "clear_index": index} for index in range(7)]
    # In decode_column: two entries, the second a filler; an empty column; a token.
    return Trace(
        block=counters.Counters(CONFIG), cycles=17, prepare=[*clear, {}, {}, {}],
        inputs={"running": [0] + [1] * 7, "entry": [1, 1], "empty": [0, 0, 1],
                "token": [0, 0, 0, 1], "filler": [0] * 5 + [1], "finished": [0] * 4 + [1] * 13,
                "address": [0] * 12 + [1, 2, 5, 3]},
        columns=("entry", "empty", "token", "filler", "running", "address", "data"),
        noted=True, valid={"address": range(11, 16), "data": range(12, 17)},
        notes={0: "D holds an entry", 1: "another one; the layer runs", 2: "an empty column",
               3: "the token", 4: "the first entry counts as `busy`",
               5: "the second was a filler, as is known now", 6: "`empty_column`",
               7: "`writeback`; `running` ends", 11: "counter 0 is read", 12: "`busy`",
               13: "`filler`", 14: "`empty_column`", 15: "`writeback`",
               16: "`starved`: 8 of the descriptor's fetch, 3 before the first entry"})


TRACES = {"pointers": _pointers, "entries": _entries, "huffman": _huffman,
          "codebook": _codebook, "address": _address, "multiply": _multiply,
          "accumulators": _accumulators, "requantise": _requantise, "writeback": _writeback,
          "activations": _activations, "counters": _counters}
