# SPDX-License-Identifier: Apache-2.0
"""A run's table as a picture: each layer's cycles, what the PEs did with them, what skipping won.

matplotlib draws it, and loads only when a picture is asked for.
"""
import io
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.host.extras import need
from ...core.host.shown import PICTURE_STYLE, label
from .summary import SHARES, LayerSummary, Summary

__all__ = ["FORMATS", "STYLE", "check_picture", "draw", "figure_of"]

#: What a picture's name may end in.
FORMATS = (".svg", ".png", ".pdf")

#: The colours of Okabe and Ito, told apart with any colour vision, by SHARES.
_COLOURS = dict(zip(SHARES, ("#0072B2", "#56B4E9", "#F0E442", "#E69F00", "#D55E00", "#CC79A7",
                             "#009E73", "#999999"), strict=True))
_LABELS = {"mac": "multiply-accumulate", "pool": "pooling", "empty_column": "empty column"}

#: How every picture of a run looks.
STYLE: dict[Any, Any] = PICTURE_STYLE | {"axes.titlesize": 10, "axes.titleweight": "bold"}
_WIDTH, _INCH_PER_LAYER, _INCH_PER_LETTER = 12.5, 0.235, 0.074
_BAR = 0.78                             # of the distance between two layers


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
    """The picture of a run, as the file ``path`` should hold it; its name says which format.

    Raises
    ------
    InputError, ToolError : as :func:`check_picture`.
    """
    check_picture(path)
    import matplotlib
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure_of(summary).savefig(buffer, format=path.suffix[1:], dpi=150, metadata=metadata)
    return buffer.getvalue()


def figure_of(summary: Summary):
    """The picture as a matplotlib Figure.

    From left to right: how much of weights and activations is not zero; an input's mean cycles of
    each layer, split by what the PEs did; the same as shares, the useful one as a number; the
    speed-up over the same array run dense, on a logarithmic axis.
    """
    import matplotlib
    from matplotlib.figure import Figure
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 1.9 + _INCH_PER_LAYER * (len(summary.layers) + 1.5)))
        density, cycles, shares, speedup = figure.subplots(
            1, 4, sharey=True, gridspec_kw={"width_ratios": (0.4, 1.2, 1, 0.6), "wspace": 0.09})
        _draw_density(density, summary)
        _draw_cycles(cycles, summary)
        _draw_shares(shares, summary)
        _draw_speedup(speedup, summary)
        _arrange(figure, summary)
    return figure


def _rows(summary: Summary) -> tuple[list[LayerSummary], np.ndarray]:
    """Layers and the total, and where they stand from top to bottom, the total apart."""
    places = np.append(np.arange(len(summary.layers), dtype=float), len(summary.layers) + 0.5)
    return [*summary.layers, summary.total], places


def _stack(axes, places, lengths) -> None:
    """Bars of several parts; lengths [SHARES, rows]."""
    left = np.zeros(len(places))
    for name, length in zip(SHARES, lengths):
        axes.barh(places, length, left=left, height=_BAR, color=_COLOURS[name],
                  label=_LABELS.get(name, name))
        left += length


def _draw_density(axes, summary: Summary) -> None:
    """Two columns of numbers, and the layers' names beside them."""
    rows, places = _rows(summary)
    for row, place in zip(rows, places):
        for x, share in ((0.46, row.weight_density), (1, row.activation_density)):
            axes.text(x, place, "-" if share is None else f"{share:.0%}", va="center", ha="right",
                      fontsize=8, fontweight="bold" if place == places[-1] else "normal")
    for x, text in ((0.46, "weights\nnot zero"), (1, "acts\nnot zero")):
        axes.annotate(text, (x, 1), (0, 4), xycoords="axes fraction", ha="right", fontsize=8,
                      textcoords="offset points")
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.set_yticks(places, [label(row.name) for row in rows])
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_cycles(axes, summary: Summary) -> None:
    rows, places = _rows(summary)
    cycles = np.array([row.cycles / summary.inputs for row in rows])
    shares = np.array([[row.shares[name] for row in rows] for name in SHARES])
    _stack(axes, places[:-1], (shares * cycles)[:, :-1])
    longest = cycles[:-1].max()
    for place, value, bar in zip(places, cycles, [*cycles[:-1], 0]):     # the total has no bar
        axes.text(bar + longest * 0.012, place, f"{value:,.0f}", va="center", fontsize=8,
                  fontweight="bold" if place == places[-1] else "normal")
    axes.set_xlim(0, longest * 1.2)
    axes.xaxis.set_major_formatter(_short)
    axes.set_title("cycles of an input" if summary.inputs == 1 else "cycles of an input, mean")


def _draw_shares(axes, summary: Summary) -> None:
    rows, places = _rows(summary)
    _stack(axes, places, np.array([[row.shares[name] for row in rows] for name in SHARES]))
    for row, place in zip(rows, places):
        useful = "mac" if row.shares["mac"] else "pool"         # a layer has one of them
        share = row.shares[useful]
        inside = share > 0.12
        axes.text(share - 0.01 if inside else share + 0.01, place, f"{share:.1%}", va="center",
                  ha="right" if inside else "left", fontsize=8,
                  color="white" if inside and useful == "mac" else "black")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.get_xticklabels()[-1].set_ha("right")      # the next panel's begin there
    axes.set_title("what the PEs did with them")


def _draw_speedup(axes, summary: Summary) -> None:
    rows, places = _rows(summary)
    values = np.array([row.speedup for row in rows])
    axes.set_xscale("log")
    axes.barh(places, values - 1, left=1, height=_BAR, color="#555555")
    axes.axvline(1, color="black", linewidth=0.8)
    for place, value in zip(places, values):
        axes.annotate(f"{value:,.2f}", (max(value, 1), place), xytext=(3, 0), va="center",
                      textcoords="offset points", fontsize=8,
                      fontweight="bold" if place == places[-1] else "normal")
    axes.set_xlim(min(values.min(), 1), max(values.max(), 2) ** 1.3)
    axes.xaxis.set_major_locator(_ticks(axes.get_xlim()))
    axes.xaxis.set_minor_locator(_ticks((1, 0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_title("speed-up over dense")


def _ticks(limits: tuple[float, float]):
    """1, 2, 5, 10, ... between two limits."""
    from matplotlib.ticker import FixedLocator
    return FixedLocator([value for decade in range(-3, 6) for value in (
        10.0 ** decade, 2 * 10.0 ** decade, 5 * 10.0 ** decade)
        if limits[0] <= value <= limits[1]])


def _arrange(figure, summary: Summary) -> None:
    """What stands around the panels; distances from the edges in inches."""
    height, total = figure.get_figheight(), summary.total
    names = 0.2 + _INCH_PER_LETTER * max(len(label(layer.name)) for layer in summary.layers)
    figure.subplots_adjust(left=names / _WIDTH, right=0.985, top=1 - 1.05 / height,
                           bottom=0.72 / height)
    for axes in figure.axes:
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{label(summary.network)} on {summary.pes} PEs", x=0.01, ha="left",
                    y=1 - 0.1 / height, va="top", fontsize=13, fontweight="bold")
    of = "1 input" if summary.inputs == 1 else f"mean of {summary.inputs:,} inputs"
    figure.text(0.01, 1 - 0.42 / height, va="top", s=(
        f"{total.cycles / summary.inputs:,.0f} cycles, MAC utilisation "
        f"{total.mac_utilisation:.1%}, {total.speedup:.2f} times as fast as the same array run "
        f"dense ({summary.engine}, {of})"))
    handles, labels = figure.axes[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 0.06 / height),
                  ncols=len(SHARES), frameon=False, handlelength=1, handleheight=1,
                  columnspacing=1.4)


def _short(value: float, _) -> str:
    """A number of cycles on an axis."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"
