# SPDX-License-Identifier: Apache-2.0
"""Stops a router that does not converge."""
import re

from ..core.errors import ToolError

__all__ = ["RoutingWatch", "PATIENCE"]

#: Passes in which the number of overused wires must fall at least once.
PATIENCE = 40
#: nextpnr's router2 prints a line for each pass: ``iter=31 wires=902311 overused=1068 ...``.
_PASS = re.compile(r"\biter=(\d+) .*?\boverused=(\d+)\b")


class RoutingWatch:
    """Reads nextpnr's log while it is written, and ends a routing that gets nowhere.

    The router repeats its passes until no wire is used by two nets. On a design that it cannot
    route, the number of such wires falls for some passes, and then grows without end.

    Parameters
    ----------
    board : name of the board, for the message.
    """
    def __init__(self, board: str) -> None:
        self._board = board
        self._least: int | None = None
        self._best_pass = 0

    def __call__(self, line: str) -> None:
        """Look at one line of the log.

        Raises
        ------
        ToolError : the number of overused wires has not fallen below its minimum for
            :data:`PATIENCE` passes.
        """
        found = _PASS.search(line)
        if found is None:
            return

        number = int(found[1])
        overused = int(found[2])
        # Without any overused wire, further passes are for timing.
        if self._least is None or overused < self._least or overused == 0:
            self._least = overused
            self._best_pass = number
        elif number - self._best_pass >= PATIENCE:
            raise ToolError(
                f"place and route for {self._board} does not converge: overused wires fell to "
                f"{self._least:,} in pass {self._best_pass}, and no further in the {PATIENCE} "
                f"passes since ({overused:,} in pass {number}); try other seeds (--seeds N), fewer "
                f"PEs or smaller memories")
