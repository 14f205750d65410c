# SPDX-License-Identifier: Apache-2.0
"""Pooling: a layer that works on every channel by itself."""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .errors import InputError
from .fixed import MAX_SHIFT, MULTIPLIER_BITS, int_range, requantise
from .weights import SparseWeights
from .window import Window

__all__ = ["Pool", "REDUCTIONS"]

#: What a pool does with what its window sees.
REDUCTIONS = ("max", "sum")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
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

    def __post_init__(self) -> None:
        if self.reduce not in REDUCTIONS:
            raise InputError(f"layer {self.name!r}: reduce must be {' or '.join(REDUCTIONS)}, "
                             f"not {self.reduce!r}")
        if not 1 <= self.multiplier < 1 << MULTIPLIER_BITS or not 0 <= self.shift <= MAX_SHIFT \
                or (self.reduce == "max" and (self.multiplier, self.shift) != (1, 0)):
            raise InputError(f"layer {self.name!r}: multiplier must be in 1 .. "
                             f"{(1 << MULTIPLIER_BITS) - 1} and shift in 0 .. {MAX_SHIFT}, 1 and 0 "
                             f"for max, not {self.multiplier} and {self.shift}")

    @property
    def channels(self) -> int:
        """Channels, of the map it reads and of its output."""
        return self.window.channels

    @property
    def positions(self) -> int:
        """Output positions of the window."""
        return self.window.positions

    @property
    def inputs(self) -> int:
        """Activations of the map it reads."""
        return self.window.inputs

    @property
    def outputs(self) -> int:
        """Activations of its output."""
        return self.positions * self.channels

    def bias(self, act_width: int) -> int:
        """What the writeback adds. The largest is found among activations moved up by half their
        range, so that a cleared accumulator is below all of them."""
        return int_range(act_width)[0] if self.reduce == "max" else 0

    def matrix(self, places: np.ndarray, pes: int) -> SparseWeights:
        """What each PE multiplies its own activations with: a one for each channel, which lies
        at ``places`` (row x ``pes`` + PE), in the column of its row."""
        rows = int(places[-1]) // pes + 1
        counts = np.bincount(places // pes, minlength=rows)
        return SparseWeights(
            shape=(rows * pes, rows), rows=places, indptr=np.concatenate([[0], np.cumsum(counts)]),
            values=np.ones(self.channels, int), codes=np.ones(self.channels, int),
            codebook=np.array([0, 1]))

    def reduced(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """The layer on activations x [batch, inputs]: int64 [batch, outputs]."""
        low = int_range(act_width)[0] if self.reduce == "max" else 0
        seen = self.window.gather(np.asarray(x, np.int64) - low)       # beside the map: ``low``
        seen = seen.reshape(len(x), self.positions, -1, self.channels)
        found = seen.max(axis=2) if self.reduce == "max" else seen.sum(axis=2)
        return requantise(found, self.bias(act_width), self.multiplier, self.shift,
                          relu=self.relu, act_width=act_width).reshape(len(x), self.outputs)
