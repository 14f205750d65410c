# SPDX-License-Identifier: Apache-2.0
"""A sweep's charts: cycles over each field, and the Pareto front of each layer or network."""
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...core.host.chart_style import COLOURS, MARKERS, plain_number, tidy_axes
from .charts import short_name, svg
from .figures import PaperFigure
from .grid import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["sweep_charts", "draw_front"]

#: What the cycles are drawn against.
_COSTS = {"energy_pj": "energy (pJ, a model)", "memory_bits": "memory (bits)",
          "luts": "LUT4 (an estimate)"}


def sweep_charts(sweep: Sweep, rows: list[dict[str, Any]]) -> Iterator[PaperFigure]:
    """A chart for each swept field of positive numbers: the fewest cycles of each layer or network
    over the field, whatever the other fields are.

    rows : as :func:`.sweep.run_sweep` returns them.
    """
    for field, values in sweep.grid.items():
        if not all(isinstance(value, int) and value > 0 for value in values):
            continue
        x = tuple(sorted(values))
        series = {}
        for name in dict.fromkeys(row["name"] for row in rows):
            series[name] = tuple(_fewest_cycles(rows, name, field, value) for value in x)
        yield PaperFigure(name=f"cycles-{field}", title=f"Fewest cycles over {field}",
                          x_label=field, y_label="cycles", x=x, series=series, log_y=True)


def _fewest_cycles(rows: list[dict[str, Any]], name: str, field: str, value: int) -> float:
    """NaN if no point with this value has an array."""
    cycles = [row["cycles"] for row in rows
              if row["name"] == name and row[field] == value and row["status"] == "ok"]
    return min(cycles, default=float("nan"))


def draw_front(rows: list[dict[str, Any]]) -> bytes:
    """SVG: every point's cycles over each of its costs; points on the Pareto front are filled.

    rows : as :func:`.sweep.run_sweep` returns them.
    """
    from matplotlib.ticker import LogFormatter, NullFormatter

    def fill(figure: "Figure") -> None:
        panels = figure.subplots(1, len(_COSTS), sharey=True)
        for axes, (cost, text) in zip(panels, _COSTS.items()):
            _scatter(axes, rows, cost, labelled=axes is panels[0])
            axes.set(xscale="log", yscale="log", xlabel=text)
            axes.xaxis.set_major_formatter(plain_number)
            axes.yaxis.set_major_formatter(plain_number)
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter())
            tidy_axes(axes)
        figure.axes[0].set_ylabel("cycles")
        figure.suptitle("Cycles and their cost; filled: not beaten in cycles, energy, memory and "
                        "LUTs", x=0.02, ha="left")
        figure.legend(loc="outside right center", frameon=False)
    return svg(fill, (10, 3.8))


def _scatter(axes: "Axes", rows: list[dict[str, Any]], cost: str, *, labelled: bool) -> None:
    """The points of every layer or network; ``labelled``: they are named in the legend."""
    for number, name in enumerate(dict.fromkeys(row["name"] for row in rows)):
        colour = COLOURS[number % len(COLOURS)]
        for front in (False, True):
            points = [row for row in rows if row["name"] == name and row["status"] == "ok"
                      and row["pareto"] == front]
            look: dict[str, Any] = {"s": 12, "facecolor": "none"}
            if front:
                look = {"s": 22, "facecolor": colour,
                        "label": short_name(name) if labelled else None}
            axes.scatter([row[cost] for row in points], [row["cycles"] for row in points],
                         marker=MARKERS[number % len(MARKERS)], edgecolor=colour, linewidth=0.6,
                         **look)
