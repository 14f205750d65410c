# SPDX-License-Identifier: Apache-2.0
"""``openeie program``: load a bitstream into a board."""
from pathlib import Path
from typing import Annotated

import typer

from ..boards import board as find_board
from .common import AsJson, Quiet, emit, working
from .invocation import invocation
from .target import BoardName

__all__ = ["command"]

File = Annotated[Path | None, typer.Argument(
    help="The bitstream; default: the one in build/BOARD.")]
Flash = Annotated[bool, typer.Option(
    "--flash", help="Write the flash, so that the bitstream is loaded at power-up.")]
Cable = Annotated[str | None, typer.Option("--cable", help="openFPGALoader's name of the JTAG "
                                                           "cable.")]
Force = Annotated[bool, typer.Option("--force", help="Load it even if it missed its clock.")]


def command(name: BoardName, file: File = None, flash: Flash = False, cable: Cable = None,
            force: Force = False, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Load a bitstream into a board with openFPGALoader."""
    from ..boards.program import program
    board = find_board(name)
    with working(f"programming {board.name}", quiet=quiet or as_json):
        log = program(board, file, flash=flash, cable=cable, force=force,
                      openeie=invocation())
    emit({"board": board.name, "log": log.splitlines()},
         lambda: [f"{board.name} programmed"], as_json=as_json, quiet=quiet)
