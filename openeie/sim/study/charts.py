# SPDX-License-Identifier: Apache-2.0
"""A figure as an SVG; the same numbers give the same bytes."""
import io
from collections.abc import Callable

from ...core.host.shown import label, shown
from ..views.picture import STYLE
from .figures import PaperFigure

__all__ = ["COLOURS", "MARKERS", "short_name", "svg", "draw_chart"]

#: The colours of Okabe and Ito, and markers, so that lines are told apart without colours, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999",
            "#7A4B00", "#4B0082")
MARKERS = "osv^D<>pXd"


def short_name(name: str) -> str:
    """At most 40 characters of it: a path would take the picture's room."""
    return label(name if len(name) <= 40 else f"{name[:10]}...{name[-27:]}")


def svg(fill: Callable, size: tuple[float, float]) -> bytes:
    """What ``fill`` draws on a canvas of ``size`` inches; matplotlib loads only here."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=size, layout="constrained")
        fill(canvas)
        canvas.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def draw_chart(chart: PaperFigure) -> bytes:
    """The picture of a figure."""
    def fill(canvas) -> None:
        axes = canvas.subplots()
        (_draw_bars if isinstance(chart.x[0], str) else _draw_lines)(axes, chart)
        if len(chart.series) > 1:
            canvas.legend(loc="outside right center", frameon=False)
        axes.set_title(shown(chart.title), loc="left")
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        axes.grid(axis="y" if isinstance(chart.x[0], str) else "both", color="#dddddd",
                  linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if chart.note:
            canvas.supxlabel(shown(chart.note), fontsize=8, x=0.02, ha="left", color="#555555")
    return svg(fill, (7.2, 4.2))


def _draw_bars(axes, chart: PaperFigure) -> None:
    """A word, a bar and its number, for each value of the only line."""
    (values,) = chart.series.values()
    for number, value in enumerate(values):
        axes.bar(number, value, width=0.6, color=COLOURS[0])
        axes.text(number, value, f"{value:.2%}" if chart.share else f"{value:,g}", ha="center",
                  va="bottom")
    axes.set_xticks(range(len(values)), [label(str(name)) for name in chart.x])
    if chart.share:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _draw_lines(axes, chart: PaperFigure) -> None:
    """A line for each series, over powers of two."""
    from matplotlib.ticker import FixedLocator, LogFormatter, NullLocator
    for number, (name, values) in enumerate(chart.series.items()):
        axes.plot(chart.x, values, MARKERS[number % len(MARKERS)] + "-", markersize=4,
                  linewidth=1.2, color=COLOURS[number % len(COLOURS)], label=short_name(name))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([float(value) for value in chart.x]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if chart.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.yaxis.set_minor_formatter(LogFormatter())
    if chart.share:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
