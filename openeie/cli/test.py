# SPDX-License-Identifier: Apache-2.0
"""``openeie test``: the hardware regression, on a board or on a virtual one."""
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..core.errors import InputError, Mismatch
from ..core.host.journal import damage_text
from .common import AsJson, Quiet, Seed, Set, emit, working
from .models import inputs_for, load_model
from .outputs import check_writable, write_atomically
from .sim import Images
from .streams import is_stdout
from .target import Array, BoardName, Clock, Pes, resolve_board

__all__ = ["command"]

_SIMULATED_TIMEOUT = 30.0       # seconds; a simulated board is slower than a real one

Port = Annotated[str, typer.Option("-p", "--port", help="A serial port, or 'virtual'.")]
Junit = Annotated[Path | None, typer.Option(
    "--junitxml", help="Also write the results to this file, as JUnit XML.")]
Netlist = Annotated[bool, typer.Option("--netlist", help="Simulate the virtual board's netlist "
                                       "after synthesis instead of the RTL (iCE40, ECP5).")]
Network = Annotated[str, typer.Option("--network", help="An *.eie file, or the name of a network "
                                      "in the package.")]
Layers = Annotated[int, typer.Option("--random", min=1, help="Random networks per encoding.")]


def command(name: BoardName, port: Port = "virtual", config: Array = None, changes: Set = None,
            pes: Pes = None, clock: Clock = None, model: Network = "lenet-300-100",
            images: Images = 100, layers: Layers = 5, seed: Seed = 1, netlist: Netlist = False,
            junitxml: Junit = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Test a board: link, memories, faults, every encoding, and a network on MNIST's images.

    A test that was interrupted continues where it stopped: build/BOARD/regression.json keeps what
    has passed until all checks have been run. If the bitstream was built with options for another
    array, give the same options.
    """
    from ..boards.driver import Device
    from ..boards.regression import Regression, junit
    from ..boards.virtual import Terminal, VirtualBoard
    check_writable(junitxml, as_json=as_json)
    silent = quiet or as_json or is_stdout(junitxml)
    board = resolve_board(name, config, changes, pes, clock)
    network = load_model(model)
    x, _ = inputs_for(network, None, images)
    if netlist and port != "virtual":
        raise InputError(f"--netlist is for --port virtual, not {port}")

    target = f"{port} netlist" if netlist else port
    outcomes: list = []
    try:
        with ExitStack() as stack:
            timeout = {}
            if port == "virtual":
                timeout = {"timeout": _SIMULATED_TIMEOUT}
                with working(f"compiling {board.name}", quiet=silent):
                    virtual = stack.enter_context(VirtualBoard(board, below_rtl=netlist))
                port = stack.enter_context(Terminal(virtual)).url
            device = stack.enter_context(Device(port, board.baud, board=board.name,
                                                expect=board.config, **timeout))
            regression = Regression(device, network, x, target=target, seed=seed, layers=layers)
            for outcome in regression.run(Path("build") / board.name / "regression.json"):
                outcomes.append(outcome)
                if not silent:
                    typer.echo(f"{outcome.result:8} {outcome.name}: {outcome.message} "
                               f"({outcome.seconds:.1f} s)")
    finally:
        if junitxml is not None:
            write_atomically(junitxml, junit(board.name, outcomes))

    if regression.dropped:
        typer.echo(f"note: {damage_text(regression.dropped, 'checked')}", err=True)
    failed = [outcome.name for outcome in outcomes if outcome.result == "failed"]
    failure = Mismatch(f"{board.name} failed: {', '.join(failed)}") if failed else None
    emit({"board": board.name, "outcomes": [asdict(outcome) for outcome in outcomes]},
         lambda: [_table(board.name, outcomes)], as_json=as_json, quiet=silent, failure=failure)


def _table(name: str, outcomes: list) -> Table:
    table = Table(title=name)
    for column in ("check", "result", "s"):
        table.add_column(column, justify="right" if column == "s" else "left")
    for outcome in outcomes:
        table.add_row(outcome.name, outcome.result, f"{outcome.seconds:.1f}")
    return table
