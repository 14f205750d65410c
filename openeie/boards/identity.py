# SPDX-License-Identifier: Apache-2.0
"""What a bitstream says of itself: digest of the gateware's sources, board, clock, array."""
from functools import cache
from pathlib import Path

from ..core.array.config import ArrayConfig
from ..core.array.link_frames import Identity
from ..core.sources import gateware_sources, source_digest
from .board import Board

__all__ = ["design_digest", "identity"]

_HERE = Path(__file__).resolve().parent
#: What turns the array into a board's design: its top level, and the primitives of its chip.
_OURS = ("board", "ecp5", "family", "gowin", "ice40", "identity", "pll", "top", "verilog")


@cache      # once a process: what runs was read from the files at its start
def design_digest() -> int:
    """First 64 bits of the SHA-256 over the gateware's source files, names included.

    The boards' own files are left out: pins, clocks and a board's name say nothing of the design.
    """
    sources = [*gateware_sources(), *(_HERE / f"{name}.py" for name in _OURS)]
    return int(source_digest(sources)[:16], 16)


def identity(board: Board, config: ArrayConfig) -> Identity:
    """The identity of the bitstream for ``board`` with the array ``config``."""
    return Identity(design=design_digest(), board=board.name, clock_hz=board.clock_out_hz,
                    config=config)
