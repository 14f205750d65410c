# SPDX-License-Identifier: Apache-2.0
"""The pipeline's constants: the only numbers that ``fast`` knows about the gateware's stages.

``docs/timing.md`` derives the recurrence that uses them. Each gateware block states its own
latency, and a test holds the two together.
"""
from dataclasses import dataclass

from .config import ArrayConfig
from .counters import COUNTERS
from .descriptor import descriptor_words

__all__ = ["Timing"]


@dataclass(frozen=True)
class Timing:
    """Latencies of the array built from ``config``, in cycles.

    Cycle 0 of a layer is the one in which its first descriptor word is fetched.
    """
    config: ArrayConfig

    @property
    def fetch(self) -> int:
        """Cycles spent on the descriptor; the counters are cleared meanwhile."""
        return max(descriptor_words(self.config), len(COUNTERS)) + 1

    @property
    def first_scan(self) -> int:
        """Earliest cycle in which lnzd hands a hit of source row 0 to the broadcast."""
        return self.fetch + 3 + self.config.conv

    @property
    def exchange(self) -> int:
        """Most cycles for which a result is under way to another cluster's memory."""
        return self.config.clusters + 2 if self.config.clusters > 1 else 0

    @property
    def commit(self) -> int:
        """From the last row's last cycle to the end of the layer."""
        return 10 + self.exchange

    #: From lnzd's hand-over to the earliest broadcast into the queues (T - L).
    broadcast = 1
    #: From a pop of the fullest queue to the earliest broadcast into the place it frees.
    refill = 2
    #: From the broadcast to the earliest pop of a queue (pop - T).
    queue = 1
    #: From the pop to the earliest hand-over of the two column pointers (X - pop).
    pointers = 1
    #: From that hand-over to the earliest read of the column's first word (S - X).
    entries = 1
    #: From the read of a word to the cycle in which its first entry is decoded (D - S).
    decode = 1
    #: From the decoding of the end-of-vector token to the first row's writeback.
    token = 7
    #: Cycles in which a row is read, and after which the next one follows.
    row = 8
    #: The counters' latency, less the cycle by which they learn late that a layer runs.
    counted = 3
