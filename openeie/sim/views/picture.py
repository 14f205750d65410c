# SPDX-License-Identifier: Apache-2.0
"""A run's table as a picture: each layer's cycles, what the PEs did in them, and the speed-up.

matplotlib draws it, and loads only when a picture is asked for.
"""
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ...core.host.chart_style import CHART_STYLE, file_bytes, plain_number, tidy_axes
from ...core.host.extras import need
from ...core.host.shown import label
from .summary import SHARES, LayerSummary, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator

__all__ = ["FORMATS", "check_picture", "draw", "figure_of"]

#: What a picture's name may end in.
FORMATS = (".svg", ".png", ".pdf")

#: Colours of Okabe and Ito, which can be told apart with any colour vision, by SHARES.
_COLOURS = dict(zip(SHARES, ("#0072B2", "#56B4E9", "#F0E442", "#E69F00", "#D55E00", "#CC79A7",
                             "#009E73", "#999999"), strict=True))
_LABELS = {"mac": "multiply-accumulate", "pool": "pooling", "empty_column": "empty column"}

# Sizes in inches.
_WIDTH = 12.5
_LAYER_HEIGHT = 0.235
_LETTER_WIDTH = 0.074
#: Thickness of a bar, as a share of the distance between two layers.
_BAR = 0.78
#: The shortest useful part of a bar that has room for its number inside.
_ROOM = 0.12


def check_picture(path: Path) -> None:
    """Refuse now what :func:`draw` would refuse after a long run.

    Raises
    ------
    InputError : the name ends in none of :data:`FORMATS`.
    ToolError : matplotlib is not installed.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"a picture's name must end in {', '.join(FORMATS)}, not {path.name!r}")
    need("report", "a picture", "matplotlib")


def draw(summary: Summary, path: Path) -> bytes:
    """The picture of a run as the bytes of a file; the ending of ``path`` chooses the format.

    Nothing is written.

    Raises
    ------
    InputError, ToolError : as :func:`check_picture`.
    """
    check_picture(path)
    import matplotlib
    with matplotlib.rc_context(CHART_STYLE):
        return file_bytes(figure_of(summary), path.suffix[1:], dpi=150)


def figure_of(summary: Summary) -> "Figure":
    """The picture as a matplotlib Figure.

    From left to right: the shares of weights and activations that are not zero; each layer's mean
    cycles per input, split by what the PEs did; the same as shares, with the useful one as a
    number; the speed-up over the same array run dense, on a logarithmic axis.
    """
    import matplotlib
    from matplotlib.figure import Figure
    height = 1.9 + _LAYER_HEIGHT * (len(summary.layers) + 1.5)
    with matplotlib.rc_context(CHART_STYLE):
        figure = Figure(figsize=(_WIDTH, height))
        density, cycles, shares, speedup = figure.subplots(
            1, 4, sharey=True, gridspec_kw={"width_ratios": (0.4, 1.2, 1, 0.6), "wspace": 0.09})
        _draw_density(density, summary)
        _draw_cycles(cycles, summary)
        _draw_shares(shares, summary)
        _draw_speedup(speedup, summary)
        _arrange(figure, summary)
    return figure


def _rows(summary: Summary) -> tuple[list[LayerSummary], np.ndarray]:
    """The layers and the total, and their places from top to bottom, float [rows].

    The total stands half a line apart.
    """
    places = np.append(np.arange(len(summary.layers), dtype=float), len(summary.layers) + 0.5)
    return [*summary.layers, summary.total], places


def _weight(place: float, places: np.ndarray) -> str:
    """The font's weight in a row: the total, which is the last one, is bold."""
    return "bold" if place == places[-1] else "normal"


def _shares(rows: list[LayerSummary]) -> np.ndarray:
    """What the PEs did, float [SHARES, rows]; each row's shares add up to 1."""
    shares = np.zeros((len(SHARES), len(rows)))
    for row, column in zip(rows, shares.T):
        column[:] = [row.shares[name] for name in SHARES]
    return shares


def _stack(axes: "Axes", places: np.ndarray, lengths: np.ndarray) -> None:
    """Horizontal bars of several parts; lengths [SHARES, rows]."""
    left = np.zeros(len(places))
    for name, length in zip(SHARES, lengths):
        axes.barh(places, length, left=left, height=_BAR, color=_COLOURS[name],
                  label=_LABELS.get(name, name))
        left += length


def _draw_density(axes: "Axes", summary: Summary) -> None:
    """Two columns of numbers, with the layers' names to their left."""
    rows, places = _rows(summary)
    for row, place in zip(rows, places):
        for x, share in ((0.46, row.weight_density), (1, row.activation_density)):
            text = "-" if share is None else f"{share:.0%}"
            axes.text(x, place, text, va="center", ha="right", fontsize=8,
                      fontweight=_weight(place, places))
    for x, text in ((0.46, "weights\nnot zero"), (1, "acts\nnot zero")):
        axes.annotate(text, (x, 1), (0, 4), xycoords="axes fraction", ha="right", fontsize=8,
                      textcoords="offset points")
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.set_yticks(places, [label(row.name) for row in rows])
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_cycles(axes: "Axes", summary: Summary) -> None:
    """Each layer's mean cycles per input; the total, which would dwarf them, has no bar."""
    rows, places = _rows(summary)
    cycles = np.array([row.cycles / summary.inputs for row in rows])
    _stack(axes, places[:-1], (_shares(rows) * cycles)[:, :-1])
    longest = cycles[:-1].max()
    ends = [*cycles[:-1], 0]
    for place, value, end in zip(places, cycles, ends):
        axes.text(end + longest * 0.012, place, f"{value:,.0f}", va="center", fontsize=8,
                  fontweight=_weight(place, places))
    axes.set_xlim(0, longest * 1.2)
    axes.xaxis.set_major_formatter(_short)
    axes.set_title("cycles of an input" if summary.inputs == 1 else "cycles of an input, mean")


def _draw_shares(axes: "Axes", summary: Summary) -> None:
    """Bars of equal length, with the useful share as a number."""
    rows, places = _rows(summary)
    _stack(axes, places, _shares(rows))
    for row, place in zip(rows, places):
        useful = "mac" if row.shares["mac"] else "pool"         # a layer has one of them
        share = row.shares[useful]
        if share > _ROOM:
            colour = "white" if useful == "mac" else "black"
            axes.text(share - 0.01, place, f"{share:.1%}", va="center", ha="right", fontsize=8,
                      color=colour)
        else:
            axes.text(share + 0.01, place, f"{share:.1%}", va="center", ha="left", fontsize=8,
                      color="black")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    # The next panel's labels begin where this one's end.
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.set_title("what the PEs did with them")


def _draw_speedup(axes: "Axes", summary: Summary) -> None:
    rows, places = _rows(summary)
    values = np.array([row.speedup for row in rows])
    axes.set_xscale("log")
    axes.barh(places, values - 1, left=1, height=_BAR, color="#555555")
    axes.axvline(1, color="black", linewidth=0.8)
    for place, value in zip(places, values):
        axes.annotate(f"{value:,.2f}", (max(value, 1), place), xytext=(3, 0), va="center",
                      textcoords="offset points", fontsize=8,
                      fontweight=_weight(place, places))
    axes.set_xlim(min(values.min(), 1), max(values.max(), 2) ** 1.3)
    axes.xaxis.set_major_locator(_ticks(*axes.get_xlim()))
    axes.xaxis.set_minor_locator(_ticks(1, 0))
    axes.xaxis.set_major_formatter(plain_number)
    axes.set_title("speed-up over dense")


def _ticks(low: float, high: float) -> "FixedLocator":
    """1, 2, 5, 10, ... between two limits; none if ``high`` is below ``low``."""
    from matplotlib.ticker import FixedLocator
    decades = [10.0 ** power for power in range(-3, 6)]
    values = [factor * decade for decade in decades for factor in (1, 2, 5)]
    return FixedLocator([value for value in values if low <= value <= high])


def _arrange(figure: "Figure", summary: Summary) -> None:
    """The panels' places, headline and legend; distances from the edges are in inches."""
    height = figure.get_figheight()
    total = summary.total
    names = 0.2 + _LETTER_WIDTH * max(len(label(layer.name)) for layer in summary.layers)
    figure.subplots_adjust(left=names / _WIDTH, right=0.985, top=1 - 1.05 / height,
                           bottom=0.72 / height)
    for axes in figure.axes:
        axes.tick_params(axis="y", length=0)
        tidy_axes(axes, grid="x")
    figure.suptitle(f"{label(summary.network)} on {summary.pes} PEs", x=0.01, ha="left",
                    y=1 - 0.1 / height, va="top", fontsize=13, fontweight="bold")
    inputs = "1 input" if summary.inputs == 1 else f"mean of {summary.inputs:,} inputs"
    figure.text(0.01, 1 - 0.42 / height, va="top", s=(
        f"{total.cycles / summary.inputs:,.0f} cycles, MAC utilisation "
        f"{total.mac_utilisation:.1%}, {total.speedup:.2f} times as fast as the same array run "
        f"dense ({summary.engine}, {inputs})"))
    handles, labels = figure.axes[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.06 / height),
                  ncols=len(SHARES), frameon=False, handlelength=1, handleheight=1,
                  columnspacing=1.4)


def _short(value: float, _: object) -> str:
    """Formatter of an axis of cycles: 1.5 k, 20 M."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"
