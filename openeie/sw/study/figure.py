# SPDX-License-Identifier: Apache-2.0
"""A figure as plain values: what is drawn is what is written as CSV and JSON."""
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["STYLES", "NAMES", "Series", "Panel", "StudyFigure", "series"]

#: How a series may be drawn.
STYLES = ("line", "dashed", "curve", "points", "bars", "filled", "stems")

#: Figures of a float network on its way; see :mod:`.study`.
NAMES = ("rates", "initialisation", "sensitivity", "weights")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one name, ``x`` ascending.

    Attributes
    ----------
    style : one of :data:`STYLES`; a ``curve`` has no markers, ``points`` no line, ``bars`` of
        several series stand side by side, ``filled`` is a histogram over the middles of its bins.

    Raises
    ------
    ValueError : an unknown style, or another number of y than of x.
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
    log : axes that count by factors: "", "x", "y" or "xy".
    percent : axes whose values are shares, written as per cent: "", "x", "y" or "xy".
    y_range : what the vertical axis shows, all if None; points beyond stay in the numbers.
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
    note : what must be known to read it; perhaps "".
    """
    name: str
    title: str
    panels: tuple[Panel, ...]
    note: str = ""

    def rows(self) -> list[tuple[str, str, float, float]]:
        """Every point: panel, series, x, y."""
        return [(panel.title, series.name, x, y) for panel in self.panels
                for series in panel.series for x, y in zip(series.x, series.y)]

    def to_csv(self) -> str:
        """:meth:`rows` under a head."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("panel", "series", "x", "y"), *self.rows()])
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def series(name: str, x: Sequence[float], y: Sequence[float], style: str = "line") -> Series:
    """A series of Python's own numbers, whatever numpy gave."""
    return Series(name=name, x=tuple(map(float, x)), y=tuple(map(float, y)), style=style)
