# SPDX-License-Identifier: Apache-2.0
"""Latencies of the pipeline: all that the engine ``fast`` knows about the gateware's stages.

``docs/timing.md`` derives the recurrence that uses them. Each gateware block states its own
latency, and a test compares the two.
"""
from dataclasses import dataclass

from .config import ArrayConfig
from .counters import COUNTERS
from .descriptor import descriptor_words

__all__ = ["Timing"]


@dataclass(frozen=True)
class Timing:
    """Latencies of the array built from ``config``, all in clock cycles.

    Cycle 0 of a tile is the one in which its first descriptor word is fetched.
    """
    config: ArrayConfig

    @property
    def fetch(self) -> int:
        """Fetching the descriptor; the counters are cleared at the same time."""
        return max(descriptor_words(self.config), len(COUNTERS)) + 1

    @property
    def first_scan(self) -> int:
        """Earliest cycle in which the leading-non-zero detector (lnzd) passes a non-zero activation
        of row 0 to the broadcast."""
        return self.fetch + 3 + self.config.conv

    @property
    def exchange(self) -> int:
        """Longest travel of a result to another cluster's memory."""
        return self.config.clusters + 2 if self.config.clusters > 1 else 0

    @property
    def commit(self) -> int:
        """From the last cycle of the last row to the end of the tile."""
        return 10 + self.exchange

    #: From lnzd's output to the earliest broadcast into the queues (T - L).
    broadcast = 1
    #: From a pop of the fullest queue to the earliest broadcast into the freed place.
    refill = 2
    #: From the broadcast to the earliest pop of a queue (pop - T).
    queue = 1
    #: From the pop until both column pointers are passed on, at the earliest (X - pop).
    pointers = 1
    #: From there to the earliest read of the column's first word (S - X).
    entries = 1
    #: From the read of a word to the cycle in which its first entry is decoded (D - S).
    decode = 1
    #: From the decoding of the end-of-vector token to the first row's writeback.
    token = 7
    #: Cycles that the writeback spends on each row.
    row = 8
    #: The counters' latency, less the one cycle by which they see late that a tile runs.
    counted = 3
