# SPDX-License-Identifier: Apache-2.0
"""A run as one HTML page that needs nothing else: tables, and pictures drawn as inline SVG.

The page is made of plain values (:func:`report_values`) and a template; names in it are a user's
text and are escaped.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from ..core.counters import COUNTERS
from ..core.errors import InputError, ToolError
from ..core.graph import INPUT
from ..core.inspect import Contents
from ..core.program import Program
from ..core.run import Run
from .items import map_items, plan_entries
from .study.energy import energy
from .study.workload import LayerTime
from .summary import SHARES, Summary, summarise
from .trace import MOST, Trace, can_trace, trace_layer

__all__ = ["Subject", "report_page", "report_values", "traces_of"]

#: Cells of a row of the heat map at most; more PEs are averaged.
_CELLS = 64
_BINS = 160


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What a report is about: a run with inputs x [batch, n], and what it is called."""
    label: str
    program: Program
    run: Run
    x: np.ndarray


def _present(subject: Subject) -> list[np.ndarray]:
    """Which activations each plan's layer reads in the first start are not zero."""
    network, vectors = subject.program.network, subject.program.vectors
    values = {INPUT: subject.x[:vectors]} | {
        layer.name: layer.outputs[:vectors] for layer in subject.run.whole_layers}
    return [network.read(plan.layer, values) != 0 for plan in subject.program.layers]


def traces_of(subject: Subject) -> list[Trace | tuple[str, int]]:
    """The first start, tile by tile; ``(name, cycles)`` of those that cannot be traced."""
    traces: list[Trace | tuple[str, int]] = []
    for number, present in enumerate(_present(subject)):
        plan, ran = subject.program.layers[number], subject.run.layers[number]
        most = plan.walk.positions * plan.columns * subject.program.vectors
        if can_trace(subject.program, number) and most * subject.run.config.pes <= MOST:
            traces.append(trace_layer(subject.program, number, present))
        else:
            traces.append((plan.name, int(ran.cycles[0])))
    return traces


def _energies(subject: Subject) -> dict[str, float]:
    """pJ of the first start by unit, of all layers with weights that are broadcast; a model."""
    total: dict[str, float] = {}
    for number, present in enumerate(_present(subject)):
        plan, ran = subject.program.layers[number], subject.run.layers[number]
        if not can_trace(subject.program, number):
            continue
        items = map_items(subject.program, number, present)
        counts, fillers = plan_entries(plan, subject.run.config)
        time = LayerTime(config=subject.run.config, cycles=int(ran.cycles[0]),
                         counters=ran.counters[0], counts=np.ascontiguousarray(counts),
                         fillers=fillers, columns=items[items >= 0])
        for unit, value in energy(time).by_unit.items():
            total[unit] = total.get(unit, 0.0) + value
    return total


def _heat(run: Run) -> list[dict]:
    """Each layer's busy share by PE; several PEs in a cell where they are many."""
    rows = []
    for layer in run.whole_layers:
        busy = layer.counters[..., :2].sum(axis=(0, 2)) / max(1, int(layer.cycles.sum()))
        cells = [float(part.mean()) for part in np.array_split(busy, min(_CELLS, len(busy)))]
        rows.append({"name": layer.name, "cells": cells, "least": float(busy.min()),
                     "mean": float(busy.mean()), "most": float(busy.max())})
    return rows


def _queues(subject: Subject) -> list[dict]:
    """Occupancy over time of what could be traced, as points of polylines."""
    charts = []
    for trace in traces_of(subject):
        if isinstance(trace, Trace):
            mean, largest, width = trace.occupancy(_BINS)
            charts.append({"name": trace.name, "cycles": trace.cycles, "width": width,
                           "mean": mean.tolist(), "largest": largest.tolist(),
                           "depth": subject.run.config.queue_depth})
    return charts


def report_values(subjects: Sequence[Subject], *, mhz: float, contents: Contents | None = None
                  ) -> dict:
    """What the page shows, as plain values; the first subject in full, a second for comparison.

    Raises
    ------
    InputError : no subject or more than two, of different networks, or without cycles.
    """
    if not 1 <= len(subjects) <= 2:
        raise InputError(f"a report is of one run or two, not {len(subjects)}")
    summaries = [summarise(one.program, one.run, one.x) for one in subjects]
    first, summary = subjects[0], summaries[0]
    if any([layer.name for layer in other.layers] != [layer.name for layer in summary.layers]
           for other in summaries):
        raise InputError("two runs can be compared that are of the same network")
    return {
        "network": summary.network, "engine": summary.engine, "inputs": summary.inputs,
        "label": first.label, "mhz": mhz, "shares": SHARES, "counters": COUNTERS,
        "config": first.run.config.to_dict(), "layers": _rows(summary, mhz),
        "total": _row(summary.total, summary, mhz), "heat": _heat(first.run),
        "queues": _queues(first), "energy": _energies(first),
        "contents": contents, "others": [
            {"label": one.label, "layers": _rows(other, mhz),
             "total": _row(other.total, other, mhz)}
            for one, other in zip(subjects[1:], summaries[1:])]}


def _rows(summary: Summary, mhz: float) -> list[dict]:
    return [_row(layer, summary, mhz) for layer in summary.layers]


def _row(layer, summary: Summary, mhz: float) -> dict:
    """A layer's means of an input."""
    cycles = layer.cycles / summary.inputs
    return layer.to_dict() | {"cycles_mean": cycles, "us": cycles / mhz,
                              "macs_mean": layer.macs / summary.inputs}


def report_page(values: dict) -> bytes:
    """The page of :func:`report_values`; the same values give the same bytes.

    Raises
    ------
    ToolError : jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise ToolError("a report needs jinja2, which is not installed; install it: "
                        "pip install 'openeie[report]'") from None
    text = (files("openeie.sim") / "assets" / "report.html.j2").read_text()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined,
                                     trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text).render(**values, heights=_heights, zip=zip).encode()


def _heights(values: Sequence[float], top: float, height: float) -> str:
    """Points of a polyline over a box 160 wide, ``top`` at its upper edge."""
    step = 160 / max(1, len(values) - 1)
    return " ".join(f"{number * step:.1f},{height * (1 - value / top):.1f}"
                    for number, value in enumerate(values))
