# SPDX-License-Identifier: Apache-2.0
"""One start of a network as a timeline that Perfetto and chrome://tracing open.

A trace's microsecond is a cycle. Each PE is a track with a slice for every column it works on and
for every wait, told apart as the counters tell them; the queues are tracks of numbers.
"""
import json
from dataclasses import dataclass

import numpy as np

from ...core.array.timing import Timing
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.run import Run
from ..fast.recurrence import TOKEN
from .trace import MOST_CELLS, QueueTrace, Trace, occupancy, traces

__all__ = ["MOST_EVENTS", "Timeline", "slices", "timeline"]

#: Slices of a timeline, unless asked otherwise.
MOST_EVENTS = 200_000
_ARRAY, _PES = 1, 2                     # processes of the timeline: what belongs together


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A timeline, and what it has not.

    Attributes
    ----------
    data : the JSON file.
    events : in it, names of tracks apart.
    left_out : one line for each thing left out; empty if it is whole.
    """
    data: bytes
    events: int
    left_out: tuple[str, ...]


def slices(trace: Trace, pe: int) -> list[tuple[str, int, int, int]]:
    """What a PE's decode stage D did in each cycle that the counters count: (what, first cycle,
    cycles, item), one after the other without a gap.

    ``what`` is ``column`` (its entries), a counter's name, or ``token``; -1 stands for no item.
    """
    mine, inside = trace.of(pe)
    lat, found = trace.lat, []
    lag = lat.queue + lat.pointers + lat.entries + lat.decode
    at, pending = -lat.counted, -(1 << 40)          # the next cycle, and the end of a writeback

    def wait(end: int, blocked: tuple[int, int]) -> None:
        """Idle cycles up to ``end``: writeback, then starved with a blocked stretch inside."""
        nonlocal at
        first, last = max(blocked[0], at), blocked[1]
        for what, until in (("writeback", pending), ("starved", min(first - 1, end)),
                            ("blocked", last), ("starved", end)):
            until = min(until, end)
            if until >= at:
                found.append((what, at, until - at + 1, -1))
                at = until + 1
    columns = trace.items[mine]
    work = np.where(columns == TOKEN, 0, trace.counts[columns, inside])
    for k, column, entries, leave, broadcast, read in zip(
            mine.tolist(), columns.tolist(), work.tolist(), trace.leave[mine].tolist(),
            trace.broadcast[mine].tolist(), trace.read[mine, inside].tolist()):
        wait(read + lat.decode - 1,
             (max(leave + lat.broadcast + lag, pending + 1), broadcast + lag - 1))
        what = "token" if column == TOKEN else "column" if entries else "empty_column"
        found.append((what, at, max(entries, 1), k))
        at += max(entries, 1)
        if column == TOKEN:
            pending = read + trace.pend
    for what, until in (("writeback", pending), ("drain", trace.cycles - 1 - lat.counted)):
        if until >= at:
            found.append((what, at, until - at + 1, -1))
            at = until + 1
    return found


def timeline(program: Program, run: Run, x, *, start: int = 0,
             most_events: int = MOST_EVENTS) -> Timeline:
    """The timeline of one start of a run on inputs x [batch, n].

    Whole tracks of PEs are left out beyond ``most_events`` slices, and the PEs' slices of layers
    that are too large to trace.

    Raises
    ------
    InputError : there is no such start, or not even one event is wanted.
    """
    if not 0 <= start < len(run.cycles):
        raise InputError(f"the run has starts 0 .. {len(run.cycles) - 1}, not {start}")
    if most_events < 1:
        raise InputError(f"a timeline needs at least one event, not {most_events}")
    # The counters count the decode stage, which they see from three cycles before cycle 0 on.
    layers, left_out, parts, first = [], [], [], Timing(program.config).counted
    time = first
    for number, (plan, trace) in enumerate(traces(program, run, x, start)):
        cycles = int(run.tiles[number].cycles[start])
        layers.append(_slice(plan.name, time, cycles, _ARRAY, 0, {"cycles": cycles}))
        if trace is None:
            left_out.append(f"layer {plan.name}: more than {MOST_CELLS:,} items x PEs")
        else:
            parts.append((time, trace))
            layers += _queue_events(occupancy(trace), time)
        time += cycles
    tracks, shown = _tracks(parts, program.config.pes, most_events - len(layers))
    end = tracks[-1]["ts"] + tracks[-1]["dur"] if tracks else 0
    if parts and end < parts[-1][0] - first + parts[-1][1].cycles:
        left_out.append(f"PE 0 from {end:,} on: more than {most_events:,} events")
    if shown < program.config.pes:
        left_out.append(f"PEs {shown} .. {program.config.pes - 1}: more than {most_events:,} "
                        f"events")
    events = layers[:most_events] + tracks
    document = {"traceEvents": _names(program, shown) + events, "displayTimeUnit": "ns",
                "otherData": {
        "unit": "one microsecond of the timeline is one cycle of the array",
        "first cycle": first, "engine": run.engine, "start": start, "left out": left_out,
        "network": program.network.name, "config": program.config.to_dict()}}
    return Timeline(data=json.dumps(document, separators=(",", ":")).encode() + b"\n",
                    events=len(events), left_out=tuple(left_out))


def _tracks(parts: list[tuple[int, Trace]], pes: int, most: int) -> tuple[list[dict], int]:
    """Slices of the first PEs, whole tracks of them, and of how many; of the very first one the
    beginning, if that is all there is room for."""
    tracks: list[dict] = []
    for pe in range(pes):
        events = [event for begin, trace in parts for event in _pe_events(trace, pe, begin)]
        if len(tracks) + len(events) > most:
            return (tracks, pe) if pe else (events[:max(most, 0)], 1)
        tracks += events
    return tracks, pes


def _names(program: Program, pes: int) -> list[dict]:
    """What the tracks are called."""
    def name(what: str, process: int, track: int, text: str) -> dict:
        return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": text}}
    return [name("process_name", _ARRAY, 0, f"{program.network.name}: array"),
            name("thread_name", _ARRAY, 0, "layers"), name("process_name", _PES, 0, "PEs"),
            *(name("thread_name", _PES, pe + 1, f"PE {pe}") for pe in range(pes))]


def _slice(name: str, at: int, cycles: int, process: int, track: int, args: dict) -> dict:
    return {"ph": "X", "name": name, "ts": at, "dur": cycles, "pid": process, "tid": track,
            "args": args}


def _queue_events(queue: QueueTrace, begin: int) -> list[dict]:
    """The queues' mean and most as numbers over time, until the layer ends."""
    return [{"ph": "C", "name": "queue", "ts": begin + number * queue.step, "pid": _ARRAY,
             "args": {"mean": round(mean, 3), "most": most}}
            for number, (mean, most) in enumerate(zip(queue.mean.tolist(),
                                                      queue.most.tolist()))]


def _pe_events(trace: Trace, pe: int, begin: int) -> list[dict]:
    events = []
    _, inside = trace.of(pe)
    for what, at, cycles, k in slices(trace, pe):
        args = {}
        if k >= 0 and what != "token":
            column = int(trace.items[k])
            args = {"column": column, "entries": int(trace.counts[column, inside]),
                    "fillers": int(trace.fillers[column, inside]),
                    "broadcast": int(trace.broadcast[k]) + begin}
            if what == "column":
                what = "busy"
        events.append(_slice(what, begin + at, cycles, _PES, pe + 1, args))
    return events

