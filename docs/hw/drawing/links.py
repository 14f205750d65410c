# SPDX-License-Identifier: Apache-2.0
"""What else says the same as a block: its golden function and its model in the simulator."""

__all__ = ["LINKS", "TESTS", "cells", "link_line"]

_RECURRENCE = "openeie/sim/fast/recurrence_in_numpy.py"
_VALUES = "openeie/sim/fast/values.py"
_FAST = "openeie/sim/fast/fast.py"
_COLUMNS = "openeie/sim/fast/entry_columns.py"
_ENCODING = "openeie/core/entries/encoding.py"
_UNPACK = "openeie/core/compile/unpack.py"
_HUFFMAN = "openeie/core/entries/huffman.py"
_FRAMES = "openeie/core/array/link_frames.py"
_GOLDEN = "openeie/core/golden.py"
_HOST = ("openeie/boards/transport.py", "Port")
_VIRTUAL = ("openeie/boards/virtual.py", "VirtualBoard")
_REFERENCE = ("tests/support/link_reference.py", "Reference")

#: By page, in the order in which data flows: golden function (None: the block decides when or
#: where, but no value) and simulator model. Each is a file and a name that it defines. No model of
#: the link is needed to count an array's cycles: it has a reference among the tests, and a board's
#: simulation runs it.
LINKS = {
    "accelerator": ((_GOLDEN, "run"), (_FAST, "run")),
    "loader": (("openeie/core/array/load_port.py", "load_crc"),
               ("openeie/sim/rtl/drive.py", "execute")),
    "sequencer": (("openeie/core/array/descriptor.py", "read_descriptor"), (_FAST, "_run_tile")),
    "array": ((_GOLDEN, "layer"), (_RECURRENCE, "launch")),
    "scan": (("openeie/core/network/address_walk.py", "addresses"), (_RECURRENCE, "run_row")),
    "address_walk": (("openeie/core/network/address_walk.py", "addresses"), (_FAST, "_seen")),
    "lnzd": (None, ("openeie/sim/fast/recurrence.py", "find_items")),
    "broadcast": (None, (_RECURRENCE, "send")),
    "pe": ((_GOLDEN, "layer"), (_RECURRENCE, "send")),
    "queue": (None, (_RECURRENCE, "send")),
    "pointers": ((_ENCODING, "pack_fixed"), (_RECURRENCE, "send")),
    "entries": ((_ENCODING, "pack_fixed"), (_RECURRENCE, "send")),
    "huffman": ((_HUFFMAN, "match"), (_UNPACK, "_codeword")),
    "codebook": (("openeie/core/numbers/sparse.py", "from_codes"), (_UNPACK, "_read_fixed")),
    "address": ((_ENCODING, "rows"), (_COLUMNS, "columns_of_entries")),
    "multiply": ((_GOLDEN, "layer"), (_VALUES, "multiply")),
    "accumulators": ((_GOLDEN, "layer"), (_VALUES, "multiply")),
    "writeback": (("openeie/core/array/load_port.py", "channel_words"), (_RECURRENCE, "send")),
    "requantise": (("openeie/core/numbers/fixed.py", "requantise"), (_FAST, "_write_back")),
    "exchange": (None, (_RECURRENCE, "launch")),
    "activations": (("openeie/core/compile/activation_plan.py", "place_maps"), (_FAST, "_seen")),
    "counters": (("openeie/core/array/counters.py", "COUNTERS"), (_RECURRENCE, "_count_idle")),
    "link": (_REFERENCE, _VIRTUAL),
    "uart_receiver": (None, _VIRTUAL),
    "receive": ((_FRAMES, "Request"), _VIRTUAL),
    "cobs_decoder": (_HOST, _VIRTUAL),
    "buffer": (None, _VIRTUAL),
    "execute": (_REFERENCE, _VIRTUAL),
    "check": (_REFERENCE, _VIRTUAL),
    "words": (_REFERENCE, _VIRTUAL),
    "identity": ((_FRAMES, "Identity"), _VIRTUAL),
    "respond": (_REFERENCE, _VIRTUAL),
    "cobs_encoder": (_HOST, _VIRTUAL),
    "uart_transmitter": (None, _VIRTUAL),
}

#: Blocks whose test stands in a file that has another block's name.
TESTS = {"requantise": "test_writeback.py"}


def cells(block) -> tuple[str, str, str, str]:
    """Links in Markdown from ``docs/hw``: golden function, gateware, simulator model, test."""
    golden, model = LINKS[block.name]
    return (_code(golden), _code((block.gateware, block.title)), _code(model), _test(block))


def link_line(block) -> str:
    """The links of a block's page."""
    golden, gateware, model, test = cells(block)
    return " ·\n".join((f"Golden function: {golden}", f"Gateware: {gateware}",
                        f"Simulator model: {model}", f"Test: {test}"))


def _code(place) -> str:
    if place is None:
        return "none"
    path, name = place
    return f"[`{name}`](../../{path})"


def _test(block) -> str:
    file = TESTS.get(block.name, f"test_{block.gateware.rpartition('/')[2]}")
    folder = block.folder.replace("openeie/", "tests/")
    return f"[`{file}`](../../{folder}/{file})"
