# SPDX-License-Identifier: Apache-2.0
"""What is written down of a start is what the recurrence and its counters say."""
import json

import numpy as np
import openeie
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.compile import compile_network
from openeie.core.config import preset
from openeie.core.counters import COUNTERS
from openeie.core.errors import InputError
from openeie.sim import trace as module
from openeie.sim.study.workload import random_workload
from openeie.sim.timeline import timeline
from openeie.sim.trace import can_trace, trace_layer


def traced(layer, pes, queue_depth):
    config = preset("EIE16").replace(pes=pes, queue_depth=queue_depth, act_depth=1 << 10,
                                     acc_depth=1 << 10, channel_depth=1 << 10)
    program = compile_network(layer.network(), config, vectors=len(layer.acts))
    return trace_layer(program, 0, layer.acts != 0), layer.time(config)


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), st.floats(0, 1), st.floats(0, 1),
       st.integers(1, 3), st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_trace_is_the_recurrence(shape, weights, acts, vectors, pes, queue_depth, seed):
    layer = random_workload("a", shape, weight_density=weights, act_density=acts, seed=seed,
                            vectors=vectors)
    trace, time = traced(layer, pes, queue_depth)
    counter = dict(zip(COUNTERS, time.counters.T))
    assert trace.cycles == time.cycles and trace.vectors == vectors
    column = trace.columns >= 0
    assert np.array_equal(trace.entries.sum(axis=0), counter["busy"] + counter["filler"])
    assert np.array_equal((trace.entries[column] == 0).sum(axis=0), counter["empty_column"])
    # In order, one item of a PE after the other, and never more in a queue than it has room for.
    ends = trace.begun + np.maximum(trace.entries, 1)
    assert np.all(trace.begun[1:] >= ends[:-1]) and np.all(np.diff(trace.broadcast) >= 1)
    assert np.all(trace.popped > trace.broadcast[:, np.newaxis])
    mean, largest, width = trace.occupancy(10 ** 9)
    assert width == 1 and len(mean) == trace.cycles and largest.max() <= queue_depth
    assert np.all(mean <= largest) and mean.sum() * pes == pytest.approx(
        (trace.popped - trace.broadcast[:, np.newaxis]).sum())


def test_bins_keep_the_fullest_cycle():
    trace, _ = traced(random_workload("a", (60, 60), weight_density=0.5, act_density=0.9, seed=1),
                      4, 8)
    _, exact, _ = trace.occupancy(10 ** 9)
    _, binned, width = trace.occupancy(7)
    assert len(binned) <= 7 and width > 1 and binned.max() == exact.max()
    for number, value in enumerate(binned):
        assert value == exact[number * width:(number + 1) * width].max()


def test_timeline_has_every_column_of_every_pe():
    trace, _ = traced(random_workload("a", (20, 30), weight_density=0.5, act_density=0.9, seed=1),
                      4, 8)
    text, left_out = timeline([trace, ("pool", 100)], 4)
    events = json.loads(text)["traceEvents"]
    slices = [event for event in events if event["ph"] == "X" and event["pid"] == 1]
    assert left_out == 0 and len(slices) == trace.begun.size
    assert sum(event["args"]["entries"] for event in slices) == trace.entries.sum()
    assert {event["args"]["name"] for event in events if event["name"] == "thread_name"} == {
        "layers", "PE 0", "PE 1", "PE 2", "PE 3"}
    layers = [event for event in events if event["ph"] == "X" and event["pid"] == 0]
    assert [(event["name"], event["ts"], event["dur"]) for event in layers] == [
        ("a", 0, trace.cycles), ("pool", trace.cycles, 100)]
    short, left_out = timeline([trace], 4, most_events=10)
    assert left_out > 0 and json.loads(short)["otherData"]["left_out"] == left_out
    assert sum(event["ph"] != "M" for event in json.loads(short)["traceEvents"]) == 10


def test_what_cannot_be_traced_is_refused(monkeypatch):
    network = openeie.load(openeie.shipped("lenet-5"))
    program = compile_network(network, preset("NET16"))
    pool = next(n for n, plan in enumerate(program.layers) if plan.local)
    assert not can_trace(program, pool) and can_trace(program, 0)
    with pytest.raises(InputError, match="channel by channel"):
        trace_layer(program, pool, np.ones((1, 1), bool))
    monkeypatch.setattr(module, "MOST", 10)
    with pytest.raises(InputError, match="at most 10 together"):
        trace_layer(program, 0, np.ones((1, network.inputs), bool))
