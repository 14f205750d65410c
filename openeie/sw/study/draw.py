# SPDX-License-Identifier: Apache-2.0
"""A figure as a picture; the same numbers give the same bytes. matplotlib loads when drawing."""
import io
from typing import Any

from ...core.host.extras import need
from ...core.host.shown import PICTURE_STYLE, label, shown
from .figure import StudyFigure, Panel, Series

__all__ = ["check_drawing", "draw"]

#: The colours of Okabe and Ito, and markers, so that lines are told apart without colours, too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_MARKERS = "osv^D<>p"
_STYLE: dict[Any, Any] = PICTURE_STYLE | {"axes.titlesize": 9}
_PANEL_INCHES, _HEIGHT_INCHES = 3.6, 3.4


def check_drawing() -> None:
    """Refuse before a long run what :func:`draw` would refuse after it.

    Raises
    ------
    ToolError : matplotlib is not installed.
    """
    need("report", "a figure", "matplotlib")


def draw(figure: StudyFigure, form: str = "svg") -> bytes:
    """The picture of a figure, by default as SVG; ``form`` is a format of matplotlib.

    Raises
    ------
    ToolError : matplotlib is not installed.
    """
    check_drawing()
    import matplotlib
    from matplotlib.figure import Figure as Canvas
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        canvas = Canvas(figsize=(_PANEL_INCHES * len(figure.panels) + 1.2, _HEIGHT_INCHES),
                        layout="constrained")
        colours = _colours(figure)
        for axes, panel in zip(canvas.subplots(1, len(figure.panels), squeeze=False)[0],
                               figure.panels):
            _draw_panel(axes, panel, colours)
        handles = {name: handle for axes in canvas.axes
                   for handle, name in zip(*axes.get_legend_handles_labels())}
        if len(handles) > 1:
            canvas.legend(handles.values(), handles.keys(), loc="outside right center",
                          frameon=False)
        canvas.suptitle(shown(figure.title), x=0.01, ha="left", fontweight="bold", fontsize=10)
        if figure.note:
            canvas.supxlabel(shown(figure.note), fontsize=8, x=0.01, ha="left", color="#555555")
        canvas.savefig(buffer, format=form, dpi=110,
                       metadata={"Date": None} if form == "svg" else None)
    return buffer.getvalue()


def _colours(figure: StudyFigure) -> dict[str, int]:
    """A name has one colour in all panels."""
    names = dict.fromkeys(series.name for panel in figure.panels for series in panel.series)
    return {name: number for number, name in enumerate(names)}


def _draw_panel(axes, panel: Panel, colours: dict[str, int]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
    bars = [series for series in panel.series if series.style == "bars"]
    for series in panel.series:
        number = colours[series.name]
        place = (bars.index(series), len(bars)) if series in bars else (0, 1)
        _draw_series(axes, series, _COLOURS[number % len(_COLOURS)],
                     _MARKERS[number % len(_MARKERS)], place)
    axes.set_title(shown(panel.title), loc="left")
    axes.set_xlabel(panel.x_label + (", %" if "x" in panel.percent else ""))
    axes.set_ylabel(panel.y_label + (", %" if "y" in panel.percent else ""))
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if name in panel.log:
            getattr(axes, f"set_{name}scale")("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        if name in panel.percent:
            axis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    if "x" not in panel.log and all(float(value).is_integer() for series in panel.series
                                    for value in series.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.y_range:
        axes.set_ylim(*panel.y_range)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_series(axes, series: Series, colour: str, marker: str, place: tuple[int, int]) -> None:
    """``place``: which of how many bars stand at each x."""
    x, y, name = list(series.x), list(series.y), label(series.name)
    if series.style == "bars":
        number, count = place
        width = 0.8 / count
        axes.bar([value + (number - (count - 1) / 2) * width for value in x], y, width=width,
                 color=colour, label=name)
    elif series.style == "filled":
        axes.fill_between(x, y, step="mid", color=colour, alpha=0.55, linewidth=0, label=name)
    elif series.style == "stems":
        axes.vlines(x, 0, y, color=colour, linewidth=1.4, label=name)
        axes.plot(x, y, marker, color=colour, markersize=3.5)
    elif series.style == "curve":
        axes.plot(x, y, color=colour, linewidth=1.2, label=name)
    elif series.style == "points":
        axes.plot(x, y, marker, color=colour, markersize=7, label=name)
    else:
        axes.plot(x, y, marker + ("--" if series.style == "dashed" else "-"), color=colour,
                  markersize=4, linewidth=1.2, label=name)
