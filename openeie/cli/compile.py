# SPDX-License-Identifier: Apache-2.0
"""``openeie compile``: place a network in an array's memories, and predict its cycles."""
import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..core.array.load_port import load_crc
from ..core.compile.compile import compile_network
from ..core.compile.program import Program
from ..core.errors import InputError
from .common import AsJson, Config64, Model, Quiet, Set, config_for, emit
from .models import inputs_for, load_model
from .outputs import check_format, check_writable, write_atomically
from .plan import ProgramForecast, plan_dict, plan_tables
from .streams import is_stdout

__all__ = ["command", "Encoding", "Vectors", "Balance"]

_DENSITY = 0.5
_SEED = 1

Encoding = Annotated[str | None, typer.Option(
    "--encoding", help="csr, codebook or huffman for all layers, instead of their own encodings.")]
Vectors = Annotated[int, typer.Option("--vectors", metavar="N", help="Inputs per launch.")]
Balance = Annotated[bool, typer.Option(
    "--balance", help="Reorder the channels inside the network to balance the loads of the PEs; "
                      "its outputs stay the same.")]
ProgramOut = Annotated[Path | None, typer.Option(
    "-o", "--out", help="Write the load records to this file (.npz).")]
Density = Annotated[float | None, typer.Option(
    "--density", show_default=str(_DENSITY),
    help="Predict cycles for random activations with this share of non-zeros after a ReLU; without "
         "a ReLU, all are non-zero.")]
InputDensity = Annotated[float | None, typer.Option(
    "--input-density", show_default="--density", help="Share of non-zeros in the network's input.")]
Seed = Annotated[int | None, typer.Option(
    "--seed", show_default=str(_SEED), help="Seed of the random activations.")]
InputFile = Annotated[Path | None, typer.Option(
    "--input", help="Measure cycles on these inputs, not on random activations (.npy or .npz, as "
                    "for sim).")]
Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", help="Measure cycles on the first N of the demo's MNIST images.")]
Clock = Annotated[float | None, typer.Option(
    "--clock", metavar="MHZ", help="Also print times, at this clock.")]


def command(model: Model, config: Config64 = None, changes: Set = None, encoding: Encoding = None,
            vectors: Vectors = 1, balance: Balance = False, density: Density = None,
            input_density: InputDensity = None, seed: Seed = None, inputs: InputFile = None,
            images: Images = None, clock: Clock = None, as_json: AsJson = False,
            out: ProgramOut = None, quiet: Quiet = False) -> None:
    """Compile a network for an array: print its plan, memory use and predicted cycles."""
    if out is not None:
        check_format(out, (".npz",), text=False)
        check_writable(out, as_json=as_json)
    if clock is not None and not 0 < clock < 10_000:
        raise InputError(f"--clock must be a positive number of MHz, not {clock}")

    is_measured = inputs is not None or images is not None
    drawing = {"--density": density, "--input-density": input_density, "--seed": seed}
    idle = [name for name, value in drawing.items() if value is not None]
    if is_measured and idle:
        raise InputError(f"{', '.join(idle)}: for random activations, but --input and --images "
                         f"measure real ones; give the former or the latter")

    network = load_model(model)
    x = inputs_for(network, inputs, images)[0] if is_measured else None
    program = compile_network(network, config_for(network, config, changes, linear="EIE64"),
                              vectors=vectors, encoding=encoding, balance=balance)
    if x is not None:
        forecast = _measured(program, x, clock)
    else:
        forecast = _drawn(program, density, input_density, seed, clock)
    if out is not None:
        _write(program, out)
    emit(plan_dict(program, forecast) | {"balance": balance},
         lambda: plan_tables(program, forecast), as_json=as_json,
         quiet=quiet or is_stdout(out))


def _drawn(program: Program, density: float | None, input_density: float | None,
           seed: int | None, clock: float | None) -> ProgramForecast:
    """Time of a launch on random activations."""
    from ..sim.fast.predict import predict
    if density is None:
        density = _DENSITY
    if input_density is None:
        input_density = density
    if seed is None:
        seed = _SEED
    return ProgramForecast(
        tiles=predict(program, density=density, input_density=input_density, seed=seed),
        basis={"of": "drawn", "density": density, "input_density": input_density, "seed": seed},
        words=f"cycles of a launch, exact for random activations of seed {seed}: non-zero are "
              f"{density:.0%} after a ReLU, all without a ReLU, and {input_density:.0%} of the "
              f"input; --images N or --input FILE measures real ones instead",
        clock=clock)


def _measured(program: Program, x: np.ndarray, clock: float | None) -> ProgramForecast:
    """Time of a launch, measured on inputs x [batch, n]."""
    from ..sim.fast.predict import measure
    return ProgramForecast(tiles=measure(program, x), basis={"of": "measured", "inputs": len(x)},
                    words=f"cycles of a launch, measured: mean of {len(x):,} inputs",
                    clock=clock)


def _write(program: Program, path: Path) -> None:
    """Write the load records, their CRC and the configuration."""
    records = program.records()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, records=records, crc=np.uint32(load_crc(records)),
                        config=np.bytes_(str(program.config.to_dict()).encode()))
    write_atomically(path, buffer.getvalue())
