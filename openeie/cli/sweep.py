# SPDX-License-Identifier: Apache-2.0
"""``openeie sweep``: run layers and networks on every array of a grid."""
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
from .common import AsJson, Quiet, emit, progress
from .models import inputs_for, is_for_mnist, load_model
from .outputs import check_writable, make_folder, write_atomically
from .sweep_tables import sweep_tables

if TYPE_CHECKING:
    from ..sim.study.grid import Sweep

__all__ = ["command"]

_ROWS = 40
_IMAGES = 10
#: Files in the folder of results. Charts of single fields are written as well.
_SWEEP = "sweep.json"
_CSV = "points.csv"
_PARQUET = "points.parquet"
_FRONT = "front.svg"

File = Annotated[Path | None, typer.Argument(metavar="[FILE.toml]")]
Grid = Annotated[list[str] | None, typer.Option(
    "--grid", metavar="FIELD=V1,V2,...", help="Values of a field of the array; repeatable.")]
Set = Annotated[list[str] | None, typer.Option(
    "--set", metavar="FIELD=VALUE", help="Set a field of all arrays; repeatable.")]
Layer = Annotated[list[str] | None, typer.Option(
    "--layer", metavar="NAME:INPUTSxOUTPUTS:WEIGHTS:ACTS",
    help="A random layer with these shares of non-zero weights and activations; repeatable.")]
Networks = Annotated[list[str] | None, typer.Option(
    "--network", metavar="MODEL", help="A network in the package, or an *.eie file; repeatable.")]
Base = Annotated[str | None, typer.Option(
    "-c", "--config", show_default="EIE64", help="Preset whose fields are changed.")]
Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", show_default=str(_IMAGES),
    help="Number of inputs of each network: MNIST's images if it was made for them, otherwise "
         "random inputs.")]
InputFile = Annotated[Path | None, typer.Option(
    "--input", help="Run the networks on these inputs instead (.npy or .npz, as for sim).")]
Seed = Annotated[int | None, typer.Option(
    "--seed", show_default="1", help="Seed of random layers and inputs.")]
Clock = Annotated[float | None, typer.Option(
    "--mhz", show_default="800", help="Clock, for times in microseconds.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Number of parallel processes.")]
Scheduler = Annotated[str | None, typer.Option(
    metavar="ADDRESS", help="Run on a Dask cluster instead, by its scheduler: tcp://host:8786.")]
Folder = Annotated[Path | None, typer.Option(
    "-o", "--out", metavar="FOLDER", help="Write tables and charts to this folder; a sweep that "
                                          "was stopped continues there.")]
Restart = Annotated[bool, typer.Option(
    "--restart", help="Start again, and drop the folder's journal.")]


def command(file: File = None, grid: Grid = None, changes: Set = None, layer: Layer = None,
            network: Networks = None, config: Base = None, images: Images = None,
            inputs: InputFile = None, seed: Seed = None, mhz: Clock = None, jobs: Jobs = 1,
            scheduler: Scheduler = None, restart: Restart = False, out: Folder = None,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Cycles, energy, memory and LUTs of every array of a grid, and the Pareto front."""
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
        raise InputError("--restart drops the journal of a folder; name it with -o")

    networks, told = _networks(sweep)
    journal = None if out is None else _journal(out)
    notes: list[str] = []
    with progress("points", quiet=quiet or as_json) as update:
        rows = run_sweep(sweep, networks, journal=journal, restart=restart, jobs=jobs,
                         scheduler=scheduler, progress=update, note=notes.append)
    for note in notes:
        typer.echo(f"note: {note}", err=True)

    if out is not None:
        _remove_old_charts(out)
        resolved = sweep.model_dump(mode="json") | {"inputs": told}
        write_atomically(out / _SWEEP, json.dumps(resolved, indent=2).encode())
        _write(out, sweep, rows)
    emit({"sweep": sweep.model_dump(mode="json"), "inputs": told, "points": rows},
         lambda: _lines(rows, told, out), as_json=as_json, quiet=quiet)


def _assignments(option: str, texts: list[str] | None, *, many: bool) -> dict[str, Any]:
    """Fields and their values, in the order of the options; ``many`` values each, or one."""
    pairs = [_assignment(option, text, many=many) for text in texts or ()]
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        values = ", with all its values" if many else ""
        raise InputError(f"{option} {twice} is given twice; give it once{values}")
    return dict(pairs)


def _assignment(option: str, text: str, *, many: bool) -> tuple[str, Any]:
    """``pes=1,2`` or ``encodings=csr+codebook``: a field and its values."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        form = "FIELD=VALUE,VALUE,..." if many else "FIELD=VALUE"
        raise InputError(f"{option} takes {form}, not {text!r}")
    if not many:
        return name, _value(name, values)
    return name, [_value(name, value) for value in values.split(",")]


def _value(name: str, text: str) -> int | list[str]:
    """One value of a field: an integer, or names joined by + (in ``--set`` also by commas)."""
    check_keys([name])          # an unknown field is told before a wrong value
    if name in NAMES:
        return text.replace(",", "+").split("+")
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name} takes integers, not {text!r}") from None


def _parse_layer(text: str) -> dict[str, Any]:
    """A random layer from ``fc6:9216x4096:0.09:0.35``."""
    try:
        name, size, weights, acts = text.split(":")
        inputs, outputs = (int(number) for number in size.split("x"))
        return {"name": name, "inputs": inputs, "outputs": outputs,
                "weight_density": float(weights), "act_density": float(acts)}
    except ValueError:
        raise InputError(f"--layer takes NAME:INPUTSxOUTPUTS:WEIGHT_DENSITY:ACT_DENSITY, such as "
                         f"fc6:9216x4096:0.09:0.35, not {text!r}") from None


def _networks(sweep: "Sweep") -> tuple[dict[str, tuple[Network, np.ndarray]], dict[str, dict]]:
    """The networks with their inputs, and a description of those, both by name."""
    networks = {}
    told = {}
    for name in sweep.networks:
        network = load_model(name)
        x, told[name] = _inputs(sweep, network)
        networks[name] = network, x
    return networks, told


def _inputs(sweep: "Sweep", network: Network) -> tuple[np.ndarray, dict[str, Any]]:
    """Inputs of a network [batch, n], and their description.

    They are those of a file, MNIST's images, or random if the network's data are unknown.
    """
    if sweep.input is not None:
        x, _ = inputs_for(network, Path(sweep.input), None)
        return x, {"of": "file", "count": len(x), "file": sweep.input}
    count = sweep.images or _IMAGES
    if is_for_mnist(network):
        return inputs_for(network, None, count)[0], {"of": "mnist", "count": count}

    low, high = network.input_range
    rng = np.random.default_rng(sweep.seed)
    x = rng.integers(low, high, (count, network.inputs), endpoint=True)
    return x, {"of": "drawn", "count": count, "range": [low, high], "seed": sweep.seed}


def _told(name: str, inputs: dict[str, Any]) -> str:
    """A line that tells the inputs of a network."""
    count = f"{inputs['count']:,}"
    if inputs["of"] == "file":
        return f"{name}: run on the {count} inputs of {inputs['file']}"
    if inputs["of"] == "mnist":
        return f"{name}: run on {count} of MNIST's images"
    low, high = inputs["range"]
    return (f"{name}: run on {count} random inputs, uniform in {low} .. {high}, seed "
            f"{inputs['seed']}; real inputs have other zeros, and so other cycles and energy: give "
            f"yours with --input FILE")


def _journal(out: Path) -> Path:
    """Make the folder; returns the path of its journal."""
    need("report", "a sweep's folder of tables and charts", "matplotlib", "pyarrow")
    make_folder(out)
    check_writable(*(out / name for name in (_SWEEP, _CSV, _PARQUET, _FRONT)))
    return out / "points.jsonl"


def _remove_old_charts(out: Path) -> None:
    """Remove charts of an earlier sweep, which may be of other fields. Files with names that no
    sweep writes are the user's own."""
    fields = {field.name for field in dataclasses.fields(ArrayConfig)}
    for path in out.glob("cycles-*.svg"):
        if not fields.issuperset(path.stem.split("-")[1:]):
            continue
        try:
            remove_file(path)
        except OSError as error:
            raise InputError(f"cannot remove {path}: {error.strerror}") from error


def _write(out: Path, sweep: "Sweep", rows: list[dict[str, Any]]) -> None:
    """Write the table as CSV and Parquet, a chart for each field, a heat map if two fields are
    swept, and a chart of the front."""
    import pyarrow as pa
    from pyarrow import csv, parquet
    from ..sim.study.charts import draw_chart
    from ..sim.study.heat_map import draw_heat_map, heat_map_fields
    from ..sim.study.sweep import columns_of
    from ..sim.study.sweep_charts import draw_front, sweep_charts
    table = pa.table({name: _column(rows, name) for name in columns_of(sweep)})
    for name, write in ((_CSV, csv.write_csv), (_PARQUET, parquet.write_table)):
        buffer = io.BytesIO()
        write(table, buffer)
        write_atomically(out / name, buffer.getvalue())

    for chart in sweep_charts(sweep, rows):
        write_atomically(out / f"{chart.name}.svg", draw_chart(chart))
    if fields := heat_map_fields(sweep):
        write_atomically(out / f"cycles-{'-'.join(fields)}.svg", draw_heat_map(sweep, rows))
    write_atomically(out / _FRONT, draw_front(rows))


def _column(rows: list[dict[str, Any]], name: str) -> list:
    """Values of a column; lists become JSON texts."""
    values = [row[name] for row in rows]
    return [json.dumps(value) if isinstance(value, list) else value for value in values]


def _lines(rows: list[dict[str, Any]], told: dict[str, dict], out: Path | None) -> list:
    """Tables of the first points, the Pareto front before the others, and the networks' inputs."""
    front = [row for row in rows if row["pareto"]]
    shown = (front + [row for row in rows if not row["pareto"]])[:_ROWS]
    lines: list = sweep_tables(shown, f"{len(rows):,} points, {len(front):,} on the Pareto front "
                                      f"of cycles, energy, memory and LUTs")
    if len(shown) < len(rows):
        where = f"{out}/{_CSV}" if out else "-o FOLDER, or --json"
        lines.append(f"{len(rows) - len(shown):,} more points: {where}")
    return lines + [_told(name, inputs) for name, inputs in told.items()]
