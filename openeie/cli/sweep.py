# SPDX-License-Identifier: Apache-2.0
"""``openeie sweep``: a grid over the array's fields, on layers and networks."""
import dataclasses
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ..core.array.config import ArrayConfig, check_keys
from ..core.array.limits import NAMES
from ..core.errors import InputError
from ..core.host.extras import need
from ..core.host.files import remove_file
from ..core.network.graph import Network
from .common import AsJson, Quiet, emit, progress, write_atomically
from .models import inputs_for, is_for_mnist, load_model
from .outputs import check_writable, make_folder
from .sweep_tables import sweep_tables

if TYPE_CHECKING:
    from ..sim.study.grid import Sweep

__all__ = ["command"]

_ROWS, _IMAGES = 40, 10
#: Files of a folder of results, besides the pictures of fields.
_RESULTS = ("sweep.json", "points.csv", "points.parquet", "front.svg")

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
    "--images", show_default=str(_IMAGES), help="Inputs of each network: MNIST's images, if it was "
    "made for them; otherwise drawn, which is said.")]
InputFile = Annotated[Path | None, typer.Option(
    "--input", help="Inputs of the networks instead, all of them (.npy or .npz, as for sim).")]
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
            inputs: InputFile = None, seed: Seed = None, mhz: Clock = None, jobs: Jobs = 1,
            scheduler: Scheduler = None, restart: Restart = False, out: Folder = None,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Cycles, energy, memory and LUTs of every array of a grid, and which are not beaten."""
    from ..sim.study.grid import read_sweep
    from ..sim.study.sweep import run_sweep
    asked = {"base": config, "images": images, "seed": seed, "mhz": mhz,
             "input": None if inputs is None else str(inputs),
             "grid": _assignments("--grid", grid, many=True),
             "set": _assignments("--set", changes, many=False),
             "layer": [_parse_layer(text) for text in layer or ()], "networks": network or []}
    sweep = read_sweep(file, {name: value for name, value in asked.items()
                              if value not in (None, [], {})})
    if restart and out is None:
        raise InputError("--restart forgets what is in a folder; name it with -o")
    networks, told = _networks(sweep)
    journal = None if out is None else _journal(out)
    notes: list[str] = []
    with progress("points", quiet=quiet or as_json) as update:
        rows = run_sweep(sweep, networks, journal=journal, restart=restart, jobs=jobs,
                         scheduler=scheduler, progress=update, note=notes.append)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        _forget(out)
        resolved = sweep.model_dump(mode="json") | {"inputs": told}
        write_atomically(out / "sweep.json", json.dumps(resolved, indent=2).encode())
        _write(out, sweep, rows)
    emit({"sweep": sweep.model_dump(mode="json"), "inputs": told, "points": rows},
         lambda: _lines(rows, told, out), as_json=as_json, quiet=quiet)


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
    check_keys([name])          # before its value is told to be of the wrong kind
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


def _networks(sweep: "Sweep") -> tuple[dict[str, tuple[Network, np.ndarray]], dict[str, dict]]:
    """The networks with their inputs, and what those are, to be told."""
    networks, told = {}, {}
    for name in sweep.networks:
        network = load_model(name)
        x, told[name] = _inputs(sweep, network)
        networks[name] = network, x
    return networks, told


def _inputs(sweep: "Sweep", network: Network) -> tuple[np.ndarray, dict[str, Any]]:
    """Inputs of a network [batch, n]: the file's, MNIST's images, or drawn where nothing is known
    of what it should be given."""
    if sweep.input is not None:
        x, _ = inputs_for(network, Path(sweep.input), None)
        return x, {"of": "file", "count": len(x), "file": sweep.input}
    count = sweep.images or _IMAGES
    if is_for_mnist(network):
        return inputs_for(network, None, count)[0], {"of": "mnist", "count": count}
    (low, high), rng = network.input_range, np.random.default_rng(sweep.seed)
    return rng.integers(low, high, (count, network.inputs), endpoint=True), {
        "of": "drawn", "count": count, "range": [low, high], "seed": sweep.seed}


def _told(name: str, inputs: dict[str, Any]) -> str:
    """What a network was run on."""
    if inputs["of"] == "file":
        return f"{name}: on the inputs of {inputs['file']}, {inputs['count']:,}"
    if inputs["of"] == "mnist":
        return f"{name}: on {inputs['count']:,} of MNIST's images"
    low, high = inputs["range"]
    return (f"{name}: on {inputs['count']:,} random inputs, drawn evenly from {low} .. {high} with "
            f"seed {inputs['seed']}: real ones have other zeros, and so other cycles and energy; "
            f"give yours with --input FILE")


def _journal(out: Path) -> Path:
    """The journal of a folder, which is made."""
    need("report", "a sweep's folder of tables and pictures", "matplotlib", "pyarrow")
    make_folder(out)
    check_writable(*(out / name for name in _RESULTS))
    return out / "points.jsonl"


def _forget(out: Path) -> None:
    """Remove the pictures of an earlier sweep, of whose fields this one may have none; a file whose
    name no sweep gives is the user's own."""
    fields = {field.name for field in dataclasses.fields(ArrayConfig)}
    for path in out.glob("cycles-*.svg"):
        if not fields.issuperset(path.stem.split("-")[1:]):
            continue
        try:
            remove_file(path)
        except OSError as error:
            raise InputError(f"cannot remove {path}: {error.strerror}") from error


def _write(out: Path, sweep: "Sweep", rows: list[dict[str, Any]]) -> None:
    """The table as CSV and Parquet; a picture for each field, of two fields together where two are
    swept, and of the front."""
    import pyarrow as pa
    from pyarrow import csv, parquet
    from ..sim.study.charts import draw_chart
    from ..sim.study.heat_map import draw_heat_map, heat_map_fields
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
    if fields := heat_map_fields(sweep):
        write_atomically(out / f"cycles-{'-'.join(fields)}.svg", draw_heat_map(sweep, rows))
    write_atomically(out / "front.svg", draw_front(rows))


def _lines(rows: list[dict[str, Any]], told: dict[str, dict], out: Path | None) -> list:
    """The front first, as far as a person reads, and what the networks were given."""
    front = [row for row in rows if row["pareto"]]
    shown = (front + [row for row in rows if not row["pareto"]])[:_ROWS]
    lines: list = sweep_tables(shown, f"{len(rows):,} points, {len(front):,} on the Pareto front "
                                      f"of cycles, energy, memory and LUTs")
    if len(shown) < len(rows):
        lines.append(f"{len(rows) - len(shown):,} more points: "
                     + (f"{out}/points.csv" if out else "-o FOLDER, or --json"))
    return lines + [_told(name, inputs) for name, inputs in told.items()]
