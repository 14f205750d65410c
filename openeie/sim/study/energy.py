# SPDX-License-Identifier: Apache-2.0
"""Energy of a layer as a model: the events of a run times what each costs by EIE's synthesis.

Table II of EIE gives the power of the units of one PE at 800 MHz (45 nm, including the clock). A PE
that executes an entry in every cycle reads a 64-bit word of entries and a pair of pointers every
eight cycles (section IV); this turns the power of each unit into energy per event. It is not a
measurement of our gateware, but what the paper's chip would take for our events.
"""
from dataclasses import dataclass

import numpy as np

from ..fast.native.library import library
from .workload import LayerTime

__all__ = ["EVENT_PJ", "WORD_FIXED_PJ", "WORD_BIT_PJ", "LNZD_MW", "Energy", "events", "energy",
           "word_pj", "words_read"]

_CLOCK_MHZ = 800
_ENTRIES_PER_WORD = 8


def _per_event(milliwatts: float, cycles: int) -> float:
    """pJ of an event that happens once every ``cycles`` cycles."""
    return milliwatts * 1e3 / _CLOCK_MHZ * cycles


#: pJ of one event in one PE, by unit (EIE, Table II).
EVENT_PJ = {
    "queue": _per_event(0.112, _ENTRIES_PER_WORD),      # an activation through the queue
    "pointers": _per_event(1.807, _ENTRIES_PER_WORD),   # both ends of a column
    "entries": _per_event(4.955, _ENTRIES_PER_WORD),    # a 64-bit word of entries read
    "arithmetic": _per_event(1.162, 1),                 # an entry decoded, multiplied and added
    "accumulators": _per_event(1.122, 1),               # read and written for an entry
}
#: mW of one lnzd node (EIE, section V); 64 PEs have 21.
LNZD_MW = 0.023

#: The memories' share of the power of the units that have one (Table II: 5.416 of 7.884 mW).
_MEMORY_SHARE = 5.416 / (4.955 + 1.807 + 1.122)
#: A word of w bits takes WORD_FIXED_PJ + w x WORD_BIT_PJ from the memory itself. The line goes
#: through Table II's 64 bits, and 512 bits at 180 pJ, where the axis of EIE's figure 9 ends: the
#: paper does not print the figure's values.
WORD_BIT_PJ = (180 - _MEMORY_SHARE * EVENT_PJ["entries"]) / (512 - 64)
WORD_FIXED_PJ = 180 - 512 * WORD_BIT_PJ


def word_pj(width: int) -> float:
    """pJ of the entry memory for a word of ``width`` bits, without the logic around it."""
    return WORD_FIXED_PJ + width * WORD_BIT_PJ


def _words(columns: np.ndarray, counts: np.ndarray, slots: int) -> int:
    """Reads of the entry memory: a PE keeps a word until it reads another one.

    columns int32 [columns broadcast], rising inside a vector; counts int32 [n, PEs]; ``slots``
    entries a word.
    """
    native = library()
    if native is None:
        return _words_in_numpy(columns, counts, slots)
    return native.words(columns, len(columns), counts, counts.shape[1], slots)


def _words_in_numpy(columns: np.ndarray, counts: np.ndarray, slots: int) -> int:
    """The same without a compiler."""
    ends = np.cumsum(counts, axis=0, dtype=np.int64)
    total = 0
    for end_of_column, count in zip(ends.T, counts.T):
        has_entries = count[columns] > 0
        mine = columns[has_entries]
        end = end_of_column[mine]
        first_word = (end - count[mine]) // slots
        last_word = (end - 1) // slots
        held = np.append(-1, last_word[:-1])
        total += int(np.sum(last_word - first_word) + np.count_nonzero(first_word != held))
    return total


def words_read(time: LayerTime, word_width: int | None = None, encoding: str = "codebook") -> int:
    """Words of the entry memory that all PEs read in a launch.

    A PE keeps a word until it reads another one (EIE, section IV).

    word_width : bits of a word; None: the array's.
    """
    width = word_width or time.config.word_width
    slots = width // time.config.entry_widths[encoding]
    return _words(time.columns, time.counts, slots)


def events(time: LayerTime, encoding: str = "codebook") -> dict[str, int]:
    """Events of each unit of :data:`EVENT_PJ`, in all PEs together."""
    broadcasts = len(time.columns) * time.config.pes
    return {"queue": broadcasts, "pointers": broadcasts,
            "entries": words_read(time, encoding=encoding),
            "arithmetic": time.entries, "accumulators": time.total("busy")}


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy of one launch; a model.

    Attributes
    ----------
    by_unit : pJ of each unit of :data:`EVENT_PJ`, and of ``lnzd``.
    events : events of each unit of :data:`EVENT_PJ`.
    """
    by_unit: dict[str, float]
    events: dict[str, int]

    @property
    def total(self) -> float:
        """pJ of all units together."""
        return sum(self.by_unit.values())


def energy(time: LayerTime, encoding: str = "codebook") -> Energy:
    """Energy of one launch by the model, with the entries in ``encoding``."""
    happened = events(time, encoding)
    around = EVENT_PJ["entries"] * (1 - _MEMORY_SHARE)
    cost = EVENT_PJ | {"entries": around + word_pj(time.config.word_width)}
    by_unit = {unit: happened[unit] * cost[unit] for unit in EVENT_PJ}
    by_unit["lnzd"] = _lnzd_nodes(time.config.pes) * LNZD_MW * 1e3 / _CLOCK_MHZ * time.cycles
    return Energy(by_unit=by_unit, events=happened)


def _lnzd_nodes(pes: int) -> int:
    """Nodes of a tree over the PEs in which each node has four children."""
    nodes = 0
    row = pes
    while row > 1:
        row = -(-row // 4)
        nodes += row
    return nodes
