# SPDX-License-Identifier: Apache-2.0
"""``openeie sim``: run a network in one engine."""
import io
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from ..core import golden
from ..core.compile.automatic import compile_for
from ..core.compile.given_order import in_given_order
from ..core.errors import InputError
from ..core.network.graph import beyond_arrays
from ..core.run import Run
from ..sim.engines import simulate
from .common import (SCHEMA_VERSION, AsJson, Config64, Engine, Jobs, Model, Quiet, Seed, Set,
                     Verbose, array_for, emit, working)
from .compile import Balance, Encoding, Vectors
from .models import inputs_for, load_model, training_warnings
from .outputs import check_format, check_writable, write_atomically
from .plan import wider_run_lines
from .speed import launch_speed
from .streams import is_stdout
from .tables import run_dict, run_tables

if TYPE_CHECKING:
    from ..sim.views.summary import Summary

__all__ = ["command", "Images", "InputFile", "error_rate"]

_IMAGES = 100
_FORMATS = (".npz", ".json")

Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", show_default=str(_IMAGES),
    help="Use the first N of the demo's MNIST images.")]
InputFile = Annotated[Path | None, typer.Option(
    "--input", help="Use these inputs: .npy [batch, n], .npz with 'inputs' and perhaps 'labels', "
                    "or mnist:FOLDER for MNIST's 10,000 test images.")]
RunOut = Annotated[Path | None, typer.Option(
    "-o", "--out", help="Write outputs, cycles, counters, saturated outputs and the configuration "
                        "to this file (.npz or .json; - is standard output, as .json).")]
Layers = Annotated[bool, typer.Option(
    "--layers", help="Print work, densities, the use of cycles and the speed-up over a dense run, "
                     "by layer.")]
Picture = Annotated[Path | None, typer.Option(
    "--picture", help="Draw the tables of --layers to this file (.svg, .png, .pdf).")]


def command(model: Model, engine: Engine = "fast", images: Images = None, inputs: InputFile = None,
            config: Config64 = None, changes: Set = None, encoding: Encoding = None,
            vectors: Vectors = 1, balance: Balance = None, seed: Seed = 1, jobs: Jobs = 1,
            layers: Layers = False, picture: Picture = None, as_json: AsJson = False,
            out: RunOut = None, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Simulate a network: its outputs, and the cycles of each layer and their use."""
    _check(engine, layers, picture)
    form = None if out is None else check_format(out, _FORMATS)
    check_writable(out, picture, as_json=as_json)
    network = load_model(model)
    x, labels = inputs_for(network, inputs, images, _IMAGES)

    # If any array option is given, compile for an array, even with engine golden;
    # compile_for explains why a network cannot run on one.
    asked = bool(config or changes or encoding) or balance is not None or vectors != 1 \
        or engine != "golden"
    program = None
    if asked or not beyond_arrays(network):
        program = compile_for(network, array_for(network, config, changes, linear="EIE64"),
                              vectors=vectors, encoding=encoding, balance=balance)
    options = {"fast": {"jobs": jobs}, "rtl": {"seed": seed}}.get(engine, {})
    with working(f"{engine}: {len(x):,} inputs", quiet=quiet or as_json):
        if program is None:
            run = golden.run(network, x)
        else:
            run = simulate(program, x, engine, **options)

    is_balanced = program is not None and program.choices.is_balanced
    result = run_dict(run, per_pe=verbose) | {"network": network.name, "balance": is_balanced}
    lines: list = []
    if program is not None and run.tiles[0].cycles is not None:
        from ..sim.fast.predict import seen_in
        speed = launch_speed(network, program, float(run.cycles.mean()),
                             seen_in(program, run, x), encoding=encoding)
        result["speed"] = speed.to_dict()
        lines += [*wider_run_lines(program), *speed.lines()]
    tables = partial(_tables, run, network.name)
    if layers or picture:
        from ..sim.views.summary import summarise
        summary = summarise(program, run, x)
        if layers:
            result["summary"] = summary.to_dict()
            from .layers import layer_tables
            tables = partial(layer_tables, summary)
        if picture:
            result["picture"] = str(picture)
            lines.append(_draw(summary, picture))
    if labels is not None:
        result["error_rate"] = error_rate(run, labels)
        result["warnings"] += training_warnings(network, inputs)
        lines.append(f"error rate {result['error_rate']:.2%} on {len(x):,} inputs")
    if out is not None:
        given = run if program is None else in_given_order(program, run)
        write_atomically(out, _dump(given, result, form))
    emit(result, lambda: tables() + lines, as_json=as_json, quiet=quiet or is_stdout(out))


def error_rate(run: Run, labels: np.ndarray) -> float:
    """Share of inputs that are misclassified: their largest output is not that of the label."""
    return float(np.mean(run.outputs.argmax(axis=1) != labels))


def _check(engine: str, layers: bool, picture: Path | None) -> None:
    """Check before the run that what is asked for can be shown after it."""
    if engine == "golden" and (layers or picture):
        raise InputError("--layers and --picture show cycles, which the engine golden does not "
                         "have; choose --engine fast or rtl")
    if picture:
        from ..sim.views.picture import check_picture
        check_picture(_in_lower_case(picture))


def _draw(summary: "Summary", picture: Path) -> str:
    """Draw a run to a file; returns the line that says so."""
    from ..sim.views.picture import draw
    write_atomically(picture, draw(summary, _in_lower_case(picture)))
    return f"picture: {picture}"


def _in_lower_case(picture: Path) -> Path:
    """The path with its suffix in lower case, by which the format is chosen."""
    if not picture.suffix:
        return picture
    return picture.with_suffix(picture.suffix.lower())


def _tables(run: Run, name: str) -> list:
    """Cycles of each layer, if the engine has cycles."""
    if run.tiles[0].cycles is None:
        return [f"{name}: {len(run.outputs):,} inputs on {run.engine}, which has no cycles"]
    return run_tables(run, title=f"{name}, {run.config.pes} PEs, {run.engine}: mean of "
                                 f"{len(run.outputs):,} inputs")


def _dump(run: Run, result: dict, form: str) -> bytes:
    """A run as the contents of a file: the JSON result, and the arrays of each layer."""
    arrays: dict = {}
    for layer in run.tiles:
        arrays[f"{layer.name}.outputs"] = layer.outputs
        if layer.cycles is not None:
            arrays |= {f"{layer.name}.cycles": layer.cycles,
                       f"{layer.name}.counters": layer.counters}
        if layer.saturated is not None:
            arrays[f"{layer.name}.saturated"] = layer.saturated

    if form == ".json":
        lists = {name: array.tolist() for name, array in arrays.items()}
        return (json.dumps({"schema_version": SCHEMA_VERSION} | result | {"arrays": lists})
                + "\n").encode()

    buffer = io.BytesIO()
    np.savez_compressed(buffer, result=np.bytes_(json.dumps(result).encode()), **arrays)
    return buffer.getvalue()
