# SPDX-License-Identifier: Apache-2.0
"""Pooling: the largest or the sum of what a window sees of a channel."""
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..numbers.fixed import int_range
from ..numbers.sparse import SparseWeights
from .channelwise import Local, check_scale
from .layers import Windowed
from .window import Window

__all__ = ["Pool", "REDUCTIONS"]

#: What a pool does with what its window sees.
REDUCTIONS = ("max", "sum")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pool(Windowed, Local):
    """The largest of what a window sees of a channel, or the sum, requantised: an average has the
    divisor in its multiplier and shift.

    What lies beside the map is no candidate for the largest, and zero in a sum.

    Attributes
    ----------
    name : unique in its network.
    window : where it goes. A window that sees nothing of the map gives the smallest activation.
    reduce : ``max`` or ``sum``.
    multiplier, shift : of every channel, for ``sum``; the output is ``sum * multiplier >> shift``
        as in a :class:`Linear` layer. ``max`` has 1 and 0.
    relu : clamp negative outputs to zero.
    sources : as in a :class:`Linear` layer.
    output_scale : what one unit of an output is worth as a float; for reports.

    Raises
    ------
    InputError : a value out of range.
    """
    #: What of ``config.OPERATIONS`` it needs.
    operation: ClassVar[str] = "pool"

    name: str
    window: Window
    reduce: str
    multiplier: int = 1
    shift: int = 0
    relu: bool = False
    sources: tuple[str, ...] = ()
    output_scale: float = 1.0
    concatenates: ClassVar[bool] = True
    encoding: ClassVar[str | None] = None           # ones take any

    def __post_init__(self) -> None:
        if self.reduce not in REDUCTIONS:
            raise InputError(f"layer {self.name!r}: reduce must be {' or '.join(REDUCTIONS)}, "
                             f"not {self.reduce!r}")
        check_scale(self.name, self.multiplier, self.shift)
        if self.maximum and (self.multiplier, self.shift) != (1, 0):
            raise InputError(f"layer {self.name!r}: multiplier and shift must be 1 and 0 for max, "
                             f"not {self.multiplier} and {self.shift}")

    @cached_property
    def weights(self) -> SparseWeights:
        """A one for each channel, which serves all places of the window."""
        return SparseWeights.from_codes(np.ones((self.channels, 1), int), np.array([0, 1]))

    @property
    def channels(self) -> int:
        """Channels, of the map it reads and of its output."""
        return self.window.channels

    @property
    def outputs(self) -> int:
        """Activations of its output."""
        return self.positions * self.channels

    @property
    def maximum(self) -> bool:
        """See :class:`Local`."""
        return self.reduce == "max"

    @property
    def repeats(self) -> int:
        """See :class:`Local`."""
        return self.window.kernel[0] * self.window.kernel[1]

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """See :class:`Weighted`. The largest is found among activations moved up by half their
        range, so that a cleared accumulator is below all of them; the bias moves it back."""
        return {"bias": np.full(self.channels, int_range(act_width)[0] if self.maximum else 0),
                "multiplier": np.full(self.channels, self.multiplier),
                "shift": np.full(self.channels, self.shift)}

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """The accumulators for activations x int64 [batch, inputs]: [batch, positions, m]."""
        low = int_range(act_width)[0] if self.maximum else 0
        seen = self.window.gather(x - low)                  # beside the map: ``low``
        seen = seen.reshape(len(x), self.positions, -1, self.channels)
        return seen.max(axis=2) if self.maximum else seen.sum(axis=2)
