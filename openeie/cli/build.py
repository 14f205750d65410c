# SPDX-License-Identifier: Apache-2.0
"""``openeie build``: build a board's bitstream and report."""
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..boards.board import Board
from ..core.errors import ToolError
from .common import AsJson, Quiet, Set, emit
from .console import PlainConsole
from .invocation import invocation
from .outputs import check_folder
from .target import Array, BoardName, Clock, Pes, resolve_board

__all__ = ["command"]

Folder = Annotated[Path | None, typer.Option(
    "-o", "--out", help="The build folder; default: build/BOARD.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Place-and-route runs; the fastest "
                                                           "is kept.")]

NoCache = Annotated[bool, typer.Option("--no-cache", help="Run every tool, also where the cache "
                                                          "has what it makes.")]


def command(name: BoardName, config: Array = None, changes: Set = None, pes: Pes = None,
            clock: Clock = None, out: Folder = None, seeds: Seeds = 1, no_cache: NoCache = False,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Build a board's bitstream; exit 3 if its clock is missed."""
    from ..boards.build import build, slower_build
    check_folder(out)
    board = resolve_board(name, config, changes, pes, clock)
    folder = out or Path("build") / board.name
    console = PlainConsole(stderr=True, highlight=False)

    def progress(step: int, steps: int, what: str) -> None:
        if not quiet:
            console.print(f"[{step}/{steps}] {what}")

    result = build(board, folder=folder, seeds=seeds, cached=not no_cache, progress=progress)

    missed = None
    if not result["met"]:
        slower = slower_build(board, result["fmax_mhz"],
                              _options(config, changes, pes, out, seeds), program=invocation())
        missed = ToolError(f"{board.name} reaches {result['fmax_mhz']} MHz, less than its clock of "
                           f"{result['target_mhz']:g} MHz: the bitstream would not be reliable; "
                           f"{slower}")
    emit({"folder": str(folder)} | result, lambda: _tables(board, result, folder),
         as_json=as_json, quiet=quiet, failure=missed)


def _options(config: str | None, changes: list[str] | None, pes: int | None,
             out: Path | None, seeds: int) -> list[str]:
    """The options of this build that the next one needs as well."""
    words = ["-c", config] if config is not None else []
    words += [word for change in changes or () for word in ("--set", change)]
    words += ["--pes", str(pes)] if pes is not None else []
    words += ["-o", str(out)] if out is not None else []
    words += ["--seeds", str(seeds)] if seeds != 1 else []
    return words


def _tables(board: Board, result: dict, folder: Path) -> list:
    """Resources, critical path and clock."""
    use = Table(title=f"{board.name}: {result['config']['pes']} PEs")
    use.add_column("resource")
    for column in ("used", "available", "%"):
        use.add_column(column, justify="right")
    for name, numbers in result["resources"].items():
        if numbers["available"]:
            use.add_row(name, str(numbers["used"]), str(numbers["available"]),
                        f"{100 * numbers['used'] / numbers['available']:.0f}")

    path = Table(title=f"critical path, {result['critical_path']['delay_ns']:.2f} ns")
    path.add_column("block")
    path.add_column("ns", justify="right")
    for part in result["critical_path"]["blocks"]:
        path.add_row(part["block"], f"{part['delay_ns']:.2f}")

    seeds = ", ".join(f"{seed}: {fmax}" for seed, fmax in result["seeds"].items())
    return [use, path,
            f"Fmax {result['fmax_mhz']} MHz, clock {result['target_mhz']:g} MHz: "
            f"{'met' if result['met'] else 'MISSED'} (seeds {seeds})",
            *(f"seed {seed} failed: {error}" for seed, error in result["failed_seeds"].items()),
            f"{folder / result['bitstream']}  sha256 {result['sha256']}"]
