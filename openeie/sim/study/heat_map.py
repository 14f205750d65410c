# SPDX-License-Identifier: Apache-2.0
"""A sweep of two fields as a heat map: the cycles of each layer or network over both."""
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .charts import short_name, svg
from .grid import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["heat_map_fields", "draw_heat_map"]

#: Panels side by side.
_PANELS = 3
# Sizes in inches.
_CELL_WIDTH = 0.62
_CELL_HEIGHT = 0.32
_MARGIN_WIDTH = 0.6
_MARGIN_HEIGHT = 1.1
_LETTER_WIDTH = 0.085


def heat_map_fields(sweep: Sweep) -> tuple[str, str] | None:
    """The two fields that are swept; None if fewer or more than two have several values."""
    swept = [field for field, values in sweep.grid.items() if len(values) > 1]
    return (swept[0], swept[1]) if len(swept) == 2 else None


def draw_heat_map(sweep: Sweep, rows: list[dict[str, Any]]) -> bytes:
    """SVG: a panel for each layer or network, the first field downwards and the second across.

    A point without an array is left empty.

    sweep : one that has :func:`heat_map_fields`.
    rows : as :func:`.sweep.run_sweep` returns them.
    """
    fields = heat_map_fields(sweep)
    if fields is None:
        raise ValueError("a heat map needs two fields that are swept")
    down, across = (sweep.grid[field] for field in fields)
    names = list(dict.fromkeys(row["name"] for row in rows))
    columns = min(_PANELS, len(names))
    lines = math.ceil(len(names) / columns)

    def fill(figure: "Figure") -> None:
        panels = list(figure.subplots(lines, columns, squeeze=False).flat)
        for axes, name in zip(panels, names):
            _draw(axes, _cycles(name, rows, fields, (down, across)))
            axes.set_title(short_name(name), loc="left")
            axes.set_xticks(range(len(across)), [_label(value) for value in across])
            axes.set_yticks(range(len(down)), [_label(value) for value in down])
            axes.set(ylabel=fields[0], xlabel=fields[1])
        for axes in panels[len(names):]:
            axes.set_visible(False)
        figure.suptitle(f"Cycles over {fields[0]} and {fields[1]}; dark: slow, empty: refused",
                        x=0.02, ha="left")
    width = columns * _panel_width(names, across, down)
    height = lines * (len(down) * _CELL_HEIGHT + _MARGIN_HEIGHT)
    return svg(fill, (width, height))


def _panel_width(names: Sequence[str], across: Sequence[Any], down: Sequence[Any]) -> float:
    """Inches of a panel, with room for its labels and its title."""
    cell = max(_CELL_WIDTH, _text_width([_label(value) for value in across]))
    map_width = max(len(across) * cell, _text_width([short_name(name) for name in names]))
    return _MARGIN_WIDTH + _text_width([_label(value) for value in down]) + map_width


def _text_width(texts: Sequence[str]) -> float:
    """Inches of the longest text."""
    return _LETTER_WIDTH * max(map(len, texts))


def _cycles(name: str, rows: list[dict[str, Any]], fields: tuple[str, str],
            values: tuple[list, list]) -> np.ndarray:
    """Cycles, float [values of the first field, values of the second]; NaN without an array."""
    cycles = np.full([len(one) for one in values], np.nan)
    for row in rows:
        if row["name"] == name and row["status"] == "ok":
            down, across = (one.index(row[field]) for field, one in zip(fields, values))
            cycles[down, across] = row["cycles"]
    return cycles


def _draw(axes: "Axes", cycles: np.ndarray) -> None:
    """Cells and their numbers; dark is slow."""
    from matplotlib.colors import LogNorm
    down, across = cycles.shape
    axes.set(xlim=(-0.5, across - 0.5), ylim=(down - 0.5, -0.5))
    if np.isnan(cycles).all():
        return
    low = np.nanmin(cycles)
    high = np.nanmax(cycles)
    norm = LogNorm(low, max(high, low * 1.01))      # a single number has no range
    axes.pcolormesh(np.arange(across + 1) - 0.5, np.arange(down + 1) - 0.5,
                    np.ma.masked_invalid(cycles), norm=norm, cmap="cividis_r", edgecolor="white")
    for (y, x), value in np.ndenumerate(cycles):
        if not np.isnan(value):
            axes.text(x, y, f"{value:,.0f}", ha="center", va="center", fontsize=7,
                      color="white" if norm(value) > 0.5 else "black")


def _label(value: Any) -> str:
    """A field's value on an axis; the names of a list are joined by ``+``."""
    return "+".join(value) if isinstance(value, (list, tuple)) else str(value)
