# SPDX-License-Identifier: Apache-2.0
"""Drawings of figures; the same numbers give the same bytes. matplotlib is imported when needed."""
from typing import TYPE_CHECKING, Any

from ...core.host.chart_style import (CHART_STYLE, COLOURS, MARKERS, NOTE_COLOUR, file_bytes,
                                      plain_number, tidy_axes)
from ...core.host.extras import need
from ...core.host.shown import label, shown
from .figure import Panel, Series, StudyFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_drawing", "draw"]

#: Panels have small plain titles, since the figure has one of its own.
_STYLE: dict[Any, Any] = CHART_STYLE | {"axes.titlesize": 9, "axes.titleweight": "normal"}
_PANEL_INCHES = 3.6
_HEIGHT_INCHES = 3.4


def check_drawing() -> None:
    """Raise, before a long run, what :func:`draw` would raise after it.

    Raises
    ------
    ToolError : matplotlib is not installed.
    """
    need("report", "a figure", "matplotlib")


def draw(figure: StudyFigure, form: str = "svg") -> bytes:
    """The bytes of a drawing.

    Parameters
    ----------
    form : a file format of matplotlib: ``svg``, ``png`` or ``pdf``.

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
        places = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
        handles: dict[str, Any] = {}                # one entry of the legend for each name
        for axes, panel in zip(places, figure.panels):
            _draw_panel(axes, panel, colours)
            of_panel, names = axes.get_legend_handles_labels()
            handles |= dict(zip(names, of_panel))
        if len(handles) > 1:
            canvas.legend(handles.values(), handles.keys(), loc="outside right center",
                          frameon=False)
        canvas.suptitle(shown(figure.title), x=0.01, ha="left", fontweight="bold", fontsize=10)
        if figure.note:
            canvas.supxlabel(shown(figure.note), fontsize=8, x=0.01, ha="left", color=NOTE_COLOUR)
        return file_bytes(canvas, form)


def _colours(figure: StudyFigure) -> dict[str, int]:
    """The number of each name's colour, the same in all panels."""
    numbers: dict[str, int] = {}
    for panel in figure.panels:
        for series in panel.series:
            numbers.setdefault(series.name, len(numbers))
    return numbers


def _draw_panel(axes: "Axes", panel: Panel, colours: dict[str, int]) -> None:
    from matplotlib.ticker import MaxNLocator
    bars = [series for series in panel.series if series.style == "bars"]
    for series in panel.series:
        number = colours[series.name]
        place = (bars.index(series), len(bars)) if series in bars else (0, 1)
        _draw_series(axes, series, COLOURS[number % len(COLOURS)],
                     MARKERS[number % len(MARKERS)], place)
    axes.set_title(shown(panel.title), loc="left")
    axes.set_xlabel(panel.x_label + (", %" if "x" in panel.percent else ""))
    axes.set_ylabel(panel.y_label + (", %" if "y" in panel.percent else ""))
    for name in ("x", "y"):
        _set_axis(axes, name, logarithmic=name in panel.log, percent=name in panel.percent)
    if "x" not in panel.log and all(map(_has_integers, panel.series)):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.y_range:
        axes.set_ylim(*panel.y_range)
    tidy_axes(axes)


def _set_axis(axes: "Axes", name: str, *, logarithmic: bool, percent: bool) -> None:
    """Scale and numbers of the axis ``x`` or ``y``."""
    from matplotlib.ticker import LogLocator, NullLocator
    axis = axes.xaxis if name == "x" else axes.yaxis
    if logarithmic:
        getattr(axes, f"set_{name}scale")("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(plain_number)
    if percent:
        axis.set_major_formatter(lambda value, _: f"{100 * value:g}")


def _has_integers(series: Series) -> bool:
    return all(float(value).is_integer() for value in series.x)


def _draw_series(axes: "Axes", series: Series, colour: str, marker: str, place: tuple[int, int]
                 ) -> None:
    """Draw a series; ``place`` is the number of a bar and how many bars are at each x."""
    x = list(series.x)
    y = list(series.y)
    name = label(series.name)
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
