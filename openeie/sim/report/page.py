# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file that needs nothing else: no script and no network, on any screen."""
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.host.extras import need
from ..study.run_energy import UNITS
from ..views.summary import SHARES, LayerSummary
from .charts import LEVELS, bar, heat, queue_chart
from .gather import RunReport
from .trace import QueueTrace

__all__ = ["check_page", "render"]

_LABELS = {"mac": "multiply-accumulate", "pool": "pooling", "empty_column": "empty column"}
_UNIT_LABELS = {"entries": "entry memory", "pointers": "pointer memory"}

#: Marks a chart as HTML that is not escaped.
Markup = Callable[[str], str]


def check_page() -> None:
    """Refuse now what :func:`render` would refuse after a long run.

    Raises
    ------
    ToolError : jinja2 is not installed.
    """
    need("report", "a report", "jinja2", "markupsafe")


def render(report: RunReport, against: RunReport | None = None) -> bytes:
    """The page of one run, or of two runs of the same network side by side, as HTML in UTF-8.

    The same runs give the same bytes.

    Raises
    ------
    InputError : the two runs are of different networks.
    ToolError : see :func:`check_page`.
    """
    check_page()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup as markup
    reports = [report] if against is None else [report, against]
    if against is not None and _layer_names(report) != _layer_names(against):
        raise InputError(f"two runs of one network can be compared, not {report.summary.network!r} "
                         f"and {against.summary.network!r}, whose layers differ")
    folder = Path(__file__).parent
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True,
                              trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {
        "count": lambda value: f"{value:,.0f}", "share": lambda value: f"{value:.1%}",
        "times": lambda value: f"{value:,.2f}", "short": lambda value: f"{value:,.1f}"}
    totals = [each.summary.total for each in reports]
    shown = [share for share in SHARES if any(total.spent[share] for total in totals)]
    text = environment.get_template("report.html.j2").render(
        style=markup((folder / "report.css").read_text()),
        runs=[_view(each, reports, markup) for each in reports],
        facts=_facts(reports), rows=_compared(reports),
        contents=report.contents, summary=report.summary, shapes=report.shapes,
        shares=shown, labels={share: _LABELS.get(share, share) for share in SHARES},
        units=UNITS, unit_labels={unit: _UNIT_LABELS.get(unit, unit) for unit in UNITS},
        levels=range(LEVELS), busiest=_busiest(reports))
    return text.encode()


def _layer_names(report: RunReport) -> list[str]:
    return [layer.name for layer in report.summary.layers]


def _facts(reports: list[RunReport]) -> list[dict[str, Any]]:
    """The numbers at the top: a label, each run's value as text, and the ratio of two runs."""
    totals = [each.summary.total for each in reports]
    facts = [
        _fact("cycles of an input", "{:,.0f}",
              [each.summary.total.cycles / each.summary.inputs for each in reports]),
        _fact(f"{_start(reports)} at {reports[0].mhz:g} MHz, µs", "{:,.2f}",
              [each.latency_us for each in reports]),
        _fact("MAC utilisation", "{:.1%}", [total.mac_utilisation for total in totals]),
        _fact("outputs saturated", "{:.3%}", [total.saturated_share for total in totals]),
        _fact("speed-up over dense", "{:,.2f}x", [total.speedup for total in totals]),
        _fact("energy of an input, µJ (model)", "{:,.2f}",
              [each.energy_nj / 1e3 / each.vectors for each in reports])]
    contents = reports[0].contents
    note = None
    if contents is not None:
        note = f"{contents.file_bytes:,} bytes on disk, {contents.factor:.1f}x below float32"
    facts.append({"label": "weights kept", "values": [f"{totals[0].weight_density or 0:.1%}"],
                  "ratio": None, "note": note})
    return facts


def _start(reports: list[RunReport]) -> str:
    """What the time of a start is: the latency of its one input, or no input's latency."""
    vectors = reports[0].vectors
    return "latency" if vectors == 1 else f"start of {vectors:,} inputs"


def _fact(label: str, style: str, values: list[float]) -> dict[str, Any]:
    """One number of each run."""
    ratio = None
    if len(values) > 1 and values[1]:
        ratio = f"{values[0] / values[1]:.2f}"
    return {"label": label, "values": [style.format(value) for value in values], "ratio": ratio,
            "note": None}


def _compared(reports: list[RunReport]) -> list[dict[str, Any]]:
    """Rows of two runs side by side, each layer and then the total; none for a single run."""
    if len(reports) == 1:
        return []
    a, b = (each.summary for each in reports)
    energies = []
    for each in reports:
        by_layer = [sum(layer.values()) / 1e3 for layer in each.energy]
        energies.append([*by_layer, sum(by_layer)])
    rows = zip((*a.layers, a.total), (*b.layers, b.total), zip(*energies))
    return [{"name": ours.name, "is_total": number == len(a.layers),
             "cycles": (ours.cycles / a.inputs, theirs.cycles / b.inputs),
             "ratio": ours.cycles * b.inputs / (theirs.cycles * a.inputs),
             "utilisation": (ours.mac_utilisation, theirs.mac_utilisation),
             "speedup": (ours.speedup, theirs.speedup), "energy": energy}
            for number, (ours, theirs, energy) in enumerate(rows)]


def _view(report: RunReport, reports: list[RunReport], markup: Markup) -> dict[str, Any]:
    """One run with its charts; all runs have the same scales."""
    summary = report.summary
    longest = max(_longest(each) for each in reports)
    dearest = max(sum(layer.values()) for each in reports for layer in each.energy)
    busiest = _busiest(reports)
    layers = [_layer(layer, number, report, longest, dearest, busiest, markup)
              for number, layer in enumerate(summary.layers)]
    config = {name: ", ".join(value) if isinstance(value, list) else value
              for name, value in report.config.to_dict().items()}
    unit_totals = {}
    for unit in UNITS:
        unit_totals[unit] = sum(layer[unit] for layer in report.energy) / 1e3
    return {"array": report.array, "pes": summary.pes, "engine": summary.engine,
            "inputs": summary.inputs, "vectors": report.vectors, "layers": layers,
            "total": summary.total, "queues": [_queue(queue, markup) for queue in report.queues],
            "not_traced": report.not_traced, "config": config, "digest": report.config.digest,
            "energy_nj": report.energy_nj, "unit_totals": unit_totals}


def _longest(report: RunReport) -> float:
    """Cycles of an input in the layer that takes the most."""
    return max(layer.cycles for layer in report.summary.layers) / report.summary.inputs


def _queue(queue: QueueTrace, markup: Markup) -> dict[str, Any]:
    """The queues of one tile, and their chart."""
    most = int(queue.most.max())
    says = f"queues of {queue.name} over time: {most} of {queue.depth} places taken at most"
    return {"name": queue.name, "depth": queue.depth, "cycles": queue.cycles,
            "step": queue.step, "most": most,
            "mean": int(queue.total.sum()) / (queue.cycles * queue.pes),
            "chart": markup(queue_chart(queue, says))}


def _busiest(reports: list[RunReport]) -> float:
    """The upper end of the scale of loads: the highest one, rounded up to a tenth."""
    highest = max(each.busy.max() for each in reports)
    return max(0.1, math.ceil(highest * 10) / 10)


def _layer(layer: LayerSummary, number: int, report: RunReport, longest: float, dearest: float,
           busiest: float, markup: Markup) -> dict[str, Any]:
    """One layer's numbers and charts; the ends of the scales are cycles, pJ and a share."""
    energy = report.energy[number]
    busy = report.busy[number]
    cycles = layer.cycles / report.summary.inputs
    shares = layer.shares
    share_text = ", ".join(f"{_LABELS.get(share, share)} {shares[share]:.1%}"
                           for share in SHARES if shares[share])
    energy_text = ", ".join(f"{_UNIT_LABELS.get(unit, unit)} {energy[unit] / 1e3:,.1f} nJ"
                            for unit in UNITS)
    busy_text = (f"PEs busy {busy.min():.1%} to {busy.max():.1%} of its cycles, "
                 f"{busy.mean():.1%} in the mean")
    return {
        "summary": layer, "name": layer.name, "cycles": cycles, "busy": busy,
        "energy": {unit: energy[unit] / 1e3 for unit in UNITS},
        "energy_total": sum(energy.values()) / 1e3,
        "bar": markup(bar([(share, shares[share] * cycles) for share in SHARES], longest,
                          f"{layer.name}: {cycles:,.1f} cycles; {share_text}")),
        "share_bar": markup(bar([(share, shares[share]) for share in SHARES], 1,
                                f"{layer.name}: {share_text}")),
        "heat": markup(heat(busy, busiest, f"{layer.name}: {busy_text}")),
        "energy_bar": markup(bar([(f"u-{unit}", energy[unit]) for unit in UNITS], dearest,
                                 f"{layer.name}: {energy_text}"))}
