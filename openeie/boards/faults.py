# SPDX-License-Identifier: Apache-2.0
"""A virtual board on a bad cable: what tests and benchmarks of the link put between both sides."""
import numpy as np

from ..core.array.config import ArrayConfig
from .board import Board
from .virtual import VirtualBoard

__all__ = ["BadCable"]


class BadCable(VirtualBoard):
    """A virtual board whose bytes are lost, changed and repeated, each way alike.

    Parameters
    ----------
    rate : probability of each of the three faults, per byte; may be changed at any time.
    rng : where faults come from.

    Attributes
    ----------
    connected : False loses every byte, as an unplugged cable does.
    damage : faulty bytes so far, those of a cut cable apart.
    """
    def __init__(self, board: Board, config: ArrayConfig | None = None, *,
                 rng: np.random.Generator, rate: float = 0.0, seed: int = 1):
        super().__init__(board, config, seed=seed)
        self._rng, self.rate, self.damage, self.connected = rng, rate, 0, True

    def _carry(self, data: bytes) -> bytes:
        """``data`` as the other side gets it."""
        if not self.connected:
            return b""
        out = bytearray()
        for byte, chance in zip(data, self._rng.random(len(data)), strict=True):
            lost, flipped, doubled = (chance < k * self.rate for k in (1, 2, 3))
            self.damage += int(doubled)
            if lost:
                continue
            out.append(byte ^ 1 << int(self._rng.integers(8)) if flipped else byte)
            if doubled and not flipped:
                out.append(byte)
        return bytes(out)

    def send(self, data: bytes) -> None:
        """Bytes for the board's receiver, with the cable's faults."""
        super().send(self._carry(data))

    def step(self, cycles: int) -> bytes:
        """Let time pass; returns what arrives of what the board sent."""
        return self._carry(super().step(cycles))
