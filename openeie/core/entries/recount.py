# SPDX-License-Identifier: Apache-2.0
"""How many entries a matrix would have with another run width, without encoding it again."""
from dataclasses import dataclass

import numpy as np

from .encoding import Entries

__all__ = ["Gaps"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaps:
    """The zeros before each weight of a matrix, from which its entries follow for any run width.

    Attributes
    ----------
    shape : (PEs, columns).
    gap : int64 [weights], zeros of the weight's PE and column since the weight before it.
    group : int64 [weights], number of the weight's PE and column: PE x columns + column.
    """
    shape: tuple[int, int]
    gap: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, entries: Entries, max_run: int) -> "Gaps":
        """The gaps of a matrix that is encoded with runs of at most ``max_run``."""
        counts = entries.count.reshape(-1)
        is_weight = ~entries.filler
        passed = np.cumsum(entries.filler)[is_weight]           # fillers up to each weight
        fillers = np.diff(passed, prepend=0)
        return cls(shape=entries.count.shape,
                   gap=entries.run[is_weight] + fillers * (max_run + 1),
                   group=np.repeat(np.arange(len(counts)), counts)[is_weight])

    def count(self, max_run: int) -> np.ndarray:
        """Entries of each PE in each column, fillers included, with runs of at most ``max_run``:
        int32 [PEs, columns], equal to ``encode_entries(...).count``."""
        entries = 1 + self.gap // (max_run + 1)
        total = np.bincount(self.group, entries, minlength=int(np.prod(self.shape)))
        return total.astype(np.int32).reshape(self.shape)
