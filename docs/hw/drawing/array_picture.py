# SPDX-License-Identifier: Apache-2.0
"""The picture of the whole array, from the host's link to the activation memories."""
from .svg import Canvas

__all__ = ["draw_array"]

_HEIGHT = 46
#: Left edges of the six columns in which a PE's blocks stand, and their width.
_COLUMNS = [50 + number * 136 for number in range(6)]
_WIDTH = 113


def draw_array() -> Canvas:
    """900 pixels wide, as a README shows it."""
    canvas = Canvas(900, 562, "The OpenEIE array: host link, loader, sequencer, scan, PEs")
    _link(canvas, 40)
    _control(canvas, 140)
    _broadcast(canvas, 240)
    _pes(canvas, 350)
    _between(canvas)
    return canvas


def _right(canvas, y, first, last, kind="wire"):
    """An arrow to the right, from one column to another, at the middle of a row."""
    canvas.arrow((_COLUMNS[first] + _WIDTH, y + _HEIGHT / 2), (_COLUMNS[last], y + _HEIGHT / 2),
                 kind=kind)


def _left(canvas, y, first, last):
    canvas.arrow((_COLUMNS[first], y + _HEIGHT / 2), (_COLUMNS[last] + _WIDTH, y + _HEIGHT / 2))


def _boxes(canvas, y, boxes):
    for column, (name, note, kind) in boxes.items():
        canvas.named(_COLUMNS[column], y, _WIDTH, _HEIGHT, name, note, kind)


def _link(canvas, y):
    canvas.box(12, y - 28, 876, 84, "group")
    canvas.text(24, y - 15, "host link", "small")
    canvas.text(_COLUMNS[0] + _WIDTH / 2, y + _HEIGHT / 2, "host", anchor="middle")
    _boxes(canvas, y, {1: ("UART", "8 data bits", "box"), 2: ("receiver", "whole frames", "box"),
                       3: ("executor", "each just once", "box"),
                       4: ("responder", "answers, kept", "box")})
    for column in (1, 2):
        _right(canvas, y, column, column + 1)
    _right(canvas, y, 3, 4)
    edge = _COLUMNS[0] + _WIDTH / 2 + 22
    middle = y + _HEIGHT / 2
    canvas.arrow((edge, middle), (_COLUMNS[1], middle))
    above = y - 14
    canvas.arrow((_COLUMNS[4] + _WIDTH / 2, y), (_COLUMNS[4] + _WIDTH / 2, above),
                 (_COLUMNS[1] + _WIDTH / 2, above), (_COLUMNS[1] + _WIDTH / 2, y))


def _control(canvas, y):
    _boxes(canvas, y, {1: ("loader", "writes memories", "box"),
                       2: ("sequencer", "layer after layer", "box"),
                       3: ("descriptors", "of all layers", "memory"),
                       4: ("read port", "results, counters", "box")})
    _right(canvas, y, 1, 2)
    _left(canvas, y, 3, 2)
    canvas.box(12, y - 32, 876, 446, "group")
    canvas.text(24, y - 18, "accelerator", "small")


def _broadcast(canvas, y):
    _boxes(canvas, y, {1: ("scan", "a row a cycle", "box"), 2: ("lnzd", "skips zeros", "box"),
                       3: ("broadcast", "all or none", "box")})
    for column in (1, 2):
        _right(canvas, y, column, column + 1, "stream")
    canvas.text(_COLUMNS[4] - 14, y + 14, "one (activation, column)", "small")
    canvas.text(_COLUMNS[4] - 14, y + 30, "to every PE's queue at once", "small")


def _pes(canvas, y):
    left, top, right, bottom = 36, y - 30, 858, y + 176
    canvas.box(left, top, right - left, bottom - top, "block")
    for shift in (8, 16):               # the other PEs behind the first
        canvas.arrow((right + shift - 8, top + shift), (right + shift, top + shift),
                     (right + shift, bottom + shift), (left + shift, bottom + shift),
                     (left + shift, bottom + shift - 8), head=False)
    canvas.text(222, y - 15, "PE 0 ... PE N - 1, all alike: PE k owns every N-th row of the "
                             "matrix and every N-th activation", "small")
    _boxes(canvas, y, {0: ("queue", "depth items", "box"),
                       1: ("pointers", "even, odd banks", "memory"),
                       2: ("entries", "one a cycle", "memory"),
                       3: ("decode", "codes to weights", "memory"),
                       4: ("row address", "runs added up", "box"),
                       5: ("multiply", "exact", "box")})
    for column in range(5):
        _right(canvas, y, column, column + 1)
    below = y + 84
    _boxes(canvas, below, {5: ("accumulators", "two banks", "memory"),
                           4: ("requantise", "8 cycles a row", "box"),
                           3: ("writeback", "rows in order", "box"),
                           2: ("exchange", "among clusters", "box"),
                           0: ("activations", "source, result", "memory")})
    middle = _COLUMNS[5] + _WIDTH / 2
    canvas.arrow((middle, y + _HEIGHT), (middle, below))
    for first, last in ((5, 4), (4, 3), (3, 2), (2, 0)):
        _left(canvas, below, first, last)
    canvas.text(52, y + 153, "counters: what the decode stage did in every cycle", "small")


def _between(canvas):
    """What joins the rows: commands, items, activations."""
    middle = [left + _WIDTH / 2 for left in _COLUMNS]
    # Writes and reads of the executor.
    canvas.arrow((middle[3] - 20, 86), (middle[3] - 20, 113), (middle[1], 113), (middle[1], 140))
    canvas.arrow((middle[4], 140), (middle[4], 113), (middle[3] + 20, 113), (middle[3] + 20, 86))
    # The sequencer starts the scan.
    canvas.arrow((middle[2], 186), (middle[2], 213), (middle[1], 213), (middle[1], 240))
    # The broadcast to all queues.
    canvas.arrow((middle[3], 286), (middle[3], 305), (middle[0], 305), (middle[0], 350),
                 kind="stream")
    # The activations that the scan reads.
    canvas.arrow((_COLUMNS[0], 457), (22, 457), (22, 263), (_COLUMNS[1], 263))
    canvas.text(30, 253, "activations of all PEs", "small")
    # What the host reads.
    canvas.arrow((874, 420), (881, 420), (881, 163), (_COLUMNS[4] + _WIDTH, 163))
