# SPDX-License-Identifier: Apache-2.0
"""``openeie boards``: the boards, and whether LeNet-300-100 fits their arrays."""
from typing import TYPE_CHECKING

from ..boards import BOARDS
from ..boards.board import Board
from ..boards.fit import compile_to_fit
from ..core.errors import CapacityError, InputError
from ..core.network.graph import Network
from .common import AsJson, Out, Quiet, emit
from .models import load_model

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command", "fits"]

_NETWORK = "lenet-300-100"


def command(as_json: AsJson = False, out: Out = None, quiet: Quiet = False) -> None:
    """List the boards: chip, default array, clock, memories, and whether LeNet-300-100 fits."""
    network = load_model(_NETWORK)
    rows = [_describe(entry, network) for entry in BOARDS.values()]
    emit({"network": _NETWORK, "boards": rows}, lambda: [_table(rows), *_notes(rows)],
         as_json=as_json, quiet=quiet, out=out)


def fits(network: Network, board: Board) -> tuple[str | None, str]:
    """Whether ``network`` fits the board's default array.

    Returns
    -------
    The first encoding that fits and ``""``, or None and the reason.
    """
    try:
        return compile_to_fit(network, board.config)[1], ""
    except (CapacityError, InputError) as error:
        return None, str(error)


def _describe(board: Board, network: Network) -> dict:
    """A board as plain values."""
    encoding, reason = fits(network, board)
    return {"name": board.name, "description": board.description,
            "fpga": board.chip, "clock_hz": board.clock_out_hz, "baud": board.baud,
            "resources": board.resources.to_dict(), "memory_bits": board.memory_bits,
            "memory_budget": board.memory_budget(board.config),
            "config": board.config.to_dict(), "fits": encoding, "reason": reason,
            "notes": list(board.notes)}


def _table(rows: list[dict]) -> "Table":
    """One row for each board. Block RAMs and large RAMs share a column, to fit in 80 characters."""
    from rich import box
    from rich.table import Table
    table = Table(title="openeie boards", box=box.SIMPLE, pad_edge=False, padding=0)
    for name in ("board", "FPGA"):
        table.add_column(name)
    for name in ("PEs", "MHz", "LUT", "BRAM", "DSP", "KiB"):
        table.add_column(name, justify="right")
    table.add_column("LeNet")
    for row in rows:
        totals = row["resources"]
        rams = f"{totals['BRAM']}+{totals['SPRAM']}" if totals["SPRAM"] else str(totals["BRAM"])
        table.add_row(row["name"], row["fpga"], str(row["config"]["pes"]),
                      f"{row['clock_hz'] / 1e6:g}", str(totals["LUT"]), rams,
                      str(totals["DSP"] or "-"),
                      f"{sum(row['memory_budget'].values()) / 8192:.0f}/"
                      f"{row['memory_bits'] / 8192:.0f}", row["fits"] or "no")
    return table


def _notes(rows: list[dict]) -> list[str]:
    """Why the network does not fit a board, and what the board's user must know."""
    lines = []
    for row in rows:
        notes = [row["reason"], *row["notes"]]
        lines += [f"{row['name']}: {note}" for note in notes if note]
    return lines
