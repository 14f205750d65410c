# SPDX-License-Identifier: Apache-2.0
"""A virtual board on a bad cable, for tests and benchmarks of the link."""
import numpy as np

from ..core.array.config import ArrayConfig
from .board import Board
from .virtual import VirtualBoard

__all__ = ["BadCable"]


class BadCable(VirtualBoard):
    """A virtual board that loses, changes and repeats bytes in both directions.

    Parameters
    ----------
    rate : probability of each of the three faults, per byte; may be changed at any time.
    rng : source of the faults.

    Attributes
    ----------
    connected : if False, every byte is lost, as with an unplugged cable.
    damage : number of faulty bytes so far, without those lost while not ``connected``.
    """
    def __init__(self, board: Board, config: ArrayConfig | None = None, *,
                 rng: np.random.Generator, rate: float = 0.0, seed: int = 1) -> None:
        super().__init__(board, config, seed=seed)
        self._rng = rng
        self.rate = rate
        self.damage = 0
        self.connected = True

    def _carry(self, data: bytes) -> bytes:
        """``data`` as it arrives on the other side."""
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
        """Send bytes to the board through the cable."""
        super().send(self._carry(data))

    def step(self, cycles: int) -> bytes:
        """Simulate ``cycles`` cycles; returns what arrives of the bytes that the board sent."""
        return self._carry(super().step(cycles))
