# SPDX-License-Identifier: Apache-2.0
"""The identity in a bitstream: digest of the gateware's sources, board, clock and array."""
from functools import cache
from pathlib import Path

from ..core.array.config import ArrayConfig
from ..core.array.link_frames import Identity
from ..core.sources import gateware_sources, source_digest
from .board import Board

__all__ = ["design_digest", "identity"]

_HERE = Path(__file__).resolve().parent
#: Modules that turn the array into a board's design: the top level and the chips' primitives.
_OURS = ("board", "chip", "ecp5", "family", "gowin", "ice40", "identity", "pll", "top", "verilog")


@cache      # once a process, which runs the sources that it read at its start
def design_digest() -> int:
    """First 64 bits of a SHA-256 over the gateware's source files and their names.

    The files with the boards' pins and clocks are not part of it: they do not change the design.
    """
    sources = [*gateware_sources(), *(_HERE / f"{name}.py" for name in _OURS)]
    return int(source_digest(sources)[:16], 16)


def identity(board: Board, config: ArrayConfig) -> Identity:
    """The identity of a bitstream for ``board`` with the array ``config``."""
    return Identity(design=design_digest(), board=board.name, clock_hz=board.clock_out_hz,
                    config=config)
