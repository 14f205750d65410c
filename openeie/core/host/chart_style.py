# SPDX-License-Identifier: Apache-2.0
"""How every chart looks: fonts, colours, axes, and files that are the same for the same numbers.

matplotlib is not imported here; whoever draws has imported it.
"""
import io
from typing import TYPE_CHECKING, Any, Literal

from .shown import PICTURE_STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CHART_STYLE", "COLOURS", "MARKERS", "NOTE_COLOUR", "plain_number", "file_bytes",
           "tidy_axes"]

#: matplotlib's settings; use them with ``rc_context``.
CHART_STYLE: dict[Any, Any] = PICTURE_STYLE | {"axes.titlesize": 10, "axes.titleweight": "bold"}

#: The colours of Okabe and Ito and two more. Each has its own marker, so that lines can be told
#: apart without colours, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999",
           "#7A4B00", "#4B0082")
MARKERS = "osv^D<>pXd"
#: Of the line below a chart that says how to read it.
NOTE_COLOUR = "#555555"
_GRID_COLOUR = "#dddddd"

#: Dates that matplotlib would write into a file, by format.
_NO_DATE: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def plain_number(value: float, _: object = None) -> str:
    """Formatter of an axis: 0.001, 1, 1000 without exponents of ten."""
    return f"{value:g}"


def tidy_axes(axes: "Axes", grid: Literal["both", "x", "y"] = "both") -> None:
    """Thin grid lines behind the data, and no frame at the top and the right."""
    axes.grid(axis=grid, color=_GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def file_bytes(figure: "Figure", form: str, dpi: float = 110) -> bytes:
    """The file of a figure; ``form`` is one of matplotlib's formats, as ``svg`` or ``png``.

    It has no date: the same figure gives the same bytes.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=dpi, metadata=_NO_DATE.get(form))
    return buffer.getvalue()
