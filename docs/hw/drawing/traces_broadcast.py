# SPDX-License-Identifier: Apache-2.0
"""Worked traces: from the activation memories to the queues, and back between clusters."""
from openeie.hw import address_walk, broadcast, exchange, lnzd, queue, scan

from .simulate import Feed, Trace
from .worked import CONFIG, INPUTS, ITEMS, LAYER

__all__ = ["TRACES"]

_ROWS = [INPUTS[first:first + 2] for first in (0, 2, 4)]


def _scan():
    return Trace(
        block=scan.Scan(CONFIG), cycles=7,
        inputs={"scan_start": [1], "layer": LAYER, "o.ready": 1, "acts": [[0, 0], [0, 0], *_ROWS]},
        columns=("scan_start", "en", "address", "acts", "o"),
        fields={"o": ("acts", "column", "last")},
        notes={0: "the sequencer starts the layer", 1: "row 0 is read in every PE's memory",
               2: "the memories answer; row 1 is read", 3: "row 0 is offered; row 2 is read",
               4: "column 2 = one row of two PEs further",
               5: "the vector's last row", 6: "nothing more to read"})


def _lnzd():
    rows = [{"acts": acts, "column": 2 * number, "last": number == 2}
            for number, acts in enumerate(_ROWS)]
    return Trace(
        block=lnzd.Lnzd(CONFIG), cycles=7, inputs={"i": Feed(rows), "o.ready": 1},
        columns=("i", "o"), fields={"i": ("acts", "column", "last")},
        notes={0: "row 0 is taken into the buffer", 1: "its only hit leaves, so row 1 is taken",
               2: "row 1 has no hit: it costs this one cycle", 3: "lane 0: column 4 + 0",
               4: "lane 1: column 4 + 1", 5: "that row was the last: a token follows",
               6: "nothing to do"})


def _broadcast():
    return Trace(
        block=broadcast.Broadcast(CONFIG, 2), cycles=8,
        inputs={"i": Feed(ITEMS), "ready": [3, 3, 3, 1, 1, 3, 3, 3],
                "ready_two": [3, 3, 1, 1, 1, 1, 3, 3]},
        columns=("i", "ready", "ready_two", "push", "item", "blocked"),
        valid={"item": "push"}, formats={"ready": "{:02b}".format, "ready_two": "{:02b}".format},
        notes={0: "the register takes the first item", 1: "it goes to both queues",
               2: "the second goes; PE 1's queue has room for this one only",
               3: "so the third waits", 4: "PE 1 takes nothing out of its queue yet",
               5: "a place is free, which is learnt a cycle late",
               6: "the third item goes", 7: "and the token"})


def _queue():
    return Trace(
        block=queue.ActivationQueue(8, depth=2), cycles=8,
        inputs={"i": Feed([11, 22, 33]), "o.ready": [0, 0, 0, 1, 0, 1, 1]},
        columns=("i", "o", "ready_two"),
        notes={0: "empty; 11 goes in", 1: "11 is offered, nobody takes it; 22 goes in",
               2: "full: 33 waits", 3: "11 is taken; the place is offered a cycle later",
               4: "33 goes in", 5: "full again; 22 is taken", 6: "33 is taken", 7: "empty"})


def _address_walk():
    config = CONFIG.replace(operations=("linear", "conv"))
    layer = {"kernel_height": 2, "kernel_width": 2, "stride_y": 1, "stride_x": 1, "pad_left": 1,
             "pixel_rows": 1, "height": 3, "width": 3, "out_height": 2, "out_width": 3,
             "origin": -1 % 32, "pixel_step": 1, "row_step": 2, "x_step": 1, "y_step": 3}
    return Trace(
        block=address_walk.AddressWalk(config), cycles=9,
        inputs={"scan_start": [1], "layer": layer, "step": [0] + [1] * 8, "last_cluster": 1,
                "last": [0, 0, 0, 0, 1, 0, 0, 0, 1]},
        columns=("scan_start", "last", "address", "inside", "pixel_ends"),
        notes={0: "the position at the left edge: its first column is padding",
               1: "outside the map: the address means nothing", 2: "pixel (0, 0)",
               3: "the kernel's second line, padding again",
               4: "pixel (1, 0); the position's last row",
               5: "the next position, one pixel further: pixel (0, 0)", 6: "pixel (0, 1)",
               7: "pixel (1, 0): two rows after the one before", 8: "pixel (1, 1)"})


def _exchange():
    config = CONFIG.replace(clusters=2, operations=("linear", "conv"))
    nothing = {"act": 0, "address": 0, "cluster": 0}
    first = [nothing, {"act": 7, "address": 6, "cluster": 0}]
    second = [nothing, {"act": 9, "address": 6, "cluster": 1}]
    return Trace(
        block=exchange.Exchange(config), cycles=12,
        inputs={"clustered": 1, "i_valid": [2, *[0] * 7, 2],
                "i": [first, *[[nothing] * 2] * 7, second]},
        columns=("i_valid", "i", "o_valid", "o"),
        formats={"i_valid": "{:02b}".format, "o_valid": "{:02b}".format},
        valid={"i": "i_valid", "o": "o_valid"}, noted=True,
        notes={0: "cluster 1's PE has a result that belongs into cluster 0's memory",
               1: "it is held, and its PE's turn comes",
               2: "7 goes into cluster 0's memory, a 0 into cluster 1's",
               8: "its next row, 8 cycles later, belongs into its own memory",
               9: "held", 10: "9 goes into cluster 1's memory alone, in place of the 0"})


TRACES = {"scan": _scan, "lnzd": _lnzd, "broadcast": _broadcast, "queue": _queue,
          "address_walk": _address_walk, "exchange": _exchange}
