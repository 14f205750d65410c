# SPDX-License-Identifier: Apache-2.0
"""``openeie sweep``: a grid over the array's fields, on layers and networks."""
import io
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..core.errors import InputError, ToolError
from .common import AsJson, Quiet, emit, progress, write_atomically
from .models import load_model
from .tables import plain_table

__all__ = ["command"]

_ROWS = 40

File = Annotated[Path | None, typer.Argument(metavar="[FILE.toml]")]
Grid = Annotated[list[str] | None, typer.Option(
    "--grid", metavar="FIELD=V1,V2,...", help="Values of a field of the array; repeatable.")]
Set = Annotated[list[str] | None, typer.Option(
    "--set", metavar="FIELD=VALUE", help="Change a field for all points; repeatable.")]
Layer = Annotated[list[str] | None, typer.Option(
    "--layer", metavar="NAME:INPUTSxOUTPUTS:WEIGHTS:ACTS",
    help="A random layer with these shares of non-zero weights and activations; repeatable.")]
Networks = Annotated[list[str] | None, typer.Option(
    "--network", metavar="MODEL", help="A network that comes with the package, or an *.eie file; "
                                       "repeatable.")]
Base = Annotated[str | None, typer.Option(
    "-c", "--config", show_default="EIE64", help="Preset from which every array starts.")]
Images = Annotated[int | None, typer.Option(
    "--images", show_default="10", help="Inputs of each network.")]
Seed = Annotated[int | None, typer.Option(
    "--seed", show_default="1", help="What random layers and inputs start from.")]
Clock = Annotated[float | None, typer.Option(
    "--mhz", show_default="800", help="Clock: makes microseconds of cycles.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Processes of this machine.")]
Scheduler = Annotated[str | None, typer.Option(
    metavar="ADDRESS", help="A running Dask scheduler, as tcp://host:8786, instead.")]
Folder = Annotated[Path | None, typer.Option(
    "-o", "--out", metavar="FOLDER", help="Write tables and pictures there; a sweep that was "
                                          "stopped goes on there.")]
Restart = Annotated[bool, typer.Option("--restart", help="Forget what is in the folder's journal.")]


def command(file: File = None, grid: Grid = None, changes: Set = None, layer: Layer = None,
            network: Networks = None, config: Base = None, images: Images = None,
            seed: Seed = None, mhz: Clock = None, jobs: Jobs = 1, scheduler: Scheduler = None,
            restart: Restart = False, out: Folder = None, as_json: AsJson = False,
            quiet: Quiet = False) -> None:
    """Cycles, energy, memory and LUTs of every array of a grid, and which are not beaten."""
    from ..sim.study.grid import read_sweep
    from ..sim.study.sweep import run_sweep
    asked = {"base": config, "images": images, "seed": seed, "mhz": mhz,
             "grid": _assignments("--grid", grid, many=True),
             "set": _assignments("--set", changes, many=False),
             "layer": [_parse_layer(text) for text in layer or ()], "networks": network or []}
    sweep = read_sweep(file, {name: value for name, value in asked.items()
                              if value not in (None, [], {})})
    if restart and out is None:
        raise InputError("--restart forgets what is in a folder; name it with -o")
    networks = {name: _network(name, sweep.images, sweep.seed) for name in sweep.networks}
    journal = None if out is None else _journal(out)
    with progress("points", quiet=quiet or as_json) as update:
        rows = run_sweep(sweep, networks, journal=journal, restart=restart, jobs=jobs,
                         scheduler=scheduler, progress=update)
    if out is not None:
        _forget(out)
        write_atomically(out / "sweep.json", sweep.model_dump_json(indent=2).encode())
        _write(out, sweep, rows)
    emit({"sweep": sweep.model_dump(mode="json"), "points": rows}, lambda: _lines(rows, out),
         as_json=as_json, quiet=quiet)


def _assignments(option: str, texts: list[str] | None, *, many: bool) -> dict[str, Any]:
    pairs = [_assignment(option, text, many=many) for text in texts or ()]
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{option} {twice} is given twice; give it once"
                         + (", with all its values" if many else ""))
    return dict(pairs)


def _assignment(option: str, text: str, *, many: bool) -> tuple[str, Any]:
    """``pes=1,2`` or ``encodings=csr+codebook``: a field and its values."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise InputError(f"{option} takes FIELD=VALUE{',VALUE,...' if many else ''}, "
                         f"not {text!r}")
    if not many:
        return name, _value(name, values)
    return name, [_value(name, value) for value in values.split(",")]


def _value(name: str, text: str) -> int | list[str]:
    """Names joined by + (or, of one value, by a comma) for fields that are lists of them,
    otherwise an integer."""
    from ..core.limits import NAMES
    if name in NAMES:
        return text.replace(",", "+").split("+")
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name} takes integers, not {text!r}") from None


def _parse_layer(text: str) -> dict[str, Any]:
    try:
        name, size, weights, acts = text.split(":")
        inputs, outputs = (int(number) for number in size.split("x"))
        return {"name": name, "inputs": inputs, "outputs": outputs,
                "weight_density": float(weights), "act_density": float(acts)}
    except ValueError:
        raise InputError(f"--layer takes NAME:INPUTSxOUTPUTS:WEIGHT_DENSITY:ACT_DENSITY, as "
                         f"fc6:9216x4096:0.09:0.35, not {text!r}") from None


def _network(name: str, count: int, seed: int):
    """A network and its inputs: the demo's pictures where they fit, otherwise random ones."""
    from ..sw.data import PIXELS, demo_pictures
    network = load_model(name)
    low, high = network.input_range
    if network.inputs == PIXELS and low <= 0 and high >= 255:
        x, _ = demo_pictures()
        if count > len(x):
            raise InputError(f"images must be in 1 .. {len(x)}, not {count}")
        return network, x[:count]
    rng = np.random.default_rng(seed)
    return network, rng.integers(low, high, (count, network.inputs), endpoint=True)


def _journal(out: Path) -> Path:
    """The journal of a folder, which is made."""
    try:
        import matplotlib  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ToolError(f"tables and pictures need {error.name}, which is not installed; install "
                        f"it: pip install 'openeie[report]'") from None
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot use the folder {out}: {error.strerror}") from error
    return out / "points.jsonl"


def _forget(out: Path) -> None:
    """Remove the pictures of an earlier sweep, of whose fields this one may have none."""
    for path in out.glob("cycles-*.svg"):
        path.unlink()


def _write(out: Path, sweep, rows: list[dict[str, Any]]) -> None:
    """The table as CSV and Parquet, and a picture for each field and one of the front."""
    import pyarrow as pa
    from pyarrow import csv, parquet
    from ..sim.study.charts import draw_chart
    from ..sim.study.sweep import columns_of
    from ..sim.study.sweep_charts import draw_front, sweep_charts
    table = pa.table({name: [row[name] if not isinstance(row[name], list)
                             else json.dumps(row[name]) for row in rows]
                      for name in columns_of(sweep)})
    for name, write in (("points.csv", csv.write_csv), ("points.parquet", parquet.write_table)):
        buffer = io.BytesIO()
        write(table, buffer)
        write_atomically(out / name, buffer.getvalue())
    for chart in sweep_charts(sweep, rows):
        write_atomically(out / f"{chart.name}.svg", draw_chart(chart))
    write_atomically(out / "front.svg", draw_front(rows))


def _lines(rows: list[dict[str, Any]], out: Path | None) -> list:
    """The front first, as far as a person reads."""
    front = [row for row in rows if row["pareto"]]
    shown = (front + [row for row in rows if not row["pareto"]])[:_ROWS]
    heads = list(rows[0])
    table = plain_table(f"{len(rows):,} points, {len(front):,} on the Pareto front of cycles, "
                        f"energy, memory and LUTs", *heads, left=("name", "status"))
    for row in shown:
        table.add_row(*(_text(row[head]) for head in heads))
    lines: list = [table]
    if len(shown) < len(rows):
        lines.append(f"{len(rows) - len(shown):,} more points: "
                     + (f"{out}/points.csv" if out else "-o FOLDER, or --json"))
    return lines


def _text(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:,.1f}" if value >= 10 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
