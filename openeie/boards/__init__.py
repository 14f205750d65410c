# SPDX-License-Identifier: Apache-2.0
"""Boards: pins, clocks, memory budgets and default arrays, and the flow that builds bitstreams."""
from ..core.errors import ConfigError, did_you_mean
from .board import Board
from .colorlight import COLORLIGHT_5A75B
from .ecpix5 import ECPIX5
from .hx8k import HX8K
from .icebreaker import ICEBREAKER
from .orangecrab import ORANGECRAB_25F
from .tangnano9k import TANG_NANO_9K
from .ulx3s import ULX3S_25F, ULX3S_85F, ULX3S_85F_CONV

__all__ = ["BOARDS", "Board", "board"]

BOARDS = {entry.name: entry for entry in (
    ICEBREAKER, HX8K, ULX3S_85F, ULX3S_85F_CONV, ULX3S_25F, ORANGECRAB_25F, ECPIX5,
    COLORLIGHT_5A75B, TANG_NANO_9K)}


def board(name: str) -> Board:
    """The board called ``name``; case and dashes do not matter.

    Raises
    ------
    ConfigError : there is no such board; the message lists all boards.
    """
    plain = {key.replace("-", ""): entry for key, entry in BOARDS.items()}
    try:
        return plain[name.lower().replace("-", "")]
    except KeyError:
        raise ConfigError(f"unknown board {name!r}; {did_you_mean(name, BOARDS)}the boards are "
                          f"{', '.join(BOARDS)}") from None
