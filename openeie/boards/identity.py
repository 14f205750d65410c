# SPDX-License-Identifier: Apache-2.0
"""What a bitstream says of itself: digest of the gateware's sources, board, clock, array."""
import importlib
from functools import cache
from pathlib import Path

from ..core.config import ArrayConfig
from ..core.link import Identity
from ..sim.toolchain import source_digest
from .board import Board

__all__ = ["design_digest", "identity"]

_ROOT = Path(__file__).resolve().parent
#: Files outside hw/ that decide what the gateware does.
_CONTRACTS = ("config.py", "program.py", "descriptor.py", "walk.py", "link.py", "timing.py",
              "counters.py")


@cache      # once a process: what runs was read from the files at its start
def design_digest() -> int:
    """First 64 bits of the SHA-256 over the gateware's source files, names included.

    Board files are left out: pins, clocks and the board's name say nothing of the design.
    """
    folder = Path(_package_file("openeie.hw")).parent
    core = Path(_package_file("openeie.core")).parent
    sources = [*folder.rglob("*.py"), *(core / name for name in _CONTRACTS), _ROOT / "top.py"]
    return int(source_digest(sources)[:16], 16)


def _package_file(name: str) -> str:
    return importlib.import_module(name).__file__


def identity(board: Board, config: ArrayConfig) -> Identity:
    """The identity of the bitstream for ``board`` with the array ``config``."""
    return Identity(design=design_digest(), board=board.name, clock_hz=board.clock_out_hz,
                    config=config)
