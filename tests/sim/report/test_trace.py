# SPDX-License-Identifier: Apache-2.0
"""The cycles and every counter of every PE of a launch can be counted in its trace."""
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.array.counters import COUNTERS
from openeie.core.compile.compile import compile_network
from openeie.core.errors import CapacityError, InputError
from openeie.core.run import Run
from openeie.sim.fast import fast
from openeie.sim.random.cases import case
from openeie.sim.report import trace as tracing
from openeie.sim.report.timeline import slices, timeline
from openeie.sim.report.trace import occupancy, trace_launch, traces
from support.networks import CONFIG, branched


def counted(trace, pe):
    """The seven counters of a PE, from its slices."""
    found = dict.fromkeys(COUNTERS, 0)
    _, inside = trace.of(pe)
    at = -3
    for what, first, cycles, k in slices(trace, pe):
        assert first == at and cycles > 0       # no gap, no overlap
        at += cycles
        if what == "column":
            fillers = int(trace.fillers[trace.items[k], inside])
            found["filler"] += fillers
            found["busy"] += cycles - fillers
        else:
            found["writeback" if what == "token" else what] += cycles
    assert at == trace.cycles - 3
    return list(found.values())


def check(program, run, x):
    """Every tile of the first and the last launch; returns (tiles, clustered tiles)."""
    plans = clustered = 0
    for start in {0, len(run.cycles) - 1}:
        for number, (plan, trace) in enumerate(traces(program, run, x, start)):
            layer = run.tiles[number]
            assert trace.cycles == layer.cycles[start], plan.name
            rebuilt = [counted(trace, pe) for pe in range(trace.pes)]
            assert rebuilt == layer.counters[start].tolist(), plan.name
            plans, clustered = plans + 1, clustered + (plan.clusters > 1)
    return plans, clustered


@pytest.mark.slow
def test_random_networks():
    done = np.zeros(2, int)
    for configuration in range(8):
        for index in range(4):
            drawn = case(41, configuration, index)
            done += check(drawn.program, fast.run(drawn.program, drawn.x), drawn.x)
    assert done[0] > 150 and done[1] > 5


def test_several_vectors_a_start(rng):
    program = compile_network(branched(rng), CONFIG, vectors=2)
    x = rng.integers(-3, 4, (6, program.network.inputs))
    assert check(program, fast.run(program, x), x) == (12, 0)


def written_out(trace, src_rows):
    """L, T, pop, X and S of a tile without clusters, by the lines of docs/timing.md."""
    lat, depth = trace.lat, trace.queue_depth
    vector = np.cumsum(trace.items == -1) - (trace.items == -1)
    row = vector * src_rows + np.where(trace.items == -1, src_rows - 1, trace.items // trace.pes)
    never = np.full(trace.pes, -1000)
    leave, broadcast, pop, known, read = [], [], [], [], []
    work, pend = never, never
    for k, column in enumerate(trace.items.tolist()):
        leave.append(lat.first_scan + row[0] if k == 0 else max(
            leave[-1] + max(1, row[k] - row[k - 1]), broadcast[-1]))
        broadcast.append(max(leave[k] + 1, max(pop[k - depth]) + 2 if k >= depth else 0))
        pop.append(np.maximum(broadcast[k] + 1, known[-1] if k else never))
        known.append(np.maximum(pop[k] + 1, read[-1] if k else never))
        read.append(np.maximum(known[k] + 1, read[-1] + work if k else never))
        work = np.ones(trace.pes, int) if column == -1 else np.maximum(1, trace.counts[column])
        if column == -1:
            read[k] = np.maximum(read[k], pend)
            pend = read[k] + trace.pend
    return leave, broadcast, pop, known, read


def test_the_log_is_the_written_recurrence(rng):
    program = compile_network(branched(rng), CONFIG, vectors=2)
    x = rng.integers(-3, 4, (2, program.network.inputs))
    (_, trace), = traces(program, fast.run(program, x), x, only=[5])
    expected = written_out(trace, program.tiles[5].src_rows)
    for ours, theirs in zip((trace.leave, trace.broadcast, trace.pop, trace.known, trace.read),
                            expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_cycle_off_is_noticed(rng):
    program = compile_network(branched(rng), CONFIG)
    x = rng.integers(-3, 4, (1, program.network.inputs))
    run = fast.run(program, x)
    counters = run.tiles[0].counters.copy()
    counters[0, 0, [3, 4]] += (1, -1)
    wrong = Run(engine="fast", config=run.config, tiles=(
        dataclasses.replace(run.tiles[0], counters=counters), *run.tiles[1:]))
    with pytest.raises(AssertionError):
        check(program, wrong, x)


@settings(max_examples=25)
@given(st.integers(0, 60), st.integers(0, 3), st.integers(1, 400))
def test_queues(configuration, index, bins):
    drawn = case(43, configuration, index)
    run = fast.run(drawn.program, drawn.x)
    trace = trace_launch(drawn.program, run, drawn.x, 0)
    queue = occupancy(trace, bins)
    assert len(queue.total) == len(queue.most) <= bins
    assert (len(queue.total) - 1) * queue.step < queue.cycles <= len(queue.total) * queue.step
    waited = trace.pop - trace.broadcast[:, None]
    assert queue.total.sum() == waited.sum() and waited.min() >= 1
    assert 1 <= queue.most.max() <= trace.queue_depth
    assert np.all(queue.mean <= queue.most)
    assert np.isclose(queue.total.sum(), (queue.mean * np.minimum(
        queue.step, queue.cycles - np.arange(len(queue.total)) * queue.step)).sum() * trace.pes)


def test_too_large(monkeypatch, rng):
    program = compile_network(branched(rng), CONFIG)
    x = rng.integers(-3, 4, (1, program.network.inputs))
    run = fast.run(program, x)
    items = len(trace_launch(program, run, x, 1).items)
    monkeypatch.setattr(tracing, "MOST_CELLS", items * 5 - 1)
    with pytest.raises(CapacityError, match="layer left: a trace holds"):
        trace_launch(program, run, x, 1)
    assert [trace is None for _, trace in traces(program, run, x)][1]
    assert any("layer left" in line for line in timeline(program, run, x).left_out)


def test_the_timeline(rng):
    program = compile_network(branched(rng), CONFIG)
    x = rng.integers(-3, 4, (2, program.network.inputs))
    run = fast.run(program, x)
    made = timeline(program, run, x, launch=1)
    assert made.left_out == () and timeline(program, run, x, launch=1).data == made.data
    document = json.loads(made.data)
    events = document["traceEvents"]
    assert made.events == sum(event["ph"] != "M" for event in events)
    layers = [event for event in events if event["ph"] == "X" and event["pid"] == 1]
    assert [event["name"] for event in layers] == [layer.name for layer in run.tiles]
    assert [event["dur"] for event in layers] == [layer.cycles[1] for layer in run.tiles]
    for pe in range(5):
        mine = [event for event in events if event["ph"] == "X" and event["pid"] == 2
                and event["tid"] == pe + 1]
        assert mine[0]["ts"] == 0
        assert all(a["ts"] + a["dur"] == b["ts"] for a, b in zip(mine, mine[1:]))
        for name, index in (("starved", 3), ("blocked", 4), ("drain", 6), ("empty_column", 2)):
            assert sum(event["dur"] for event in mine if event["name"] == name) \
                == sum(layer.counters[1, pe, index] for layer in run.tiles)
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert names == ["layers", *(f"PE {pe}" for pe in range(5))]
    assert {event["name"] for event in events if event["ph"] == "C"} == {"queue"}


def test_a_timeline_with_a_limit(rng):
    program = compile_network(branched(rng), CONFIG)
    x = rng.integers(-3, 4, (1, program.network.inputs))
    run = fast.run(program, x)
    whole = timeline(program, run, x).events
    cut = timeline(program, run, x, most_events=whole - 1)
    assert cut.events < whole and cut.left_out == (f"PEs 4 .. 4: more than {whole - 1:,} events",)
    tiny = timeline(program, run, x, most_events=3)
    assert tiny.events == 3
    assert tiny.left_out == ("PE 0 from 0 on: more than 3 events",
                             "PEs 1 .. 4: more than 3 events")
    others = sum(event["ph"] != "M" and event["pid"] == 1
                 for event in json.loads(timeline(program, run, x).data)["traceEvents"])
    short = timeline(program, run, x, most_events=others + 7)
    kept = [event for event in json.loads(short.data)["traceEvents"]
            if event["ph"] == "X" and event["pid"] == 2]
    assert len(kept) == 7 and {event["tid"] for event in kept} == {1}
    end = kept[-1]["ts"] + kept[-1]["dur"]
    assert short.left_out[0] == f"PE 0 from {end:,} on: more than {others + 7:,} events"
    with pytest.raises(InputError, match="at least one event, not 0"):
        timeline(program, run, x, most_events=0)
    with pytest.raises(InputError, match=r"launches 0 .. 0, not 1"):
        timeline(program, run, x, launch=1)
