# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file that needs nothing else: no script, no network, any screen, paper."""
import math
from pathlib import Path

from ...core.errors import InputError
from ...core.host.extras import need
from ..study.run_energy import UNITS
from ..views.summary import SHARES, LayerSummary
from .charts import LEVELS, bar, heat, queue_chart
from .gather import RunReport

__all__ = ["check_page", "render"]

_LABELS = {"mac": "multiply-accumulate", "pool": "pooling", "empty_column": "empty column"}
_UNIT_LABELS = {"entries": "entry memory", "pointers": "pointer memory"}


def check_page() -> None:
    """Refuse now what :func:`render` would refuse after a long run.

    Raises
    ------
    ToolError : jinja2 is not installed.
    """
    need("report", "a report", "jinja2", "markupsafe")


def render(report: RunReport, against: RunReport | None = None) -> bytes:
    """The page of one run, or of two of the same network; the same runs give the same bytes.

    Raises
    ------
    InputError : the two are of different networks.
    ToolError : see :func:`check_page`.
    """
    check_page()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    reports = [report] if against is None else [report, against]
    if len({tuple(layer.name for layer in each.summary.layers) for each in reports}) > 1:
        raise InputError(f"two runs of one network can be compared, not {report.summary.network!r} "
                         f"and {against.summary.network!r}, whose layers differ")
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
                              trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {
        "count": lambda value: f"{value:,.0f}", "share": lambda value: f"{value:.1%}",
        "times": lambda value: f"{value:,.2f}", "short": lambda value: f"{value:,.1f}"}
    template = environment.get_template("report.html.j2")
    style = Markup(Path(__file__).with_name("report.css").read_text())
    shown = [share for share in SHARES
             if any(each.summary.total.spent[share] for each in reports)]
    text = template.render(
        style=style, runs=[_view(each, reports, Markup) for each in reports], shares=shown,
        labels={share: _LABELS.get(share, share) for share in SHARES}, units=UNITS,
        unit_labels={unit: _UNIT_LABELS.get(unit, unit) for unit in UNITS}, levels=range(LEVELS),
        busiest=_busiest(reports),
        facts=_facts(reports), rows=_compared(reports) if against is not None else [],
        contents=report.contents, summary=report.summary, shapes=report.shapes)
    return text.encode()


def _facts(reports: list[RunReport]) -> list[dict]:
    """The numbers at the top: what, each run's as text, and the ratio of the two if that means
    something."""
    facts = [
        ("cycles of an input", [each.summary.total.cycles / each.summary.inputs
                                for each in reports], "{:,.0f}"),
        (f"latency at {reports[0].mhz:g} MHz, µs", [each.latency_us for each in reports],
         "{:,.2f}"),
        ("MAC utilisation", [each.summary.total.mac_utilisation for each in reports], "{:.1%}"),
        ("outputs saturated", [each.summary.total.saturated_share for each in reports], "{:.3%}"),
        ("speed-up over dense", [each.summary.total.speedup for each in reports], "{:,.2f}x"),
        ("energy of an input, µJ (model)", [
            each.energy_nj / 1e3 / each.vectors for each in reports], "{:,.2f}")]
    view = [{"label": label, "values": [style.format(value) for value in values],
             "ratio": f"{values[0] / values[1]:.2f}" if len(values) > 1 and values[1] else None,
             "note": None}
            for label, values, style in facts]
    total, contents = reports[0].summary.total, reports[0].contents
    note = f"{contents.file_bytes:,} bytes on disk, {contents.factor:.1f}x below float32" \
        if contents is not None else None
    view.append({"label": "weights kept", "values": [f"{total.weight_density or 0:.1%}"],
                 "ratio": None, "note": note})
    return view


def _compared(reports: list[RunReport]) -> list[dict]:
    """Side by side: each layer, and all."""
    a, b = (each.summary for each in reports)
    energies = [[sum(layer.values()) / 1e3 for layer in each.energy] for each in reports]
    for energy in energies:
        energy.append(sum(energy))
    return [{"name": ours.name, "cycles": (ours.cycles / a.inputs, theirs.cycles / b.inputs),
             "ratio": ours.cycles * b.inputs / (theirs.cycles * a.inputs),
             "utilisation": (ours.mac_utilisation, theirs.mac_utilisation),
             "speedup": (ours.speedup, theirs.speedup), "energy": energy, "is_total": is_total}
            for ours, theirs, energy, is_total in zip(
                (*a.layers, a.total), (*b.layers, b.total), zip(*energies),
                [False] * len(a.layers) + [True])]


def _view(report: RunReport, reports: list[RunReport], markup) -> dict:
    """One run, its pictures drawn; scales are common to all runs."""
    summary = report.summary
    longest = max(layer.cycles / each.summary.inputs for each in reports
                  for layer in each.summary.layers)
    dearest = max(sum(layer.values()) for each in reports for layer in each.energy)
    layers = [_layer(layer, number, report, longest, dearest, _busiest(reports), markup)
              for number, layer in enumerate(summary.layers)]
    queues = [{"name": queue.name, "depth": queue.depth, "cycles": queue.cycles,
               "step": queue.step, "most": int(queue.most.max()),
               "mean": int(queue.total.sum()) / (queue.cycles * queue.pes),
               "chart": markup(queue_chart(queue, f"queues of {queue.name} over time: "
                                                  f"{int(queue.most.max())} of {queue.depth} "
                                                  f"places taken at most"))}
              for queue in report.queues]
    return {"array": report.array, "pes": summary.pes, "engine": summary.engine,
            "inputs": summary.inputs, "vectors": report.vectors, "layers": layers,
            "total": summary.total, "queues": queues, "untold": report.untold,
            "config": {name: ", ".join(value) if isinstance(value, list) else value
                       for name, value in report.config.to_dict().items()},
            "digest": report.config.digest, "energy_nj": report.energy_nj,
            "unit_totals": {unit: sum(layer[unit] for layer in report.energy) / 1e3
                            for unit in UNITS}}


def _busiest(reports: list[RunReport]) -> float:
    """The upper end of the scale of loads: the next whole tenth."""
    return max(0.1, math.ceil(max(each.busy.max() for each in reports) * 10) / 10)


def _layer(layer: LayerSummary, number: int, report: RunReport, longest: float, dearest: float,
           busiest: float, markup) -> dict:
    inputs, energy, busy = report.summary.inputs, report.energy[number], report.busy[number]
    cycles, shares = layer.cycles / inputs, layer.shares
    told = ", ".join(f"{_LABELS.get(share, share)} {shares[share]:.1%}"
                     for share in SHARES if shares[share])
    spent = ", ".join(f"{_UNIT_LABELS.get(unit, unit)} {energy[unit] / 1e3:,.1f} nJ"
                      for unit in UNITS)
    return {
        "summary": layer, "name": layer.name, "cycles": cycles, "busy": busy,
        "energy": {unit: energy[unit] / 1e3 for unit in UNITS},
        "energy_total": sum(energy.values()) / 1e3,
        "bar": markup(bar([(share, shares[share] * cycles) for share in SHARES], longest,
                          f"{layer.name}: {cycles:,.1f} cycles; {told}")),
        "share_bar": markup(bar([(share, shares[share]) for share in SHARES], 1,
                                f"{layer.name}: {told}")),
        "heat": markup(heat(busy, busiest, f"{layer.name}: PEs busy {busy.min():.1%} to "
                                           f"{busy.max():.1%} of its cycles, "
                                           f"{busy.mean():.1%} in the mean")),
        "energy_bar": markup(bar([(f"u-{unit}", energy[unit]) for unit in UNITS], dearest,
                                 f"{layer.name}: {spent}"))}
