# SPDX-License-Identifier: Apache-2.0
"""Energy of a layer as a model: what a run counts, times what EIE's synthesis says each costs.

Table II of EIE gives the power of one PE's units at 800 MHz (45 nm, the clock's share included). A
PE that is busy with an entry in every cycle reads a 64-bit word of entries and a pair of pointers
every eight cycles (section IV), so the power of each unit is an energy per event. This is no
measurement of our gateware: it says what the paper's chip would take for our counts.
"""
from dataclasses import dataclass

import numpy as np

from ..fast.compiled import compiled
from .workload import LayerTime

__all__ = ["EVENT_PJ", "WORD_FIXED_PJ", "WORD_BIT_PJ", "LNZD_MW", "Energy", "events", "energy",
           "word_pj", "words_read"]

_CLOCK_MHZ, _ENTRIES_PER_WORD = 800, 8


def _per_event(milliwatts: float, cycles: int) -> float:
    """pJ of an event that happens every so many cycles."""
    return milliwatts * 1e3 / _CLOCK_MHZ * cycles


#: pJ of one event in one PE, by unit (EIE, Table II).
EVENT_PJ = {
    "queue": _per_event(0.112, _ENTRIES_PER_WORD),      # an activation through the queue
    "pointers": _per_event(1.807, _ENTRIES_PER_WORD),   # both ends of a column
    "entries": _per_event(4.955, _ENTRIES_PER_WORD),    # a 64-bit word of entries
    "arithmetic": _per_event(1.162, 1),                 # an entry decoded, multiplied and added
    "accumulators": _per_event(1.122, 1),               # read and written for an entry
}
#: Of one lnzd node (EIE, section V); there are 21 for 64 PEs.
LNZD_MW = 0.023

#: The memories' share of the power of the units that have one (Table II: 5.416 mW of 7.884).
_MEMORY_SHARE = 5.416 / (4.955 + 1.807 + 1.122)
#: The memory itself takes fixed + w x per bit for a word of w bits: through Table II's 64 bits, and
#: the 180 pJ at which the axis of EIE's figure 9 ends, for 512 bits. The paper does not print the
#: figure's own values.
WORD_BIT_PJ = (180 - _MEMORY_SHARE * EVENT_PJ["entries"]) / (512 - 64)
WORD_FIXED_PJ = 180 - 512 * WORD_BIT_PJ


def word_pj(width: int) -> float:
    """pJ that the entry memory takes for a word of ``width`` bits, the logic around it apart."""
    return WORD_FIXED_PJ + width * WORD_BIT_PJ


@compiled
def _words(columns, counts, slots):
    """Reads of the entry memory: a PE reads a word again only when it left it."""
    n, pes = counts.shape
    first = np.zeros((n, pes), np.int64)
    for j in range(1, n):
        first[j] = first[j - 1] + counts[j - 1]
    held = np.full(pes, -1)
    total = 0
    for j in columns:
        for i in range(pes):
            if counts[j, i]:
                begin, end = first[j, i] // slots, (first[j, i] + counts[j, i] - 1) // slots
                total += end - begin + (begin != held[i])
                held[i] = end
    return total


def words_read(time: LayerTime, word_width: int | None = None, encoding: str = "codebook") -> int:
    """Words of the entry memory read by all PEs, ``word_width`` bits each (the array's own if
    None); a word is kept until another is read, as in EIE, section IV."""
    width = word_width or time.config.word_width
    slots = width // time.config.entry_widths[encoding]
    return int(_words(time.columns, time.counts, slots))


def events(time: LayerTime, encoding: str = "codebook") -> dict[str, int]:
    """How often each unit of :data:`EVENT_PJ` did its work, in all PEs together."""
    broadcasts = len(time.columns) * time.config.pes
    return {"queue": broadcasts, "pointers": broadcasts,
            "entries": words_read(time, encoding=encoding),
            "arithmetic": time.entries, "accumulators": time.total("busy")}


@dataclass(frozen=True, kw_only=True)
class Energy:
    """pJ of one start, by unit; a model.

    Attributes
    ----------
    by_unit : pJ, and lnzd's.
    events : how often each unit of :data:`EVENT_PJ` did its work.
    """
    by_unit: dict[str, float]
    events: dict[str, int]

    @property
    def total(self) -> float:
        """pJ of all units together."""
        return sum(self.by_unit.values())


def energy(time: LayerTime, encoding: str = "codebook") -> Energy:
    """The model's energy of one start, its entries held in ``encoding``."""
    happened = events(time, encoding)
    around = EVENT_PJ["entries"] * (1 - _MEMORY_SHARE)
    cost = EVENT_PJ | {"entries": around + word_pj(time.config.word_width)}
    nodes, row = 0, time.config.pes
    while row > 1:                      # a tree of nodes with four children each
        row = -(-row // 4)
        nodes += row
    by_unit = {unit: happened[unit] * cost[unit] for unit in EVENT_PJ}
    by_unit["lnzd"] = nodes * LNZD_MW * 1e3 / _CLOCK_MHZ * time.cycles
    return Energy(by_unit=by_unit, events=happened)
