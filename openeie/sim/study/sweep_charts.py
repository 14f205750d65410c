# SPDX-License-Identifier: Apache-2.0
"""A sweep's pictures: cycles over each field, and the Pareto front of each layer or network."""
from collections.abc import Iterator
from typing import Any

from .charts import COLOURS, MARKERS, short_name, svg
from .figures import PaperFigure
from .grid import Sweep

__all__ = ["sweep_charts", "draw_front"]

#: What the cycles are drawn against.
_COSTS = {"energy_pj": "energy (pJ, a model)", "memory_bits": "memory (bits)",
          "luts": "LUT4 (an estimate)"}


def sweep_charts(sweep: Sweep, rows: list[dict[str, Any]]) -> Iterator[PaperFigure]:
    """For each swept field of numbers, the fewest cycles of each layer or network that any of
    the other fields' values gives."""
    for field, values in sweep.grid.items():
        if not all(isinstance(value, int) and value > 0 for value in values):
            continue
        x = tuple(sorted(values))
        series = {}
        for name in dict.fromkeys(row["name"] for row in rows):
            best = [min((row["cycles"] for row in rows if row["name"] == name
                         and row[field] == value and row["status"] == "ok"),
                        default=float("nan")) for value in x]
            series[name] = tuple(best)
        yield PaperFigure(name=f"cycles-{field}", title=f"Fewest cycles over {field}",
                          x_label=field, y_label="cycles", x=x, series=series, log_y=True)


def draw_front(rows: list[dict[str, Any]]) -> bytes:
    """SVG: every point's cycles against what it costs; those on the front are filled."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import LogFormatter, NullFormatter

    def fill(canvas: Canvas) -> None:
        for axes, (cost, words) in zip(canvas.subplots(1, len(_COSTS), sharey=True),
                                       _COSTS.items()):
            for number, name in enumerate(dict.fromkeys(row["name"] for row in rows)):
                colour = COLOURS[number % len(COLOURS)]
                for front in (False, True):
                    mine = [row for row in rows if row["name"] == name and row["status"] == "ok"
                            and row["pareto"] == front]
                    axes.scatter([row[cost] for row in mine], [row["cycles"] for row in mine],
                                 s=22 if front else 12, marker=MARKERS[number % len(MARKERS)],
                                 facecolor=colour if front else "none", edgecolor=colour,
                                 linewidth=0.6, label=short_name(name) if front and
                                 axes.get_subplotspec().is_first_col() else None)
            axes.set(xscale="log", yscale="log", xlabel=words)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter())
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        canvas.axes[0].set_ylabel("cycles")
        canvas.suptitle("Cycles and their cost; filled: not beaten in cycles, energy, memory and "
                        "LUTs", x=0.02, ha="left")
        canvas.legend(loc="outside right center", frameon=False)
    return svg(fill, (10, 3.8))
