# SPDX-License-Identifier: Apache-2.0
"""Max and sum pooling, each channel by itself."""
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

#: How a pool combines the activations under its window.
REDUCTIONS = ("max", "sum")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pool(Windowed, Local):
    """A max pool, or a sum pool whose sums are requantised; an average pool is a sum pool with the
    divisor in its multiplier and shift.

    Padding is ignored by ``max`` and counts as 0 in a ``sum``.

    Attributes
    ----------
    name : unique in its network.
    window : where the pool is applied. Where a ``max`` window covers only padding, the output is
        the smallest activation.
    reduce : ``max`` or ``sum``.
    multiplier, shift : for all channels; the output is ``round(sum * multiplier * 2**-shift)``, as
        in :class:`openeie.core.network.layers.Weighted`. For ``max`` they must be 1 and 0.
    relu : whether negative outputs become 0.
    sources : as in :class:`openeie.core.network.layers.Weighted`.
    output_scale : real value of one unit of an output, for reports.

    Raises
    ------
    InputError : a value out of range.
    """
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
    encoding: ClassVar[str | None] = None           # weights of 1 fit any encoding

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
        """Weight 1 for each channel, which serves all places of the window."""
        return SparseWeights.from_codes(np.ones((self.channels, 1), int), np.array([0, 1]))

    @property
    def channels(self) -> int:
        """Channels of the map that it reads, and of its output."""
        return self.window.channels

    @property
    def outputs(self) -> int:
        """Activations that it writes for each input."""
        return self.positions * self.channels

    @property
    def maximum(self) -> bool:
        """Whether the accumulators keep the largest product instead of the sum."""
        return self.reduce == "max"

    @property
    def repeats(self) -> int:
        """How often each position goes through the columns: once for each place."""
        return self.window.kernel[0] * self.window.kernel[1]

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """``bias``, ``multiplier`` and ``shift`` of each channel, int64 [channels].

        A max pool compares activations raised by half their range, so that a cleared accumulator is
        below all of them. The bias lowers the result again.
        """
        return {"bias": np.full(self.channels, self._lowest(act_width)),
                "multiplier": np.full(self.channels, self.multiplier),
                "shift": np.full(self.channels, self.shift)}

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """Accumulators int64 [batch, positions, m] for activations x int64 [batch, inputs]."""
        raised = x - self._lowest(act_width)
        seen = self.window.gather(raised)                   # padding is 0
        seen = seen.reshape(len(x), self.positions, -1, self.channels)
        return seen.max(axis=2) if self.maximum else seen.sum(axis=2)

    def _lowest(self, act_width: int) -> int:
        """The activation that an accumulator of 0 stands for."""
        return int_range(act_width)[0] if self.maximum else 0
