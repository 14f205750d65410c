# SPDX-License-Identifier: Apache-2.0
"""``fast``: its cycles and counters against the stepper, its values against ``golden``."""
import dataclasses
from concurrent.futures import Executor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import ArrayConfig
from openeie.core.array.counters import COUNTERS
from openeie.core.array.timing import Timing
from openeie.core.compile.compile import compile_network
from openeie.core.errors import EncodingError, InputError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.fast import blas, fast
from openeie.sim.fast.blas import one_blas_thread
from openeie.sim.fast.decoded import decode
from openeie.sim.fast.recurrence import Latencies, Shape, find_items, time_launches
from openeie.sim.random.cases import case
from support.stepper import step_layer

CONFIG = ArrayConfig(pes=3, queue_depth=2, encodings=("csr",))


def both(x, counts, fillers, config, outputs):
    """Cycles and counters of one launch, from ``fast`` and from the stepper."""
    x, counts, fillers = (np.asarray(array) for array in (x, counts, fillers))
    fetch = Timing(config).fetch
    stepped = step_layer(x.tolist(), counts.tolist(), fillers.tolist(), pes=config.pes,
                         queue_depth=config.queue_depth, acc_banks=config.acc_banks,
                         acc_rows=-(-outputs // config.pes), fetch=fetch)
    cycles, counters = fast.layer_cycles(fast.broadcast_items(x), counts, fillers, config=config,
                                         outputs=outputs)
    return (cycles, counters.tolist()), stepped


def random_start(rng):
    """Arguments of :func:`both`: any entries, including overloaded PEs and empty columns."""
    pes, n = int(rng.integers(1, 10)), int(rng.integers(1, 30))
    vectors = int(rng.integers(1, 5))
    density = rng.choice([0, 0.05, 0.3, 0.7, 1])
    x = (rng.random((vectors, n)) < density) * rng.integers(-5, 6, (vectors, n))
    counts = rng.integers(0, rng.choice([1, 3, 8, 20]) + 1, (n, pes))
    counts *= rng.random((n, pes)) < rng.choice([0.1, 0.5, 1])
    if rng.random() < 0.3:
        counts[:, rng.integers(pes)] *= 4
    counts[rng.random(n) < rng.choice([0, 0.3])] = 0
    fillers = (counts * rng.random((n, pes)) * 0.7).astype(int)
    config = CONFIG.replace(pes=pes, queue_depth=int(rng.choice([1, 1, 2, 3, 4, 8, 16])))
    return x, counts, fillers, config, int(rng.integers(1, 12 * pes))


@pytest.mark.parametrize("block", range(4))
def test_equals_the_stepper_on_seeded_cases(block):
    seen = np.zeros(len(COUNTERS), int)
    for seed in range(block * 600, block * 600 + 600):
        ours, stepped = both(*random_start(np.random.default_rng(seed)))
        assert ours == stepped, f"seed {seed}"
        seen += np.sum(ours[1], axis=0)
    assert seen.all(), "a counter was never compared with anything but 0"


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [2, 4, 8])
def test_clusters_equal_the_stepper(clusters):
    """Any entries, and at least one vector for each cluster."""
    seen = np.zeros(len(COUNTERS), int)
    for seed in range(300):
        rng = np.random.default_rng([clusters, seed])
        x, counts, fillers, config, outputs = random_start(rng)
        size = int(rng.integers(1, 4))
        x = np.concatenate([x] * clusters)[:int(rng.integers(clusters, 3 * clusters + 1))]
        config = config.replace(pes=size * clusters, clusters=clusters, act_depth=256,
                                operations=("linear", "conv"))
        counts, fillers = (np.tile(array, (1, config.pes))[:, :config.pes]
                           for array in (counts, fillers))
        timing, acc_rows = Timing(config), -(-outputs // size)
        stepped = step_layer(x.tolist(), counts.tolist(), fillers.tolist(), pes=config.pes,
                             queue_depth=config.queue_depth, acc_rows=acc_rows,
                             acc_banks=config.acc_banks, clusters=clusters,
                             fetch=timing.first_scan - 3, exchange=timing.exchange)
        shape = Shape(src_rows=-(-x.shape[1] // config.pes), acc_rows=acc_rows, lanes=config.pes,
                      acc_banks=config.acc_banks, queue_depth=config.queue_depth)
        parts = [np.ascontiguousarray(array.reshape(len(array), clusters, size).swapaxes(0, 1),
                                      dtype=np.int32) for array in (counts, fillers)]
        cycles, counters = time_launches(find_items(x != 0), len(x), *parts, shape,
                                         Latencies.of(timing))
        assert (int(cycles[0]), counters[0].tolist()) == stepped, f"seed {seed}"
        seen += counters[0].sum(axis=0)
    assert seen.all(), "a counter was never compared with anything but 0"


@settings(max_examples=150)
@given(data=st.data())
def test_equals_the_stepper_on_drawn_cases(data):
    pes, n = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 12))
    rows = st.lists(st.integers(0, 9), min_size=pes, max_size=pes)
    counts = data.draw(st.lists(rows, min_size=n, max_size=n))
    vector = st.lists(st.sampled_from([0, 0, 1, -1]), min_size=n, max_size=n)
    x = data.draw(st.lists(vector, min_size=1, max_size=4))
    config = CONFIG.replace(pes=pes, queue_depth=data.draw(st.integers(1, 16)),
                            acc_banks=data.draw(st.integers(1, 2)))
    ours, stepped = both(x, counts, np.array(counts) // 3, config,
                         data.draw(st.integers(1, 6 * pes)))
    assert ours == stepped


@pytest.mark.parametrize("name", Latencies._fields)
def test_every_latency_is_noticed(monkeypatch, name):
    """With one cycle more in any stage, ``fast`` disagrees with the stepper."""
    plain = Latencies.of(Timing(CONFIG))
    monkeypatch.setattr(fast.Latencies, "of", classmethod(
        lambda cls, timing: plain._replace(**{name: getattr(plain, name) + 1})))
    cases = (random_start(np.random.default_rng(seed)) for seed in range(40))
    assert any(ours != stepped for ours, stepped in (both(*start) for start in cases))


def test_one_column_by_hand():
    """One PE, one input, two entries: docs/timing.md worked out by hand."""
    config = CONFIG.replace(pes=1)
    first = Timing(config).first_scan
    cycles, counters = fast.layer_cycles(fast.broadcast_items([5]), [[2]], [[1]], config=config,
                                         outputs=3)
    # L 0, T 1, pop 2, X 3, S 4; the token: L 1, T 2, pop 3, X 4, S 4 + 2; D is one later.
    token = first + 6
    assert cycles == token + 7 + 8 * 3 + 10
    named = dict(zip(COUNTERS, counters[0].tolist()))
    assert named == {"busy": 1, "filler": 1, "empty_column": 0, "starved": first + 3 + 1 + 4,
                     "blocked": 0, "writeback": 1 + 6 + 8 * 3, "drain": 6}


def test_without_an_activation_only_the_tokens_travel():
    cycles, counters = fast.layer_cycles(fast.broadcast_items(np.zeros((2, 7))),
                                         np.ones((7, 3)), np.zeros((7, 3)), config=CONFIG,
                                         outputs=3)
    assert (counters.sum(axis=1) == cycles).all()
    assert not counters[:, :3].any()
    ours, stepped = both(np.zeros((2, 7)), np.ones((7, 3)), np.zeros((7, 3)), CONFIG, 3)
    assert ours == stepped


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_values_equal_golden(number):
    for index in range(25):
        drawn = case(11, number, index)
        run = fast.run(drawn.program, drawn.x)
        golden_outputs = golden.network(drawn.program.network, drawn.x)
        assert np.array_equal(run.outputs, golden_outputs[-1])
        for plan, layer in zip(drawn.program.tiles, run.tiles, strict=True):
            outputs = plan.part.cut(golden_outputs[plan.layer])
            assert np.array_equal(layer.outputs, outputs), drawn.command
            assert (layer.counters.sum(axis=2) == layer.cycles[:, np.newaxis]).all()
            assert layer.counters.min() >= 0


def small_program(vectors=1):
    """A program of two layers with every kind of column."""
    rng = np.random.default_rng(5)
    codes = [rng.integers(0, 4, (9, 14)), rng.integers(0, 4, (5, 9))]
    return compile_network(Network(name="small", layers=tuple(
        Linear(name=f"fc{k}", weights=SparseWeights.from_codes(code, [0, 7, -3, 100]),
               bias=np.arange(len(code)), multiplier=np.full(len(code), 1000),
               shift=np.full(len(code), 12)) for k, code in enumerate(codes))),
        ArrayConfig(), vectors=vectors)


def test_jobs_and_decoding_once_change_nothing():
    program = small_program(vectors=2)
    x = np.random.default_rng(6).integers(-9, 9, (1400, 14))
    one = fast.run(program, x)
    assert one.tiles[0].cycles.shape == (700,)
    one.compare(fast.run(program, x, jobs=2))
    one.compare(fast.run(program, x, tiles=decode(program)))


class Late(Executor):
    """Does nothing before the result is asked for, as a thread may that gets no processor."""

    def submit(self, call, /, *arguments):
        return SimpleNamespace(result=lambda: call(*arguments))


@pytest.mark.parametrize("number", range(4))
def test_times_may_come_late(monkeypatch, number):
    """When the maps that a tile has read are long overwritten."""
    drawn = [case(47, number, index) for index in range(6)]
    runs = [fast.run(one.program, one.x) for one in drawn]
    monkeypatch.setattr(fast, "_timers", lambda jobs: Late())
    for one, run in zip(drawn, runs):
        run.compare(fast.run(one.program, one.x))


def test_blas_has_its_threads_again_after_runs_that_overlap():
    def threads():
        libraries = blas._controller().select(user_api="blas").info()
        return [library["num_threads"] for library in libraries]
    before = threads()
    one, other = one_blas_thread(), one_blas_thread()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert set(threads()) <= {1}
    other.__exit__(None, None, None)
    assert threads() == before


def test_cycles_are_those_of_the_layer_alone():
    program = small_program()
    x = np.random.default_rng(6).integers(-9, 9, 14)
    run = fast.run(program, x)
    for plan, layer, acts in zip(program.tiles, run.tiles, (x, run.tiles[0].outputs[0])):
        cycles, counters = fast.layer_cycles(
            fast.broadcast_items(acts), plan.entry_count.T, plan.filler_count.T,
            config=program.config, outputs=plan.outputs)
        assert cycles == layer.cycles[0]
        assert np.array_equal(counters, layer.counters[0])


def test_an_empty_batch_is_an_empty_run():
    run = fast.run(small_program(), np.zeros((0, 14), int))
    assert run.outputs.shape == (0, 5)
    assert run.cycles.shape == (0,)


def test_what_it_refuses():
    program = small_program(vectors=2)
    with pytest.raises(InputError, match="must be a multiple of 2, not 3"):
        fast.run(program, np.zeros((3, 14), int))
    with pytest.raises(InputError, match=r"shape \[n, 3\], not \[4, 2\]"):
        fast.layer_cycles([-1], np.zeros((4, 2)), np.zeros((4, 2)), config=CONFIG, outputs=1)
    for items in ([], [0], [4, -1], [-2, -1]):
        with pytest.raises(InputError, match="columns below 4"):
            fast.layer_cycles(items, np.zeros((4, 3)), np.zeros((4, 3)), config=CONFIG, outputs=1)


def test_an_entry_beyond_the_last_row_is_an_error():
    program = small_program()
    entries = program.entries.copy()
    entries[0, 0] |= np.uint64(0xE)             # the first run grows far beyond 9 rows
    with pytest.raises(EncodingError, match="layer fc0: the image holds an entry of row"):
        fast.run(dataclasses.replace(program, entries=entries), np.ones((1, 14), int))
