# SPDX-License-Identifier: Apache-2.0
"""Lines over one parameter as an SVG; the same numbers give the same bytes."""
import io

from ..picture import STYLE
from .figures import Figure

__all__ = ["draw_lines"]

#: The colours of Okabe and Ito, and markers, so that lines are told apart without colours, too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999",
            "#7A4B00", "#4B0082")
_MARKERS = "osv^D<>pXd"


def draw_lines(chart: Figure) -> bytes:
    """The picture of a figure; matplotlib loads only here."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(7.2, 4.2), layout="constrained")
        axes = canvas.subplots()
        for number, (name, values) in enumerate(chart.series.items()):
            axes.plot(chart.x, values, _MARKERS[number % len(_MARKERS)] + "-", markersize=4,
                      linewidth=1.2, color=_COLOURS[number % len(_COLOURS)], label=name)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(chart.x))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        if chart.log_y:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        if chart.share:
            axes.set_ylim(0, 1.02)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_title(chart.title, loc="left")
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        canvas.legend(loc="outside right center", frameon=False)
        if chart.note:
            canvas.supxlabel(chart.note, fontsize=8, x=0.02, ha="left", color="#555555")
        canvas.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
