# SPDX-License-Identifier: Apache-2.0
"""``openeie board-sim``: a board's top level in Verilator, behind a pseudo-terminal."""
import typer

from .common import Seed, Set, working
from .target import Array, BoardName, Clock, Pes, resolve_board

__all__ = ["command"]


def command(name: BoardName, config: Array = None, changes: Set = None, pes: Pes = None,
            clock: Clock = None, seed: Seed = 1) -> None:
    """Simulate a board until Ctrl-C. Any program can open its UART like that of a real board."""
    from ..boards.virtual import Terminal, VirtualBoard
    board = resolve_board(name, config, changes, pes, clock)
    with working(f"compiling {board.name}, {board.config.pes} PEs", quiet=False):
        virtual = VirtualBoard(board, seed=seed)
    with virtual, Terminal(virtual) as terminal:
        typer.echo(f"{board.name} answers at {terminal.url} ({board.baud} bit/s); Ctrl-C ends it")
        try:
            terminal.wait()
        except KeyboardInterrupt:
            typer.echo(f"ended after {virtual.cycles:,} cycles")
