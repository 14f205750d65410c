# SPDX-License-Identifier: Apache-2.0
"""``openeie bench eie``: the layers, tables and figures of EIE's paper, on our array."""
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.array.config import ArrayConfig
from ..core.compile.compile import compile_network
from ..core.errors import InputError, Mismatch
from ..core.run import Run
from .common import (SCHEMA_VERSION, AsJson, Quiet, Seed, Set, emit, progress, resolve_config,
                     working)
from .eie_layers import own_layers, paper_layers
from .models import load_model
from .outputs import check_writable, make_folder, write_atomically
from .tables import plain_table

if TYPE_CHECKING:
    from ..sim.study.eie import Measurement
    from ..sim.study.workload import LayerTime, Workload

__all__ = ["command"]

_PRECISION_NETWORK = "lenet-300-100"
#: Default layers for the gateware; the others take minutes each.
_RTL_LAYERS = ("Alex-8", "NT-We")

Layer = Annotated[list[str] | None, typer.Option(
    "--layer", metavar="NAME", help="Run only this layer of the paper; repeatable.")]
Npz = Annotated[list[Path] | None, typer.Option(
    "--npz", metavar="FILE", help="Run a layer of your own instead: arrays acts and weights, or "
                                  "acts, pointers, runs, codes, codebook (docs/eie-layers.md); "
                                  "repeatable.")]
Array = Annotated[str | None, typer.Option(
    "-c", "--config", show_default="the paper's: EIE64, queues of 8",
    help="Another array: a preset, or a .toml or .json file.")]
Engine = Annotated[str, typer.Option(
    "-e", "--engine", help="fast, or rtl to run the gateware as well.")]
Timing = Annotated[str, typer.Option(
    help="array: cycles of our gateware; authors: of the simulator of EIE's authors.")]
NoBias = Annotated[bool, typer.Option(
    "--no-bias", help="With --timing authors: add no column of biases, since the layers have none, "
                      "or have it as their last column.")]
OutFolder = Annotated[Path | None, typer.Option(
    "-o", "--out", metavar="FOLDER", help="Write eie.json and the figures (.svg) to this folder.")]


def command(layer: Layer = None, npz: Npz = None, config: Array = None, changes: Set = None,
            engine: Engine = "fast", timing: Timing = "array", no_bias: NoBias = False,
            seed: Seed = 1, out: OutFolder = None, as_json: AsJson = False,
            quiet: Quiet = False) -> None:
    """Reproduce the measurements of EIE's paper, next to its own numbers."""
    _check(engine, timing, no_bias)
    if layer and npz:
        raise InputError(f"--layer {layer[0]} is a layer of the paper, but --npz {npz[0]} has "
                         f"others; give one of the two")
    calm = quiet or as_json
    array = _array(config, changes)
    units: dict[str, dict[str, float]] = {}
    if npz:
        layers, units = own_layers(npz)
    else:
        layers = paper_layers(layer or (_RTL_LAYERS if engine == "rtl" else ()), seed)
    if out is not None:
        from ..sim.views.picture import check_picture
        check_picture(Path("figure.svg"))
        make_folder(out)
        check_writable(out / "eie.json")

    from ..sim.study.eie import CLOCK_MHZ
    with working("the layers' times", quiet=calm):
        times = [one.time(array) for one in layers]
        rows = _rows(layers, times, is_papers=not npz)
        if timing == "authors":
            rows = _by_authors(rows, layers, array, bias=not no_bias)

    result: dict = {"schema_version": SCHEMA_VERSION, "config": array.to_dict(),
                    "clock_mhz": CLOCK_MHZ, "seed": seed, "timing": timing,
                    "layers": [_row_dict(row, units.get(row.name, {})) for row in rows]}
    if timing == "authors":
        result["bias"] = not no_bias
        result["warnings"] = _bias_warnings(layers) if npz and not no_bias else []
    lines = _unit_lines(units)
    if engine == "rtl":
        compared = [_compare(one, time, array, quiet=calm) for one, time in zip(layers, times)]
        names = [one.name for one in layers]
        result["rtl"] = {"equal": True, "layers": names, "compared": sum(compared)}
        lines.append(f"equal: rtl = fast on {', '.join(names)}: {sum(compared):,} words, cycle "
                     f"counts and counters compared")
    elif timing == "array":             # the figures show our array
        result |= _figures(layers, array, out, lines, quiet=calm)

    if out is not None:
        write_atomically(out / "eie.json", json.dumps(result, indent=2).encode())
    emit(result, lambda: [*_tables(rows, array, timing, None if npz else seed), *lines],
         as_json=as_json, quiet=quiet)


def _check(engine: str, timing: str, no_bias: bool) -> None:
    """Check the options before the work.

    Raises
    ------
    InputError
    """
    for name, value, known in (("--engine", engine, ("fast", "rtl")),
                               ("--timing", timing, ("array", "authors"))):
        if value not in known:
            raise InputError(f"{name} must be {' or '.join(known)}, not {value!r}")
    if engine == "rtl" and timing == "authors":
        raise InputError("--timing authors has no gateware; leave out --engine rtl")
    if no_bias and timing != "authors":
        raise InputError("--no-bias is for --timing authors; the array's timing never adds a "
                         "column of biases, so leave it out")


def _array(name: str | None, changes: list[str] | None) -> ArrayConfig:
    """The array that the options ask for; without them, the paper's.

    Raises
    ------
    ConfigError : there is no such array.
    InputError : it has several clusters.
    """
    from ..sim.study.eie import paper_array
    array = resolve_config(name, changes, base=paper_array())
    if array.clusters > 1:
        raise InputError(f"bench eie takes arrays of one cluster, as EIE is, not of "
                         f"{array.clusters}; add --set clusters=1")
    return array


def _rows(layers: list["Workload"], times: list["LayerTime"], *, is_papers: bool
          ) -> list["Measurement"]:
    """Our numbers of each layer, with the paper's beside them if the layers are the paper's."""
    from ..sim.study.eie import PAPER, measure
    papers = {row.name: row for row in PAPER} if is_papers else {}
    return [measure(one, time, paper=papers.get(one.name)) for one, time in zip(layers, times)]


def _by_authors(rows: list["Measurement"], layers: list["Workload"], array: ArrayConfig, *,
                bias: bool) -> list["Measurement"]:
    """The same with the cycles of the simulator of EIE's authors."""
    from ..sim.study.authors import authors_cycles
    from ..sim.study.eie import CLOCK_MHZ
    changed = []
    for row, one in zip(rows, layers):
        cycles = authors_cycles(one, array.pes, run_width=array.run_width,
                                buffer_size=array.queue_depth, bias=bias)
        changed.append(dataclasses.replace(row, cycles=cycles, actual_us=cycles / CLOCK_MHZ))
    return changed


def _bias_warnings(layers: list["Workload"]) -> list[str]:
    """A line for each layer that seems to bring its own biases, which would then count twice."""
    from ..sim.study.authors import may_have_bias
    return [f"layer {one.name!r}: its last column has a weight in every row and an activation, as "
            f"one of biases has, and the authors' timing adds one; if it is, give --no-bias"
            for one in layers if may_have_bias(one)]


def _unit_lines(units: dict[str, dict[str, float]]) -> list[str]:
    """A line for each array of floats: what one of its integers stands for."""
    lines = []
    for name, arrays in units.items():
        for key, unit in arrays.items():
            lines.append(f"{name}: {key}: floats, scaled to 16 bits and rounded; one unit is "
                         f"{unit:.6g}")
    return lines


def _compare(layer: "Workload", time: "LayerTime", config: ArrayConfig, *, quiet: bool) -> int:
    """Run the gateware on a layer; returns the number of values compared with ``fast``.

    Raises
    ------
    Mismatch : a value differs.
    """
    from ..sim.fast import fast
    from ..sim.rtl import rtl
    program = compile_network(layer.network(), config, vectors=len(layer.acts))
    with working(f"rtl: {layer.name}", quiet=quiet):
        truth: Run = rtl.run(program, layer.acts, unattended=False)
    compared = truth.compare(fast.run(program, layer.acts))
    if time.cycles != truth.cycles[0] or (time.counters != truth.tiles[0].counters[0]).any():
        raise Mismatch(f"layer {layer.name}: rtl takes {truth.cycles[0]} cycles, its workload "
                       f"{time.cycles}, or their counters differ")
    return compared


def _figures(layers: list["Workload"], config: ArrayConfig, out: Path | None, lines: list, *,
             quiet: bool) -> dict:
    """The figures' numbers; with a folder, the figures are drawn to files there."""
    from ..sim.study.figures import figures, precision_figure
    from ..sim.study.precision import errors_by_precision
    from ..sw.data.mnist import demo_images
    with progress("figures", quiet=quiet) as update:
        charts = figures(layers, config, update)
    with working("figure 10", quiet=quiet):
        errors = errors_by_precision(load_model(_PRECISION_NETWORK), *demo_images())
        charts.append(precision_figure(errors, _PRECISION_NETWORK))
    if out is not None:
        from ..sim.study.charts import draw_chart
        for chart in charts:
            write_atomically(out / f"{chart.name}.svg", draw_chart(chart))
        lines.append(f"figures: {out}/" + ", ".join(f"{chart.name}.svg" for chart in charts))
    return {"figures": [dataclasses.asdict(chart) for chart in charts]}


def _row_dict(row: "Measurement", units: dict[str, float]) -> dict:
    """A row as plain values, with the units of arrays of floats."""
    result = dataclasses.asdict(row)
    result["units"] = units
    result["energy_pj"] = result.pop("energy")["by_unit"]
    return result


def _tables(rows: list["Measurement"], array: ArrayConfig, timing: str, seed: int | None) -> list:
    """The paper's Table IV next to ours, and memory reads and energy."""
    drawn = "" if seed is None else f", seed {seed}"
    pes = f"{array.pes} PE{'s' if array.pes > 1 else ''}, queues of {array.queue_depth}"
    whose = "your layers" if seed is None else "EIE, Table IV"
    times = plain_table(f"{whose}: {pes}, 800 MHz, us{drawn}, cycles of the {timing}; "
                        f"balance and reads of our array",
                        "layer", "theo-\nretical", "paper's", "actual", "paper's ", "cycles",
                        "load\nbalance")
    reads = plain_table("memory reads and energy (a model)", "layer", "entries", "fillers",
                        "pointer\nreads", "word\nreads", "nJ", "mW")
    for row in rows:
        theoretical = f"{row.paper.theoretical_us:.1f}" if row.paper else "-"
        actual = f"{row.paper.actual_us:.1f}" if row.paper else "-"
        times.add_row(row.name, f"{row.theoretical_us:.1f}", theoretical, f"{row.actual_us:.1f}",
                      actual, f"{row.cycles:,}", f"{row.balance:.1%}")
        reads.add_row(row.name, f"{row.entries:,}", f"{row.filler_share:.1%}",
                      f"{row.pointer_reads:,}", f"{row.word_reads:,}",
                      f"{row.energy.total * 1e-3:,.0f}",
                      f"{row.energy.total * 1e-3 / row.actual_us:,.0f}")
    return [times, reads]
