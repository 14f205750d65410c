# SPDX-License-Identifier: Apache-2.0
"""``openeie run``: run a network on a board."""
from typing import Annotated

import typer

from ..boards import board as find_board
from ..boards.fit import compile_to_fit
from ..core.compile.compile import compile_network
from ..sim.fast import fast
from ..sim.rtl.drive import execute
from .common import AsJson, Model, Quiet, emit, progress
from .compile import Encoding, Vectors
from .models import inputs_for, load_model, training_warnings
from .sim import InputFile, error_rate
from .tables import run_dict, run_tables

__all__ = ["command"]

_BAUD = 1_000_000
_IMAGES = 10

Port = Annotated[str, typer.Option("-p", "--port", help="A serial port, or any pyserial URL.")]
Name = Annotated[str | None, typer.Option(
    "-b", "--board", help="The board that must answer; sets the speed, too. See 'openeie boards'.")]
Baud = Annotated[int | None, typer.Option(
    "--baud", help="Speed of the port in bit/s; default: the board's, or 1000000.")]
Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", show_default=str(_IMAGES),
    help="Use the first N of the demo's MNIST images.")]
Check = Annotated[bool, typer.Option("--check/--no-check",
                                     help="Compare every value and cycle with the engine fast.")]


def command(model: Model, port: Port, name: Name = None, baud: Baud = None, images: Images = None,
            inputs: InputFile = None, encoding: Encoding = None, vectors: Vectors = 1,
            check: Check = True, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Run a network on a board. The board's bitstream tells which array it has."""
    from ..boards.driver import Device
    network = load_model(model)
    x, labels = inputs_for(network, inputs, images, _IMAGES)
    board = None if name is None else find_board(name)
    default = _BAUD if board is None else board.baud
    speed = baud or default
    with Device(port, speed, board=None if board is None else board.name) as device:
        if encoding is None:
            program, _ = compile_to_fit(network, device.config, vectors=vectors)
        else:
            program = compile_network(network, device.config, vectors=vectors, encoding=encoding)
        with progress(device.identity.board, quiet=quiet or as_json) as update:
            run = execute(device, program, x, engine="board", unattended=True,
                          progress=lambda done: update(done, len(x)))
        identity = device.identity
        if not device.is_current and not quiet:
            typer.echo(f"note: the bitstream has the gateware of another version "
                       f"({identity.design:016x}); its cycles may differ from fast's", err=True)
    if check:
        run.compare(fast.run(program, x))

    cycles = sum(float(layer.cycles.mean()) for layer in run.tiles)
    result = run_dict(run, per_pe=False) | {
        "network": network.name, "board": identity.board, "clock_hz": identity.clock_hz,
        "latency_us": 1e6 * cycles / identity.clock_hz, "checked": check}
    line = (f"a launch takes {cycles:,.1f} cycles, {result['latency_us']:,.1f} us at "
            f"{identity.clock_hz / 1e6:g} MHz")
    if vectors > 1:
        line += f", for {vectors:,} inputs: throughput {cycles / vectors:,.1f} cycles an input"
    if check:
        line += f"; equal to fast in every word, cycle and counter on {len(x):,} inputs"
    lines = [line]
    if labels is not None:
        result["error_rate"] = error_rate(run, labels)
        result["warnings"] += training_warnings(network, inputs)
        lines.append(f"error rate {result['error_rate']:.2%} on {len(x):,} inputs")
    title = f"{network.name} on {identity.board}, {run.config.pes} PEs: mean per input"
    emit(result, lambda: [*run_tables(run, title=title), *lines], as_json=as_json, quiet=quiet)
