# SPDX-License-Identifier: Apache-2.0
"""``openeie compile``: place a network in an array's memories, and say what it will take."""
import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..core.array.load_port import load_crc
from ..core.compile.compile import compile_network
from ..core.compile.program import Program
from ..core.errors import InputError
from .common import (AsJson, Config64, Model, Quiet, Set, check_writable, config_for, emit,
                     write_atomically)
from .models import inputs_for, load_model
from .outputs import check_format
from .plan import Forecast, plan_dict, plan_tables
from .streams import is_stdout

__all__ = ["command", "Encoding", "Vectors", "Balance"]

_DENSITY, _SEED = 0.5, 1

Encoding = Annotated[str | None, typer.Option(
    "--encoding", help="csr, codebook or huffman for every layer, instead of the layers' own.")]
Vectors = Annotated[int, typer.Option("--vectors", help="Inputs of one start.")]
Balance = Annotated[bool, typer.Option(
    "--balance", help="Order the channels inside the network so that the PEs have like loads; "
                      "its outputs stay the same.")]
ProgramOut = Annotated[Path | None, typer.Option(
    "-o", "--out", help="Write the load records there (.npz).")]
Density = Annotated[float | None, typer.Option(
    "--density", show_default=str(_DENSITY),
    help="Predict cycles for activations of which this part is not zero behind a ReLU; without "
         "a ReLU all are taken as not zero.")]
InputDensity = Annotated[float | None, typer.Option(
    "--input-density", show_default="--density", help="The same for the network's input.")]
Seed = Annotated[int | None, typer.Option(
    "--seed", show_default=str(_SEED), help="What the drawing of activations starts from.")]
InputFile = Annotated[Path | None, typer.Option(
    "--input", help="Measure cycles on these inputs instead of drawing activations (.npy or "
                    ".npz, as for sim).")]
Images = Annotated[int | None, typer.Option(
    "--images", help="The same on so many of the demo's MNIST pictures.")]
Clock = Annotated[float | None, typer.Option("--clock", help="MHz at which to tell the time.")]


def command(model: Model, config: Config64 = None, changes: Set = None, encoding: Encoding = None,
            vectors: Vectors = 1, balance: Balance = False, density: Density = None,
            input_density: InputDensity = None, seed: Seed = None, inputs: InputFile = None,
            images: Images = None, clock: Clock = None, as_json: AsJson = False,
            out: ProgramOut = None, quiet: Quiet = False) -> None:
    """Compile a network for one array: its plan, its place in the memories, predicted cycles."""
    if out is not None:
        check_format(out, (".npz",), text=False)
        check_writable(out, as_json=as_json)
    if clock is not None and not 0 < clock < 10_000:
        raise InputError(f"--clock must be a positive number of MHz, not {clock}")
    is_measured = inputs is not None or images is not None
    drawing = {"--density": density, "--input-density": input_density, "--seed": seed}
    idle = [name for name, value in drawing.items() if value is not None]
    if is_measured and idle:
        raise InputError(f"{', '.join(idle)}: for activations that are drawn, but --input and "
                         f"--images measure real ones; give the former or the latter")
    network = load_model(model)
    x = inputs_for(network, inputs, images)[0] if is_measured else None
    program = compile_network(network, config_for(network, config, changes, linear="EIE64"),
                              vectors=vectors, encoding=encoding, balance=balance)
    forecast = _drawn(program, _DENSITY if density is None else density, input_density,
                      _SEED if seed is None else seed, clock) if x is None \
        else _measured(program, x, clock)
    if out is not None:
        _write(program, out)
    emit(plan_dict(program, forecast) | {"balance": balance},
         lambda: plan_tables(program, forecast), as_json=as_json,
         quiet=quiet or is_stdout(out))


def _drawn(program: Program, density: float, input_density: float | None, seed: int,
           clock: float | None) -> Forecast:
    from ..sim.fast.predict import predict
    if input_density is None:
        input_density = density
    return Forecast(
        tiles=predict(program, density=density, input_density=input_density, seed=seed),
        basis={"of": "drawn", "density": density, "input_density": input_density, "seed": seed},
        words=f"cycles of a start, exact for activations drawn with seed {seed}: "
              f"{density:.0%} of the maps behind a ReLU, all of those without and "
              f"{input_density:.0%} of the input are not zero; --images N or --input FILE "
              f"measures instead",
        clock=clock)


def _measured(program: Program, x: np.ndarray, clock: float | None) -> Forecast:
    from ..sim.fast.predict import measure
    return Forecast(tiles=measure(program, x), basis={"of": "measured", "inputs": len(x)},
                    words=f"cycles of a start, measured on {len(x):,} inputs: their mean",
                    clock=clock)


def _write(program: Program, path: Path) -> None:
    records = program.records()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, records=records, crc=np.uint32(load_crc(records)),
                        config=np.bytes_(str(program.config.to_dict()).encode()))
    write_atomically(path, buffer.getvalue())
