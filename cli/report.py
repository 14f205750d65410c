# SPDX-License-Identifier: Apache-2.0
"""``openeie report``: a run as a page, and as a timeline."""
from pathlib import Path
from typing import Annotated

import typer

from ..core.compile import compile_network
from ..core.errors import InputError
from ..core.inspect import inspect
from ..sim.engines import simulate
from .common import (AsJson, Config64, Engine, Jobs, Model, Quiet, Seed, Set, config_for, emit,
                     working, write_atomically)
from .compile import Balance, Encoding
from .models import find_model, inputs_for, load_model
from .sim import Images, InputFile

__all__ = ["command"]

_IMAGES = 100

Page = Annotated[Path, typer.Option("-o", "--out", metavar="FILE.html", help="The page.")]
Against = Annotated[str | None, typer.Option(
    metavar="PRESET|FILE", help="Compare with the same network on this array.")]
Timeline = Annotated[Path | None, typer.Option(
    metavar="FILE.json", help="Write the first start as a timeline for Perfetto, too.")]
MostEvents = Annotated[int, typer.Option(min=1, help="Of the timeline; later ones are left out.")]
Clock = Annotated[float, typer.Option("--mhz", help="Makes microseconds of cycles.")]


def command(model: Model, out: Page = Path("report.html"), engine: Engine = "fast",
            images: Images = None, inputs: InputFile = None, config: Config64 = None,
            changes: Set = None, encoding: Encoding = None, balance: Balance = False,
            against: Against = None, timeline: Timeline = None, most_events: MostEvents = 200_000,
            mhz: Clock = 800, seed: Seed = 1, jobs: Jobs = 1, as_json: AsJson = False,
            quiet: Quiet = False) -> None:
    """One HTML page of a run: layers, stalls, PEs' loads, queues, energy, compression."""
    from ..sim.report import Subject, report_page, report_values, traces_of
    _check(out, timeline, engine, mhz)
    network = load_model(model)
    x, _ = inputs_for(network, inputs, images, _IMAGES)
    if not len(x):
        raise InputError("a report needs at least one input, not 0")
    configs = [(config or "the default array", config_for(network, config, changes,
                                                          linear="EIE64"))]
    if against is not None:
        configs.append((against, config_for(network, against, None, linear="EIE64")))
    subjects = []
    options = {"fast": {"jobs": jobs}, "rtl": {"seed": seed}}[engine]
    for name, array in configs:
        program = compile_network(network, array, encoding=encoding, balance=balance)
        with working(f"{engine}: {len(x):,} inputs on {name}", quiet=quiet or as_json):
            run = simulate(program, x, engine, **options)
        subjects.append(Subject(label=name, program=program, run=run, x=x))
    values = report_values(subjects, mhz=mhz, contents=inspect(find_model(model)))
    page = report_page(values)
    write_atomically(out, page)
    result = {"report": str(out), "bytes": len(page), "network": network.name,
              "config": configs[0][1].to_dict(), "cycles": values["total"]["cycles"]}
    lines = [f"{out}: {len(page):,} bytes; open it in a browser"]
    if timeline is not None:
        from ..sim.timeline import timeline as draw
        text, left_out = draw(traces_of(subjects[0]), configs[0][1].pes,
                              most_events=most_events)
        write_atomically(timeline, text)
        result |= {"timeline": str(timeline), "left_out": left_out}
        lines.append(f"{timeline}: open it at ui.perfetto.dev or chrome://tracing"
                     + (f"; {left_out:,} events left out (--most-events)" if left_out else ""))
    emit(result, lambda: lines, as_json=as_json, quiet=quiet)


def _check(out: Path, timeline: Path | None, engine: str, mhz: float) -> None:
    """Refuse at once what could not be written at the end."""
    for path, end in ((out, ".html"), (timeline, ".json")):
        if path is not None and path.suffix != end:
            raise InputError(f"the name must end in {end}, not {path.name!r}")
        if path is not None and not path.parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if engine not in ("fast", "rtl"):
        raise InputError(f"a report shows cycles: --engine must be fast or rtl, not {engine!r}")
    if not 0 < mhz < float("inf"):
        raise InputError(f"--mhz must be positive, not {mhz}")
