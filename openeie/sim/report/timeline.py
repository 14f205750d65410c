# SPDX-License-Identifier: Apache-2.0
"""One launch of a network as a timeline for Perfetto and chrome://tracing.

One microsecond of the timeline is one cycle. Each PE is a track with a slice for every column it
works on and for every wait, with the same names as the counters; the queues are tracks of numbers.
"""
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...core.array.timing import Timing
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.run import Run
from ..fast.recurrence import TOKEN
from .trace import MOST_CELLS, QueueTrace, Trace, occupancy, traces

__all__ = ["MOST_EVENTS", "Slice", "Timeline", "slices", "timeline"]

#: Most events of a timeline, by default.
MOST_EVENTS = 200_000
# Processes of the timeline, which group its tracks.
_ARRAY = 1
_PES = 2
#: In place of an item's number: the slice belongs to no item.
_NO_ITEM = -1
_NEVER = -(1 << 40)

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A timeline, and what was left out of it.

    Attributes
    ----------
    data : the JSON file.
    events : number of slices and queue levels in it.
    left_out : one line for each thing left out; empty if the timeline is complete.
    """
    data: bytes
    events: int
    left_out: tuple[str, ...]


class Slice(NamedTuple):
    """What a PE did for some cycles.

    Attributes
    ----------
    what : ``column`` (its entries), ``token``, or the name of a counter.
    at, cycles : its first cycle, and how many cycles it has.
    item : number of the item; -1 for a wait.
    """
    what: str
    at: int
    cycles: int
    item: int


class _Track:
    """The slices of one PE, one after another without a gap."""
    def __init__(self, first: int) -> None:
        self.slices: list[Slice] = []
        self.at = first                 # first cycle that is still open

    def add(self, what: str, cycles: int, item: int = _NO_ITEM) -> None:
        """The next ``cycles`` cycles are ``what``."""
        self.slices.append(Slice(what, self.at, cycles, item))
        self.at += cycles

    def fill(self, what: str, last: int) -> None:
        """All cycles up to ``last`` are ``what``, if any are open."""
        if last >= self.at:
            self.add(what, last - self.at + 1)


def slices(trace: Trace, pe: int) -> list[Slice]:
    """What ``decode_column`` of a PE did in each cycle that the counters count, in order and
    without gaps."""
    mine, inside = trace.of(pe)
    lat = trace.lat
    lag = lat.queue + lat.pointers + lat.entries + lat.decode       # from a broadcast to decode
    track = _Track(-lat.counted)
    pending = _NEVER                    # last cycle of the pending writeback
    columns = trace.items[mine]
    work = np.where(columns == TOKEN, 0, trace.counts[columns, inside])
    rows = zip(mine.tolist(), columns.tolist(), work.tolist(), trace.leave[mine].tolist(),
               trace.broadcast[mine].tolist(), trace.read[mine, inside].tolist())
    for k, column, entries, leave, broadcast, read in rows:
        # Idle cycles before the item, as docs/timing.md names them.
        end = read + lat.decode - 1
        blocked = max(leave + lat.broadcast + lag, pending + 1, track.at)
        track.fill("writeback", min(pending, end))
        track.fill("starved", min(blocked - 1, end))
        track.fill("blocked", min(broadcast + lag - 1, end))
        track.fill("starved", end)
        if column == TOKEN:
            track.add("token", 1, k)
            pending = read + trace.pend
        else:
            track.add("column" if entries else "empty_column", max(entries, 1), k)
    track.fill("writeback", pending)
    track.fill("drain", trace.cycles - 1 - lat.counted)
    return track.slices


def timeline(program: Program, run: Run, x: np.ndarray, *, launch: int = 0,
             most_events: int = MOST_EVENTS) -> Timeline:
    """The timeline of one launch of a run on inputs x [batch, n].

    If it would have more than ``most_events`` events, tracks of PEs are left out, the last ones
    first. The PEs' slices of a tile that is too large to trace are left out, too.

    Raises
    ------
    InputError : there is no such launch, or ``most_events`` is below 1.
    """
    if not 0 <= launch < len(run.cycles):
        raise InputError(f"the run has launches 0 .. {len(run.cycles) - 1}, not {launch}")
    if most_events < 1:
        raise InputError(f"a timeline needs at least one event, not {most_events}")
    # The counters observe the decode stage, from three cycles before cycle 0 on.
    first = Timing(program.config).counted
    time = first
    shared: list[Event] = []            # of the array as a whole
    parts: list[tuple[int, Trace]] = []
    left_out = []
    for number, (plan, trace) in enumerate(traces(program, run, x, launch)):
        cycles = int(run.tiles[number].cycles[launch])
        shared.append(_slice(plan.name, time, cycles, _ARRAY, 0, {"cycles": cycles}))
        if trace is None:
            left_out.append(f"layer {plan.name}: more than {MOST_CELLS:,} items x PEs")
        else:
            parts.append((time, trace))
            shared += _queue_events(occupancy(trace), time)
        time += cycles

    pes = program.config.pes
    tracks, shown = _tracks(parts, pes, most_events - len(shared))
    end = tracks[-1]["ts"] + tracks[-1]["dur"] if tracks else 0
    if parts and end < parts[-1][0] - first + parts[-1][1].cycles:
        left_out.append(f"PE 0 from {end:,} on: more than {most_events:,} events")
    if shown < pes:
        left_out.append(f"PEs {shown} .. {pes - 1}: more than {most_events:,} events")
    events = shared[:most_events] + tracks
    document = {
        "traceEvents": _names(program, shown) + events,
        "displayTimeUnit": "ns",
        "otherData": {
            "unit": "one microsecond of the timeline is one cycle of the array",
            "first cycle": first, "engine": run.engine, "start": launch, "left out": left_out,
            "network": program.network.name, "config": program.config.to_dict()}}
    return Timeline(data=json.dumps(document, separators=(",", ":")).encode() + b"\n",
                    events=len(events), left_out=tuple(left_out))


def _tracks(parts: list[tuple[int, Trace]], pes: int, most: int) -> tuple[list[Event], int]:
    """Slices of the first PEs, and of how many PEs: as many whole tracks as ``most`` allows.

    If not even PE 0's track fits, it is the beginning of that.
    """
    tracks: list[Event] = []
    for pe in range(pes):
        events = [event for begin, trace in parts for event in _pe_events(trace, pe, begin)]
        if len(tracks) + len(events) > most:
            return (tracks, pe) if pe else (events[:max(most, 0)], 1)
        tracks += events
    return tracks, pes


def _names(program: Program, pes: int) -> list[Event]:
    """Events that name the processes and their tracks."""
    def name(what: str, process: int, track: int, text: str) -> Event:
        return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": text}}

    return [name("process_name", _ARRAY, 0, f"{program.network.name}: array"),
            name("thread_name", _ARRAY, 0, "layers"),
            name("process_name", _PES, 0, "PEs"),
            *(name("thread_name", _PES, pe + 1, f"PE {pe}") for pe in range(pes))]


def _slice(name: str, at: int, cycles: int, process: int, track: int, args: Event) -> Event:
    return {"ph": "X", "name": name, "ts": at, "dur": cycles, "pid": process, "tid": track,
            "args": args}


def _queue_events(queue: QueueTrace, begin: int) -> list[Event]:
    """Levels of the queues over time, the mean and the most, until the tile ends."""
    levels = zip(queue.mean.tolist(), queue.most.tolist())
    return [{"ph": "C", "name": "queue", "ts": begin + number * queue.step, "pid": _ARRAY,
             "args": {"mean": round(mean, 3), "most": most}}
            for number, (mean, most) in enumerate(levels)]


def _pe_events(trace: Trace, pe: int, begin: int) -> list[Event]:
    """The slices of a PE in a tile that begins in cycle ``begin``."""
    events = []
    _, inside = trace.of(pe)
    for what, at, cycles, k in slices(trace, pe):
        args: Event = {}
        if k != _NO_ITEM and what != "token":
            column = int(trace.items[k])
            args = {"column": column, "entries": int(trace.counts[column, inside]),
                    "fillers": int(trace.fillers[column, inside]),
                    "broadcast": int(trace.broadcast[k]) + begin}
        name = "busy" if what == "column" else what
        events.append(_slice(name, begin + at, cycles, _PES, pe + 1, args))
    return events
