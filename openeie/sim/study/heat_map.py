# SPDX-License-Identifier: Apache-2.0
"""A sweep of two fields as a map: the cycles of every layer or network over both."""
import math
from typing import Any

import numpy as np

from .charts import short_name, svg
from .grid import Sweep

__all__ = ["heat_map_fields", "draw_heat_map"]

_PANELS = 3                     # side by side
_CELL, _MARGIN = (0.62, 0.32), (0.6, 1.1)           # inches, across and down
_LETTER = 0.085                                     # and of a letter


def heat_map_fields(sweep: Sweep) -> tuple[str, str] | None:
    """The two fields that are swept; None if more or fewer have several values."""
    swept = [field for field, values in sweep.grid.items() if len(values) > 1]
    return (swept[0], swept[1]) if len(swept) == 2 else None


def draw_heat_map(sweep: Sweep, rows: list[dict[str, Any]]) -> bytes:
    """SVG: a panel for each layer or network, the first field downwards and the second across.

    sweep : one that has :func:`heat_map_fields`; rows : as :func:`.sweep.run_sweep` returns them.
    A point without an array is left empty.
    """
    fields = heat_map_fields(sweep)
    if fields is None:
        raise ValueError("a heat map needs two fields that are swept")
    down, across = (sweep.grid[field] for field in fields)
    names = list(dict.fromkeys(row["name"] for row in rows))
    columns = min(_PANELS, len(names))
    height = math.ceil(len(names) / columns)

    def fill(canvas) -> None:
        panels = list(canvas.subplots(height, columns, squeeze=False).flat)
        for axes, name in zip(panels, names):
            _draw(axes, _cycles(name, rows, fields, (down, across)))
            axes.set_title(short_name(name), loc="left")
            axes.set_xticks(range(len(across)), [_label(value) for value in across])
            axes.set_yticks(range(len(down)), [_label(value) for value in down])
            axes.set(ylabel=fields[0], xlabel=fields[1])
        for axes in panels[len(names):]:
            axes.set_visible(False)
        canvas.suptitle(f"Cycles over {fields[0]} and {fields[1]}; dark: slow, empty: refused",
                        x=0.02, ha="left")
    return svg(fill, (columns * _width(names, across, down),
                      height * (len(down) * _CELL[1] + _MARGIN[1])))


def _width(names: list[str], across: list, down: list) -> float:
    """Inches of a panel, with room for what stands at its axes and above it."""
    def longest(texts) -> float:
        return _LETTER * max(map(len, texts))
    cell = max(_CELL[0], longest(map(_label, across)))
    return _MARGIN[0] + longest(map(_label, down)) + max(len(across) * cell,
                                                         longest(map(short_name, names)))


def _cycles(name: str, rows: list[dict[str, Any]], fields: tuple[str, str],
            values: tuple[list, list]) -> np.ndarray:
    """Of each value of the first field by those of the second; NaN where there is no array."""
    cycles = np.full([len(one) for one in values], np.nan)
    for row in rows:
        if row["name"] == name and row["status"] == "ok":
            down, across = (one.index(row[field]) for field, one in zip(fields, values))
            cycles[down, across] = row["cycles"]
    return cycles


def _draw(axes, cycles: np.ndarray) -> None:
    """Cells and their numbers; dark is slow."""
    from matplotlib.colors import LogNorm
    down, across = cycles.shape
    axes.set(xlim=(-0.5, across - 0.5), ylim=(down - 0.5, -0.5))
    if np.isnan(cycles).all():
        return
    low, high = np.nanmin(cycles), np.nanmax(cycles)
    norm = LogNorm(low, max(high, low * 1.01))      # of one number there is no range
    axes.pcolormesh(np.arange(across + 1) - 0.5, np.arange(down + 1) - 0.5,
                    np.ma.masked_invalid(cycles), norm=norm, cmap="cividis_r", edgecolor="white")
    for (y, x), value in np.ndenumerate(cycles):
        if not np.isnan(value):
            axes.text(x, y, f"{value:,.0f}", ha="center", va="center", fontsize=7,
                      color="white" if norm(value) > 0.5 else "black")


def _label(value: Any) -> str:
    """Of a field that is a list of names, too."""
    return "+".join(value) if isinstance(value, (list, tuple)) else str(value)
