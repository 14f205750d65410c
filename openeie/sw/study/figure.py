# SPDX-License-Identifier: Apache-2.0
"""Figures as plain values, which are drawn and also written as CSV and JSON."""
import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["STYLES", "NAMES", "Series", "Panel", "StudyFigure", "series"]

#: Styles of a series.
STYLES = ("line", "dashed", "curve", "points", "bars", "filled", "stems")

#: Names of the figures that :mod:`.study` measures.
NAMES = ("rates", "initialisation", "sensitivity", "weights")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Named points, with ``x`` ascending.

    Attributes
    ----------
    style : one of :data:`STYLES`. A ``curve`` has no markers, ``points`` have no line, ``bars`` of
        several series are side by side, ``filled`` is a histogram over the centres of its bins.

    Raises
    ------
    ValueError : an unknown style, or different numbers of x and y.
    """
    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: str = "line"

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, not {self.style!r}")
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} must have a y for each of its {len(self.x)} "
                             f"x, not {len(self.y)}")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes
    ----------
    log : logarithmic axes: "", "x", "y" or "xy".
    percent : axes whose values are shares, shown as per cent: "", "x", "y" or "xy".
    y_range : range of the vertical axis, everything if None; applies to the drawing only.
    """
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log: str = ""
    percent: str = ""
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class StudyFigure:
    """Panels side by side.

    Attributes
    ----------
    name : of the files.
    note : explanation below the panels, or "".
    """
    name: str
    title: str
    panels: tuple[Panel, ...]
    note: str = ""

    def rows(self) -> list[tuple[str, str, float, float]]:
        """All points: panel, series, x, y."""
        rows = []
        for panel in self.panels:
            for series in panel.series:
                rows += [(panel.title, series.name, x, y) for x, y in zip(series.x, series.y)]
        return rows

    def to_csv(self) -> str:
        """:meth:`rows` as CSV, with a row of headings."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("panel", "series", "x", "y"), *self.rows()])
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def series(name: str, x: Iterable[float], y: Iterable[float], style: str = "line") -> Series:
    """A series, its points converted to Python's floats."""
    return Series(name=name, x=tuple(map(float, x)), y=tuple(map(float, y)), style=style)
