# SPDX-License-Identifier: Apache-2.0
"""A figure as a picture; the same numbers give the same bytes. matplotlib loads when drawing."""
from typing import Any

from ...core.host.chart_style import (CHART_STYLE, COLOURS, MARKERS, NOTE_COLOUR, file_bytes,
                                      plain_number, tidy_axes)
from ...core.host.extras import need
from ...core.host.shown import label, shown
from .figure import StudyFigure, Panel, Series

__all__ = ["check_drawing", "draw"]

#: Panels have small plain titles, since the figure has one of its own.
_STYLE: dict[Any, Any] = CHART_STYLE | {"axes.titlesize": 9, "axes.titleweight": "normal"}
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
            canvas.supxlabel(shown(figure.note), fontsize=8, x=0.01, ha="left", color=NOTE_COLOUR)
        return file_bytes(canvas, form)


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
        _draw_series(axes, series, COLOURS[number % len(COLOURS)],
                     MARKERS[number % len(MARKERS)], place)
    axes.set_title(shown(panel.title), loc="left")
    axes.set_xlabel(panel.x_label + (", %" if "x" in panel.percent else ""))
    axes.set_ylabel(panel.y_label + (", %" if "y" in panel.percent else ""))
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if name in panel.log:
            getattr(axes, f"set_{name}scale")("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(plain_number)
        if name in panel.percent:
            axis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    if "x" not in panel.log and all(float(value).is_integer() for series in panel.series
                                    for value in series.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.y_range:
        axes.set_ylim(*panel.y_range)
    tidy_axes(axes)


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
