# SPDX-License-Identifier: Apache-2.0
"""``openeie test``: the hardware regression, on a board or on its virtual twin."""
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..boards import board as find_board
from ..core.errors import InputError, Mismatch
from .build import BoardName
from .common import AsJson, Quiet, Seed, emit, working
from .models import inputs_for, load_model
from .sim import Images

__all__ = ["command"]

Port = Annotated[str, typer.Option("-p", "--port", help="Serial port, or 'virtual'.")]
Junit = Annotated[Path | None, typer.Option("--junitxml", help="Write the results there, too.")]
Netlist = Annotated[bool, typer.Option("--netlist", help="Simulate what synthesis makes of the "
                                       "virtual board (iCE40, ECP5), not what it is made of.")]
Layers = Annotated[int, typer.Option("--random", min=1, help="Random networks per encoding.")]


def command(name: BoardName, port: Port = "virtual", images: Images = 100, layers: Layers = 5,
            seed: Seed = 1, netlist: Netlist = False, junitxml: Junit = None,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Test a board: link, memories, error paths, every encoding, LeNet-300-100.

    Interrupted, it goes on where it stood; build/BOARD/regression.json remembers.
    """
    from ..boards.driver import Device
    from ..boards.regression import Regression, write_junit
    from ..boards.virtual import Terminal, VirtualBoard
    board, silent = find_board(name), quiet or as_json
    network = load_model("lenet-300-100")
    x, _ = inputs_for(network, None, images)
    outcomes = []
    with ExitStack() as stack:
        if netlist and port != "virtual":
            raise InputError(f"--netlist is for --port virtual, not {port}")
        if port == "virtual":
            with working(f"compiling {board.name}", quiet=silent):
                virtual = stack.enter_context(VirtualBoard(board, below_rtl=netlist))
            port = stack.enter_context(Terminal(virtual)).url
        device = stack.enter_context(Device(port, board.baud, expect=board.config))
        regression = Regression(device, network, x, seed=seed, layers=layers)
        for outcome in regression.run(Path("build") / board.name / "regression.json"):
            outcomes.append(outcome)
            if not silent:
                typer.echo(f"{outcome.result:8} {outcome.name}: {outcome.message} "
                           f"({outcome.seconds:.1f} s)")
    if junitxml is not None:
        write_junit(junitxml, board.name, outcomes)
    failed = [outcome.name for outcome in outcomes if outcome.result == "failed"]
    emit({"board": board.name, "outcomes": [asdict(outcome) for outcome in outcomes]},
         lambda: [_table(board.name, outcomes)], as_json=as_json, quiet=quiet)
    if failed:
        raise Mismatch(f"{board.name} failed: {', '.join(failed)}")


def _table(name: str, outcomes: list) -> Table:
    table = Table(title=name)
    for column in ("check", "result", "s"):
        table.add_column(column, justify="right" if column == "s" else "left")
    for outcome in outcomes:
        table.add_row(outcome.name, outcome.result, f"{outcome.seconds:.1f}")
    return table
