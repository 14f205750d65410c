# SPDX-License-Identifier: Apache-2.0
"""``openeie bench eie``: the layers, tables and figures of EIE's paper, on our array."""
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.array.config import ArrayConfig
from ..core.compile.compile import compile_network
from ..core.errors import InputError, Mismatch, did_you_mean
from ..core.run import Run
from ..sw.data.npz import read_arrays
from .common import SCHEMA_VERSION, AsJson, Quiet, Seed, emit, progress, working
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
                                  "acts, pointers, runs, codes, codebook; repeatable.")]
Engine = Annotated[str, typer.Option(
    "-e", "--engine", help="fast, or rtl to run the gateware as well.")]
Timing = Annotated[str, typer.Option(
    help="array: cycles of our gateware; authors: of the simulator of EIE's authors.")]
OutFolder = Annotated[Path | None, typer.Option(
    "-o", "--out", metavar="FOLDER", help="Write eie.json and the figures (.svg) to this folder.")]


def command(layer: Layer = None, npz: Npz = None, engine: Engine = "fast",
            timing: Timing = "array", seed: Seed = 1, out: OutFolder = None,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Reproduce the measurements of EIE's paper, next to its own numbers."""
    _check(engine, timing)
    calm = quiet or as_json
    layers = _layers(layer or (_RTL_LAYERS if engine == "rtl" and not npz else ()), npz or (),
                     seed)
    if out is not None:
        from ..sim.views.picture import check_picture
        check_picture(Path("figure.svg"))
        make_folder(out)
        check_writable(out / "eie.json")

    from ..sim.study.eie import CLOCK_MHZ, PAPER, measure, paper_array
    config = paper_array()
    with working("the layers' times", quiet=calm):
        times = [one.time(config) for one in layers]
        papers = {} if npz else {row.name: row for row in PAPER}
        rows = [measure(one, time, paper=papers.get(one.name))
                for one, time in zip(layers, times)]
        if timing == "authors":
            from ..sim.study.authors import authors_cycles
            cycles = [authors_cycles(one, config.pes) for one in layers]
            rows = [dataclasses.replace(row, cycles=count, actual_us=count / CLOCK_MHZ)
                    for row, count in zip(rows, cycles)]

    result: dict = {"schema_version": SCHEMA_VERSION, "config": config.to_dict(),
                    "clock_mhz": CLOCK_MHZ, "seed": seed,
                    "timing": timing, "layers": [_row_dict(row) for row in rows]}
    lines: list = []
    if engine == "rtl":
        compared = [_compare(one, time, config, quiet=calm) for one, time in zip(layers, times)]
        names = [one.name for one in layers]
        result["rtl"] = {"equal": True, "layers": names, "compared": sum(compared)}
        lines.append(f"equal: rtl = fast on {', '.join(names)}: {sum(compared):,} words, cycle "
                     f"counts and counters compared")
    elif timing == "array":             # the figures show our array
        result |= _figures(layers, config, out, lines, quiet=calm)

    if out is not None:
        write_atomically(out / "eie.json", json.dumps(result, indent=2).encode())
    emit(result, lambda: [*_tables(rows, timing, None if npz else seed), *lines],
         as_json=as_json, quiet=quiet)


def _check(engine: str, timing: str) -> None:
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


def _layers(names: Sequence[str], files: Sequence[Path], seed: int) -> list["Workload"]:
    """The paper's layers, only those that are named, or those of the files."""
    if seed < 0:
        raise InputError(f"--seed must not be negative, not {seed}")
    from ..sim.study.arrays import workload_of
    from ..sim.study.eie import PAPER, paper_workloads
    if files:
        if names:
            raise InputError(f"--layer {names[0]} is a layer of the paper, but --npz {files[0]} "
                             f"has others; give one of the two")
        stems = [path.stem for path in files]
        twice = next((stem for stem in stems if stems.count(stem) > 1), None)
        if twice:
            raise InputError(f"two files are called {twice!r}, which is the name of their layers; "
                             f"rename one")
        return [workload_of(_read(path), path.stem) for path in files]
    known = [row.name for row in PAPER]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"no layer {unknown[0]!r} in EIE's Table III; "
                         f"{did_you_mean(unknown[0], known)}there are: {', '.join(known)}")
    return [one for one in paper_workloads(seed) if not names or one.name in names]


def _read(path: Path) -> dict:
    """The arrays in the file of a layer."""
    from ..sim.study.arrays import ARRAYS
    arrays = read_arrays(path, "a layer", ARRAYS)
    if not isinstance(arrays, dict):
        raise InputError(f"{path} holds one array; a layer needs an .npz file with acts and "
                         f"weights")
    return arrays


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


def _row_dict(row: "Measurement") -> dict:
    """A row as plain values."""
    result = dataclasses.asdict(row)
    result["energy_pj"] = result.pop("energy")["by_unit"]
    return result


def _tables(rows: list["Measurement"], timing: str, seed: int | None) -> list:
    """The paper's Table IV next to ours, and memory reads and energy."""
    drawn = "" if seed is None else f", seed {seed}"
    times = plain_table(f"EIE, Table IV: 64 PEs, 800 MHz, us{drawn}, cycles of the {timing}; "
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
