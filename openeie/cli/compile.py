# SPDX-License-Identifier: Apache-2.0
"""``openeie compile``: place a network in an array's memories, and predict its cycles."""
import io
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from ..core.array.load_port import load_crc
from ..core.compile.automatic import compile_for
from ..core.compile.program import Program
from ..core.errors import InputError
from ..core.network.graph import Network
from .advise import Asked, advice_dict, advice_tables, find_advice
from .common import AsJson, Config64, Model, Quiet, Set, array_for, emit
from .models import inputs_for, load_model
from .outputs import check_format, check_writable, write_atomically
from .plan import ProgramForecast, plan_dict, plan_tables
from .speed import launch_speed, total_cycles
from .streams import is_stdout

if TYPE_CHECKING:
    from ..sim.fast.predict import Present
    from ..sim.study.advise import Inputs

__all__ = ["command", "Encoding", "Vectors", "Balance"]

_DENSITY = 0.5
_SEED = 1

Encoding = Annotated[str | None, typer.Option(
    "--encoding", help="csr, codebook or huffman for all layers, instead of their own encodings.")]
Vectors = Annotated[int, typer.Option(
    "--vectors", metavar="N", help="Inputs of one start of the array: more of them for throughput, "
                                   "1 for latency.")]
Balance = Annotated[bool | None, typer.Option(
    "--balance/--no-balance", show_default="--balance where the network then fits",
    help="Reorder the channels inside the network to balance the loads of the PEs; its outputs "
         "stay the same.")]
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
Advise = Annotated[bool, typer.Option(
    "--advise", help="Also print the three changes of the array, or of how the network is run on "
                     "it, that would save most cycles.")]


def command(model: Model, config: Config64 = None, changes: Set = None, encoding: Encoding = None,
            vectors: Vectors = 1, balance: Balance = None, density: Density = None,
            input_density: InputDensity = None, seed: Seed = None, inputs: InputFile = None,
            images: Images = None, clock: Clock = None, advise: Advise = False,
            as_json: AsJson = False, out: ProgramOut = None, quiet: Quiet = False) -> None:
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
    array = array_for(network, config, changes, linear="EIE64")
    program = compile_for(network, array, vectors=vectors, encoding=encoding, balance=balance)
    if x is not None:
        forecast, basis = _measured(network, program, x, encoding, clock)
    else:
        forecast, basis = _drawn(network, program, encoding, clock, density=density,
                                 input_density=input_density, seed=seed)
    if out is not None:
        _write(program, out)
    result = plan_dict(program, forecast)
    advice: list = []
    if advise:
        from ..sim.study.advise import Setting
        rest = {"--density": density, "--input-density": input_density, "--seed": seed,
                "--input": inputs, "--images": images, "--clock": clock}
        asked = Asked(model=model, config=config, changes=tuple(changes or ()), rest=_typed(rest),
                      setting=Setting(array=array, vectors=vectors, encoding=encoding,
                                      balance=balance))
        found = find_advice(network, asked, basis.batch, basis.inputs, quiet=quiet or as_json)
        result["advice"] = advice_dict(asked, found)
        advice = advice_tables(asked, found)
    emit(result, lambda: plan_tables(program, forecast) + advice, as_json=as_json,
         quiet=quiet or is_stdout(out))


class _Basis(NamedTuple):
    """The activations of a forecast: of how many inputs, and of any number of them."""
    batch: int
    inputs: "Inputs"


def _typed(options: dict[str, object]) -> tuple[str, ...]:
    """Options that are given, as words."""
    words = [(name, str(value)) for name, value in options.items() if value is not None]
    return tuple(chain.from_iterable(words))


def _drawn(network: Network, program: Program, encoding: str | None, clock: float | None, *,
           density: float | None, input_density: float | None, seed: int | None
           ) -> tuple[ProgramForecast, _Basis]:
    """Time of a launch on random activations."""
    from ..sim.fast.predict import drawn, timed
    density = _DENSITY if density is None else density
    input_density = density if input_density is None else input_density
    seed = _SEED if seed is None else seed

    def inputs(count: int) -> "Present":
        return drawn(program, density=density, input_density=input_density, seed=seed, batch=count)
    present = inputs(program.vectors)
    tiles = timed(program, present)
    forecast = ProgramForecast(
        tiles=tiles,
        basis={"of": "drawn", "density": density, "input_density": input_density, "seed": seed},
        words=f"cycles of a launch, exact for random activations of seed {seed}: non-zero are "
              f"{density:.0%} after a ReLU, all without a ReLU, and {input_density:.0%} of the "
              f"input; --images N or --input FILE measures real ones instead",
        speed=launch_speed(network, program, total_cycles(tiles), present, encoding=encoding),
        clock=clock)
    return forecast, _Basis(program.vectors, inputs)


def _measured(network: Network, program: Program, x: np.ndarray, encoding: str | None,
              clock: float | None) -> tuple[ProgramForecast, _Basis]:
    """Time of a launch, measured on inputs x [batch, n]."""
    from ..sim.fast.fast import run
    from ..sim.fast.predict import measured, seen_in
    done = run(program, program.check_inputs(x))
    tiles = measured(program, done, x)
    present = cache(seen_in(program, done, x))
    forecast = ProgramForecast(
        tiles=tiles, basis={"of": "measured", "inputs": len(x)},
        words=f"cycles of a launch, measured: mean of {len(x):,} inputs",
        speed=launch_speed(network, program, total_cycles(tiles), present, encoding=encoding),
        clock=clock)
    return forecast, _Basis(len(x), lambda count: present if count == len(x) else None)


def _write(program: Program, path: Path) -> None:
    """Write the load records, their CRC and the configuration."""
    records = program.records()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, records=records, crc=np.uint32(load_crc(records)),
                        config=np.bytes_(str(program.config.to_dict()).encode()))
    write_atomically(path, buffer.getvalue())
