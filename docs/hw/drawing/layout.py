# SPDX-License-Identifier: Apache-2.0
"""Where the cells of a block's drawing stand, and which way its arrows take."""
import re
from dataclasses import dataclass, field

from .svg import text_width

__all__ = ["Cell", "Inside", "Layout", "GAP"]

GAP = 30


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

    def cells(self) -> dict[str, "Cell"]:
        """Cells by name; where they stand is still to be found."""
        found = {}
        grid = re.sub(r"\|\s*\n", "|", self.grid.strip())
        for row, line in enumerate(grid.split("\n")):
            for column, text in enumerate(line.split("|")):
                name, _, label = text.strip().partition(":")
                if name == "-":
                    continue
                lines = "\n".join(part.strip() for part in label.split("/"))
                kind = "memory" if name.endswith("*") else "box"
                found[name.rstrip("*")] = Cell(column, row, lines, kind)
        return found


@dataclass
class Cell:
    """A box with a label, in a column and a row."""
    column: int
    row: int
    label: str
    kind: str
    left: float = field(default=0, init=False)
    top: float = field(default=0, init=False)
    width: float = field(default=0, init=False)
    height: float = field(default=0, init=False)

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle, x and y."""
        return self.left + self.width / 2, self.top + self.height / 2


class Layout:
    """Cells in a grid whose columns and rows are as wide and high as their labels need."""
    def __init__(self, inside: Inside):
        self.cells = inside.cells()
        self.arrows = [tuple(arrow.split(">")) for arrow in inside.arrows.split()]
        self.widths = self._sizes("column", lambda lines: max(map(text_width, lines)) + 16)
        self.heights = self._sizes("row", lambda lines: 16 * len(lines) + 14)
        self.width = sum(self.widths) + GAP * (len(self.widths) + 1)
        self.height = sum(self.heights) + GAP * (len(self.heights) - 1)

    def _sizes(self, axis, needed):
        count = 1 + max(getattr(cell, axis) for cell in self.cells.values())
        sizes = [0.0] * count
        for cell in self.cells.values():
            place = getattr(cell, axis)
            sizes[place] = max(sizes[place], needed(cell.label.split("\n")))
        return sizes

    def place(self, x: float, y: float) -> None:
        """Give every cell its place, the grid's left upper corner being at x and y."""
        for cell in self.cells.values():
            cell.left = x + GAP * (cell.column + 1) + sum(self.widths[:cell.column])
            cell.top = y + GAP * cell.row + sum(self.heights[:cell.row])
            cell.width = self.widths[cell.column]
            cell.height = self.heights[cell.row]

    def route(self, start: str, end: str, edges: tuple[float, float]) -> list[tuple]:
        """Corners of an arrow; ``edges`` are the block's.

        Raises
        ------
        ValueError : another cell is in its way.
        """
        crossed = self._crossed(start, end)
        if crossed:
            raise ValueError(f"{start}>{end} crosses {crossed}")
        if not start:
            cell = self.cells[end]
            return [(edges[0], cell.middle[1]), (cell.left, cell.middle[1])]
        if not end:
            cell = self.cells[start]
            return [(cell.right, cell.middle[1]), (edges[1], cell.middle[1])]
        one, other = self.cells[start], self.cells[end]
        is_pair = (end, start) in self.arrows
        if one.column == other.column:
            return _down(one, other, is_pair)
        return _along(one, other, is_pair)

    def _crossed(self, start, end):
        """Names of the cells on the way along start's row and then end's column."""
        one, other = self.cells[start or end], self.cells[end or start]
        first = one.column if start else -1
        last = other.column if end else len(self.widths)
        along = range(min(first, last), max(first, last) + 1)
        down = range(min(one.row, other.row), max(one.row, other.row) + 1)
        way = {(column, one.row) for column in along} | {(last, row) for row in down}
        return [name for name, cell in self.cells.items()
                if (cell.column, cell.row) in way and name not in (start, end)]


def _down(one, other, is_pair):
    """Straight down or up; the two arrows of a pair stand beside each other."""
    x = one.middle[0]
    if one.row < other.row:
        x += 8 * is_pair
        return [(x, one.bottom), (x, other.top)]
    x -= 8 * is_pair
    return [(x, one.top), (x, other.bottom)]


def _along(one, other, is_pair):
    """Along a row to a neighbour, or on from there to a cell above or below."""
    goes_right = one.column < other.column
    y = one.middle[1]
    if is_pair and one.row == other.row:
        y += 6 if goes_right else -6
    begin = (one.right if goes_right else one.left, y)
    if one.row == other.row:
        return [begin, (other.left if goes_right else other.right, y)]
    x = other.middle[0]
    return [begin, (x, y), (x, other.top if one.row < other.row else other.bottom)]
