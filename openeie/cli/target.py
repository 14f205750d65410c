# SPDX-License-Identifier: Apache-2.0
"""The board, its array and its clock: options that the verbs for boards share."""
from typing import Annotated

import typer

from ..boards import board as find_board
from ..boards.board import Board
from ..core.errors import ConfigError
from .common import resolve_config

__all__ = ["BoardName", "Array", "Pes", "Clock", "resolve_board"]

BoardName = Annotated[str, typer.Option(
    "-b", "--board", help="Name of the board; 'openeie boards' lists them.")]
Array = Annotated[str | None, typer.Option(
    "-c", "--config", help="A preset, or a .toml or .json file, instead of the board's own array.")]
Pes = Annotated[int | None, typer.Option("--pes", help="Number of PEs; short for --set pes=N.")]
Clock = Annotated[float | None, typer.Option("--clock", help="Core clock in MHz.")]


def resolve_board(name: str, config: str | None, changes: list[str] | None, pes: int | None,
                  clock: float | None) -> Board:
    """The board with the array and the clock that the options ask for.

    Raises
    ------
    ConfigError : there is no such board, array or clock.
    """
    board = find_board(name)
    if clock is not None:
        if not 0 < clock < 10_000:
            raise ConfigError(f"--clock must be a positive number of MHz, not {clock}")
        board = board.replace(core_hz=round(clock * 1e6))
    changes = list(changes or ())
    if pes is not None:
        changes.append(f"pes={pes}")
    return board.replace(config=resolve_config(config, changes, base=board.config))
