# SPDX-License-Identifier: Apache-2.0
"""A figure of the paper as an SVG; the same numbers give the same bytes."""
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.host.chart_style import (CHART_STYLE, COLOURS, MARKERS, NOTE_COLOUR, file_bytes,
                                      plain_number, tidy_axes)
from ...core.host.shown import label, shown
from .figures import PaperFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["short_name", "svg", "draw_chart"]


def short_name(name: str) -> str:
    """The name in at most 40 characters: a path would take the chart's room."""
    return label(name if len(name) <= 40 else f"{name[:10]}...{name[-27:]}")


def svg(fill: Callable[["Figure"], None], size: tuple[float, float]) -> bytes:
    """The SVG that ``fill`` draws into a figure of ``size`` inches; matplotlib loads only here."""
    import matplotlib
    from matplotlib.figure import Figure
    with matplotlib.rc_context(CHART_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        fill(figure)
        return file_bytes(figure, "svg")


def draw_chart(chart: PaperFigure) -> bytes:
    """The SVG of a figure: bars if its x are words, otherwise lines."""
    has_bars = isinstance(chart.x[0], str)

    def fill(figure: "Figure") -> None:
        axes = figure.subplots()
        if has_bars:
            _draw_bars(axes, chart)
        else:
            _draw_lines(axes, chart)
        if len(chart.series) > 1:
            figure.legend(loc="outside right center", frameon=False)
        axes.set_title(shown(chart.title), loc="left")
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        tidy_axes(axes, grid="y" if has_bars else "both")
        if chart.note:
            figure.supxlabel(shown(chart.note), fontsize=8, x=0.02, ha="left", color=NOTE_COLOUR)
    return svg(fill, (7.2, 4.2))


def _draw_bars(axes: "Axes", chart: PaperFigure) -> None:
    """A bar with its number above it for each value of the only series."""
    (values,) = chart.series.values()
    for number, value in enumerate(values):
        axes.bar(number, value, width=0.6, color=COLOURS[0])
        text = f"{value:.2%}" if chart.share else f"{value:,g}"
        axes.text(number, value, text, ha="center", va="bottom")
    axes.set_xticks(range(len(values)), [label(str(name)) for name in chart.x])
    if chart.share:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _draw_lines(axes: "Axes", chart: PaperFigure) -> None:
    """A line for each series; the x axis counts powers of two."""
    from matplotlib.ticker import FixedLocator, LogFormatter, NullLocator
    for number, (name, values) in enumerate(chart.series.items()):
        axes.plot(chart.x, values, MARKERS[number % len(MARKERS)] + "-", markersize=4,
                  linewidth=1.2, color=COLOURS[number % len(COLOURS)], label=short_name(name))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([float(value) for value in chart.x]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plain_number)
    if chart.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.yaxis.set_minor_formatter(LogFormatter())
    if chart.share:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
