# SPDX-License-Identifier: Apache-2.0
"""``openeie board-sim``: a board's top level in Verilator, behind a pseudo-terminal."""
from typing import Annotated

import typer

from .common import console

__all__ = ["board_sim"]


def board_sim(
    name: Annotated[str, typer.Option("-b", "--board", help="Board; 'openeie boards' lists them.")],
    seed: Annotated[int, typer.Option(help="Memories start from this random state.")] = 1,
) -> None:
    """Simulate a board until Ctrl-C; its UART is a terminal that any host program can open."""
    from ..boards import board as find
    from ..boards.virtual import Terminal, VirtualBoard
    board = find(name)
    console.print(f"compiling {board.name} with {board.config.pes} PEs (minutes the first time)")
    with VirtualBoard(board, seed=seed) as virtual, Terminal(virtual) as terminal:
        console.print(f"{board.name} answers at {terminal.url}; Ctrl-C ends it")
        try:
            terminal.wait()
        except KeyboardInterrupt:
            console.print(f"ended after {virtual.cycles:,} cycles")
