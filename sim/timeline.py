# SPDX-License-Identifier: Apache-2.0
"""A run's first start as a timeline for Perfetto or chrome://tracing (Chrome's trace format).

A cycle is written as a microsecond. Process 0 has the layers, process 1 the PEs, a track each: a
slice is a column's entries being worked off, or the token that ends a vector.
"""
import json
from collections.abc import Iterable

from .recurrence import TOKEN
from .trace import Trace

__all__ = ["timeline"]

_LAYERS, _PES = 0, 1


def timeline(traces: Iterable[Trace | tuple[str, int]], pes: int, *,
             most_events: int = 200_000) -> tuple[bytes, int]:
    """The file's bytes, and how many events were left out of it: those that begin last.

    Parameters
    ----------
    traces : of the layers in order; ``(name, cycles)`` of one that has no trace.
    pes : of the array.
    most_events : slices and counts that are written, the names of tracks apart.
    """
    events: list[dict] = []
    start = 0
    for trace in traces:
        name, cycles = (trace.name, trace.cycles) if isinstance(trace, Trace) else trace
        events.append({"ph": "X", "pid": _LAYERS, "tid": 0, "name": name, "ts": start,
                       "dur": cycles})
        if isinstance(trace, Trace):
            events += _slices(trace, start)
            events += _counts(trace, start)
        start += cycles
    events.sort(key=lambda event: event["ts"])
    kept = [*_names(pes), *events[:most_events]]
    text = json.dumps({"traceEvents": kept, "displayTimeUnit": "ms",
                       "otherData": {"unit": "1 us is 1 cycle",
                                     "left_out": max(0, len(events) - most_events)}})
    return text.encode(), max(0, len(events) - most_events)


def _names(pes: int) -> list[dict]:
    """What processes and tracks are called."""
    names = [("process_name", _LAYERS, 0, "array"), ("thread_name", _LAYERS, 0, "layers"),
             ("process_name", _PES, 0, "PEs"),
             *(("thread_name", _PES, pe, f"PE {pe}") for pe in range(pes))]
    return [{"ph": "M", "name": name, "pid": pid, "tid": tid, "args": {"name": text}}
            for name, pid, tid, text in names]


def _slices(trace: Trace, start: int) -> Iterable[dict]:
    for k, column in enumerate(trace.columns.tolist()):
        name = "end of vector" if column == TOKEN else f"column {column}"
        for pe, (begun, entries) in enumerate(zip(trace.begun[k].tolist(),
                                                  trace.entries[k].tolist())):
            yield {"ph": "X", "pid": _PES, "tid": pe, "name": name, "ts": start + begun,
                   "dur": max(1, entries), "args": {"entries": entries}}


def _counts(trace: Trace, start: int) -> Iterable[dict]:
    mean, largest, width = trace.occupancy(1000)
    for number, (one, other) in enumerate(zip(mean.tolist(), largest.tolist())):
        yield {"ph": "C", "pid": _LAYERS, "tid": 0, "name": "queues", "ts": start + number * width,
               "args": {"mean": round(one, 3), "largest": other}}
