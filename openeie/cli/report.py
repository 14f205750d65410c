# SPDX-License-Identifier: Apache-2.0
"""``openeie report``: a run, or a comparison of two, as an HTML page; and as a timeline."""
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..core.array.config import PRESETS
from ..core.artefact.artefact import loads, read_bytes
from ..core.artefact.inspect import inspect
from ..core.compile.automatic import compile_for
from ..core.compile.program import Program
from ..core.defaults import AskedArray, default_preset
from ..core.errors import CapacityError, InputError, must_be_one_of
from ..core.network.graph import Network
from ..core.run import Run
from ..sim.engines import simulate
from .common import (AsJson, Config64, Jobs, Model, Quiet, Seed, Set, array_for, asked_array, emit,
                     working)
from .compile import Encoding, Vectors
from .models import find_model, inputs_for
from .outputs import check_format, check_writable, write_atomically
from .sim import InputFile
from .streams import is_stdout

__all__ = ["command"]

_IMAGES = 20
_MHZ = 800.0
_ENGINES = ("fast", "rtl")

PageOut = Annotated[Path, typer.Option("-o", "--out", help="The page to write (.html).")]
Against = Annotated[str | None, typer.Option(
    "--against", help="Compare with this array: a preset, or a .toml or .json file.")]
Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", show_default=str(_IMAGES),
    help="Use the first N of the demo's MNIST images.")]
Engine = Annotated[str, typer.Option("-e", "--engine", help="fast or rtl.")]
Clock = Annotated[float, typer.Option("--mhz", help="Clock for the latency.")]
TimelineOut = Annotated[Path | None, typer.Option(
    "--timeline", help="Write the first launch as a timeline for Perfetto to this file (.json).")]
MostEvents = Annotated[int | None, typer.Option(
    "--most-events", metavar="N", show_default="200000",
    help="Most events in the timeline; what is left out is told.")]


def command(model: Model, config: Config64 = None, changes: Set = None, against: Against = None,
            images: Images = None, inputs: InputFile = None, engine: Engine = "fast",
            mhz: Clock = _MHZ, encoding: Encoding = None, vectors: Vectors = 1, seed: Seed = 1,
            jobs: Jobs = 1, timeline: TimelineOut = None, most_events: MostEvents = None,
            as_json: AsJson = False, out: PageOut = Path("report.html"),
            quiet: Quiet = False) -> None:
    """Run a network, and write a page on cycles, stalls, load, queues, compression and energy."""
    _check(engine, mhz, out, timeline, most_events)
    check_writable(out, timeline, as_json=as_json)
    from ..sim.report.gather import gather
    from ..sim.report.page import render
    path = find_model(model)
    data = read_bytes(path)
    network = loads(data, source=str(path))
    contents = inspect(data)
    arrays = _arrays(network, config, changes, against)
    x, _ = inputs_for(network, inputs, images, _IMAGES)
    programs = [_program(network, name, array, vectors, encoding) for name, array in arrays]
    options = {"jobs": jobs} if engine == "fast" else {"seed": seed}

    reports = []
    runs = []
    for (name, _), program in zip(arrays, programs):
        with working(f"{engine} on {name}: {len(x):,} inputs", quiet=quiet or as_json):
            runs.append(simulate(program, x, engine, **options))
            reports.append(gather(program, runs[-1], x, mhz=mhz, array=name, contents=contents))

    page = render(*reports)
    warnings = dict.fromkeys(line for run in runs for line in run.warnings)
    result: dict = {"page": str(out), "bytes": len(page),
                    "runs": [report.to_dict() for report in reports],
                    "warnings": list(warnings)}
    lines = [f"{out}: {len(page):,} bytes; open it with a browser"]
    if timeline is not None:
        lines += _timeline(programs[0], runs[0], x, timeline, most_events, result)
    write_atomically(out, page)
    emit(result, lambda: lines, as_json=as_json,
         quiet=quiet or is_stdout(out) or is_stdout(timeline))


def _check(engine: str, mhz: float, out: Path, timeline: Path | None,
           most_events: int | None) -> None:
    """Check before the run that its result can be shown and written."""
    if engine == "golden":
        raise InputError("a report shows cycles, which the engine golden does not have; choose "
                         "--engine fast or rtl")
    if engine not in _ENGINES:
        raise InputError(f"engine {must_be_one_of(engine, _ENGINES)}")
    if not 0 < mhz < 10_000:
        raise InputError(f"--mhz must be a positive number of MHz below 10000, not {mhz}")
    if most_events is not None and timeline is None:
        raise InputError(f"--most-events {most_events} is for a timeline; give --timeline "
                         f"FILE.json, too")
    if most_events is not None and most_events < 1:
        raise InputError(f"--most-events must be at least 1, not {most_events}")
    for path, ends in ((out, (".htm", ".html")), (timeline, (".json",))):
        if path is not None:
            check_format(path, ends)
    from ..sim.report.page import check_page
    check_page()


def _arrays(network: Network, config: str | None, changes: list[str] | None,
            against: str | None) -> list[tuple[str, AskedArray]]:
    """Names and configurations of the arrays to run on; ``--set`` changes only the first."""
    first = array_for(network, config, changes, linear="EIE64")
    arrays = [(_name(network, config, changes), first)]
    if against is not None:
        arrays.append((_stem(against), asked_array(against, None)))
        if arrays[1][1] == first:
            raise InputError(f"--against {against} is the array of the run itself; choose another "
                             f"one")
        if arrays[0][0] == arrays[1][0]:
            arrays[1] = (f"{arrays[1][0]} (2)", arrays[1][1])
    return arrays


def _program(network: Network, name: str, array: AskedArray, vectors: int,
             encoding: str | None) -> Program:
    """The network compiled for an array; an error names the array."""
    try:
        return compile_for(network, array, vectors=vectors, encoding=encoding)
    except CapacityError as error:
        raise CapacityError(f"array {name}: {error}") from error


def _name(network: Network, config: str | None, changes: list[str] | None) -> str:
    """Name of the first array: its configuration and the changes to it."""
    if config is None:
        config = default_preset(network, linear="EIE64")
    return ", ".join([_stem(config), *(changes or ())])


def _stem(config: str) -> str:
    """Name of a preset, or of a file without folder and suffix."""
    return config if config in PRESETS else Path(config).stem


def _timeline(program: Program, run: Run, x: np.ndarray, path: Path, most_events: int | None,
              result: dict) -> list[str]:
    """Write the timeline; returns lines about it."""
    from ..sim.report.timeline import MOST_EVENTS, timeline
    made = timeline(program, run, x, most_events=most_events or MOST_EVENTS)
    write_atomically(path, made.data)
    result["timeline"] = {"file": str(path), "events": made.events, "bytes": len(made.data),
                          "left_out": list(made.left_out)}
    return [f"{path}: {made.events:,} events; open it at ui.perfetto.dev (it is not uploaded)",
            *(f"left out: {line}" for line in made.left_out)]
