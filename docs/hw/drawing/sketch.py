# SPDX-License-Identifier: Apache-2.0
"""The drawing of one block: its ports at the sides, what is inside in the middle."""
import re
from dataclasses import dataclass

from .ports import Port, shape_text
from .svg import Canvas, text_width

__all__ = ["Inside", "draw_block"]

_LINE, _GAP, _TITLE, _WIRE = 20, 30, 40, 26
_PAD = 18


@dataclass(frozen=True)
class Inside:
    """What is in a block, as text.

    Lines of ``grid`` are rows of cells, parted by ``|``, after which a line may break; a cell
    is ``-``, or ``name: label``, in which ``/`` begins a new line. A name with a star is a
    memory. ``arrows`` are ``a>b``: along a row or a column, or along a's row and then b's
    column. ``>a`` comes from the block's left edge, ``a>`` goes to its right one.
    """
    grid: str
    arrows: str

    def cells(self) -> dict[str, tuple[int, int, str, str]]:
        """Column, row, label and kind of each cell by name."""
        found = {}
        grid = re.sub(r"\|\s*\n", "|", self.grid.strip())
        for row, line in enumerate(grid.split("\n")):
            for column, cell in enumerate(line.split("|")):
                name, _, label = cell.strip().partition(":")
                if name != "-":
                    kind = "memory" if name.endswith("*") else "box"
                    lines = "\n".join(part.strip() for part in label.split("/"))
                    found[name.rstrip("*")] = (column, row, lines, kind)
        return found


class _Layout:
    """Where the cells stand, from the block's inner corner on."""
    def __init__(self, inside: Inside):
        self.cells = inside.cells()
        columns = 1 + max(cell[0] for cell in self.cells.values())
        rows = 1 + max(cell[1] for cell in self.cells.values())
        self.widths, self.heights = [0.0] * columns, [0.0] * rows
        for column, row, label, _ in self.cells.values():
            lines = label.split("\n")
            self.widths[column] = max(self.widths[column], *(text_width(line) + 16
                                                             for line in lines))
            self.heights[row] = max(self.heights[row], 16 * len(lines) + 14)
        self.width = sum(self.widths) + _GAP * (columns + 1)
        self.height = sum(self.heights) + _GAP * rows

    def place(self, name: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of a cell."""
        column, row, _, _ = self.cells[name]
        x = _GAP * (column + 1) + sum(self.widths[:column])
        y = _GAP * row + sum(self.heights[:row])
        return x, y, self.widths[column], self.heights[row]


def draw_block(title: str, ports: list[Port], inside: Inside) -> Canvas:
    """Inputs left, outputs right, each in the order of the signature; streams are thick."""
    layout = _Layout(inside)
    sides = [[port for port in ports if port.is_input], [port for port in ports
                                                          if not port.is_input]]
    margins = [max([text_width(port.name + _muted(port), "mono") for port in side] or [0])
               for side in sides]
    ports_height = layout.heights[0] / 2 + _LINE * (max(map(len, sides)) - 1) + _LINE
    body_height = _TITLE + max(layout.height - 10, ports_height) + 6
    body_width = max(layout.width, text_width(title, "bold") + 40)
    left = _PAD + margins[0] + 8 + _WIRE
    right = left + body_width
    canvas = Canvas(right + _WIRE + 8 + margins[1] + _PAD, body_height + 2 * _PAD,
                    f"{title}: ports and what is inside")
    canvas.box(left, _PAD, body_width, body_height, "block")
    canvas.text((left + right) / 2, _PAD + 20, title, "bold", anchor="middle")
    top = _PAD + _TITLE + 6
    _ports(canvas, sides, left, right, top + layout.heights[0] / 2)
    _inside(canvas, layout, inside, left + (body_width - layout.width) / 2, top, (left, right))
    return canvas


def _muted(port: Port) -> str:
    text = shape_text(port.shapes)
    return "" if text == "1" else f" {text}"


def _ports(canvas, sides, left, right, first):
    for side, ports in enumerate(sides):
        for number, port in enumerate(ports):
            y = first + number * _LINE
            kind = "stream" if port.is_stream else "wire"
            if side == 0:
                canvas.text(left - _WIRE - 8, y, port.name, "mono", anchor="end",
                            muted=_muted(port))
                canvas.arrow((left - _WIRE, y), (left, y), kind=kind)
            else:
                canvas.arrow((right, y), (right + _WIRE, y), kind=kind)
                canvas.text(right + _WIRE + 8, y, port.name, "mono", muted=_muted(port))


def _inside(canvas, layout, inside, x, y, edges):
    pairs = inside.arrows.split()
    for arrow in pairs:
        start, end = arrow.split(">")
        both = f"{end}>{start}" in pairs
        canvas.arrow(*((a if a in edges else x + a, y + b) for a, b in
                       _route(layout, start, end, both,
                              (edges[0] - x, edges[1] - x))),
                     head=bool(end) or layout.cells[start][1] > 0)
    for name, (_, _, label, kind) in layout.cells.items():
        left, top, width, height = layout.place(name)
        canvas.labelled(x + left, y + top, width, height, label, kind)


def _crossed(layout, start, end):
    """Names of the cells on an arrow's way along start's row and then end's column."""
    columns = range(1 + max(cell[0] for cell in layout.cells.values()))
    first, row = layout.cells[start or end][:2]
    last, last_row = layout.cells[end or start][:2]
    if not start:
        first = -1
    if not end:
        last = len(columns)
    along = range(min(first, last), max(first, last) + 1)
    down = range(min(row, last_row), max(row, last_row) + 1)
    way = {(column, row) for column in along} | {(last, place) for place in down}
    return [name for name, cell in layout.cells.items()
            if cell[:2] in way and name not in (start, end)]


def _route(layout, start, end, both, edges):
    """Corners of an arrow between two cells, or between a cell and an edge of the block."""
    if _crossed(layout, start, end):
        raise ValueError(f"{start}>{end} crosses {_crossed(layout, start, end)}")
    if not start or not end:
        left, top, width, height = layout.place(start or end)
        middle = top + height / 2
        return [(edges[0], middle), (left, middle)] if not start \
            else [(left + width, middle), (edges[1], middle)]
    ax, ay, aw, ah = layout.place(start)
    bx, by, bw, bh = layout.place(end)
    same_row = layout.cells[start][1] == layout.cells[end][1]
    if layout.cells[start][0] == layout.cells[end][0]:
        shift = (8 if ay < by else -8) * both
        x = ax + min(aw, bw) / 2 + shift if aw == bw else ax + aw / 2 + shift
        return [(x, ay + ah), (x, by)] if ay < by else [(x, ay), (x, by + bh)]
    from_left = ax < bx
    y = ay + ah / 2 + (6 if from_left else -6) * (both and same_row)
    begin = (ax + aw, y) if from_left else (ax, y)
    if same_row:
        return [begin, (bx, y) if from_left else (bx + bw, y)]
    middle = bx + bw / 2
    return [begin, (middle, y), (middle, by if ay < by else by + bh)]
