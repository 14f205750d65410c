# SPDX-License-Identifier: Apache-2.0
"""The compiled loops of ``fast`` against the same in NumPy, and how they are compiled."""
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.array.config import ArrayConfig
from openeie.core.array.counters import COUNTERS
from openeie.core.array.timing import Timing
from openeie.sim.fast import fast, recurrence, recurrence_in_numpy, values
from openeie.sim.fast.native import build as native_build
from openeie.sim.fast.native.library import library
from openeie.sim.fast.recurrence import TOKEN, Latencies, Shape, find_items, time_launches
from openeie.sim.fast.recurrence_state import Log
from openeie.sim.random.cases import case
from openeie.sim.study import authors, energy, workload

CONFIG = ArrayConfig(pes=4, encodings=("csr",))


@pytest.fixture
def without_compiler(monkeypatch):
    """As on a machine that has none."""
    def nothing():
        return None
    from openeie.sim.fast import decoded, entry_columns, values
    for module in (recurrence, decoded, entry_columns, values, workload, authors, energy):
        monkeypatch.setattr(module, "library", nothing)


def one_launch():
    """Two columns for each of three vectors on two PEs, worked out in docs/timing.md's terms."""
    is_set = np.array([[1, 1], [0, 1], [0, 0]], bool)
    counts = np.array([[[2, 0], [1, 3]]], np.int32)
    shape = Shape(src_rows=1, acc_rows=1, queue_depth=2, acc_banks=2, lanes=2)
    return find_items(is_set), 3, counts, np.zeros_like(counts), shape, Latencies.of(Timing(CONFIG))


def test_a_launch_by_hand():
    items, *rest = one_launch()
    assert items.tolist() == [0, 1, TOKEN, 1, TOKEN, TOKEN]
    cycles, counters = time_launches(items, *rest)
    by_numpy = recurrence_in_numpy.launch(items, *rest)
    assert cycles.tolist() == [by_numpy[0]] == [74]
    # Entries 2 + 1 + 1 and 0 + 3 + 3; PE 1 has none in the first column.
    assert counters[0, :, COUNTERS.index("busy")].tolist() == [4, 6]
    assert counters[0, :, COUNTERS.index("empty_column")].tolist() == [0, 1]
    assert np.array_equal(counters[0], by_numpy[1])


@st.composite
def launches(draw):
    """Arguments of :func:`time_launches` for several launches, and their number."""
    clusters = draw(st.sampled_from([1, 1, 2, 4]))
    pes = draw(st.integers(1, 20))
    n = draw(st.integers(1, 30))
    count = draw(st.integers(1, 3))
    vectors = draw(st.integers(clusters, clusters + 4))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    is_set = rng.random((count * vectors, n)) < draw(st.sampled_from([0, 0.1, 0.5, 1]))
    most = draw(st.sampled_from([1, 3, 20, 300]))
    counts = rng.integers(0, most + 1, (clusters, n, pes), dtype=np.int32)
    counts *= rng.random(counts.shape) < draw(st.sampled_from([0.1, 0.5, 1]))
    fillers = (counts * rng.random(counts.shape) * 0.7).astype(np.int32)
    lanes = draw(st.sampled_from([1, pes * clusters]))
    shape = Shape(src_rows=-(-n // lanes), acc_rows=draw(st.integers(1, 9)), lanes=lanes,
                  queue_depth=draw(st.integers(1, 16)), acc_banks=draw(st.integers(1, 2)))
    return count, (find_items(is_set), vectors, counts, fillers, shape,
                   Latencies.of(Timing(CONFIG)))


@settings(max_examples=250)
@given(drawn=launches())
def test_launches_equal_numpy(drawn):
    count, arguments = drawn
    items, vectors, *rest = arguments
    ours = time_launches(*arguments, launches=count)
    ends = np.flatnonzero(items == TOKEN)[vectors - 1::vectors] + 1
    for number, mine in enumerate(np.split(items, ends[:-1])):
        cycles, counters = recurrence_in_numpy.launch(mine, vectors, *rest)
        assert ours.cycles[number] == cycles
        assert np.array_equal(ours.counters[number], counters)
    timing_only = time_launches(*arguments, launches=count, counted=False)
    assert np.array_equal(timing_only.cycles, ours.cycles) and timing_only.counters is None


@settings(max_examples=60)
@given(drawn=launches())
def test_logs_equal_numpy(drawn):
    _, (items, vectors, counts, *rest) = drawn
    items = items[:np.flatnonzero(items == TOKEN)[vectors - 1] + 1]
    clusters, _, pes = counts.shape
    cluster = (np.cumsum(items == TOKEN) - (items == TOKEN)) % clusters
    mine = [np.flatnonzero(cluster == number) for number in range(clusters)]
    numbers = np.zeros((clusters, max(map(len, mine))), np.int64)
    for row, taken in zip(numbers, mine):
        row[:len(taken)] = taken

    def empty():
        return Log(numbers, *np.zeros((2, len(items)), np.int32),
                   *np.zeros((3, len(items), pes), np.int32))
    ours, numpys = empty(), empty()
    time_launches(items, vectors, counts, *rest, log=ours)
    recurrence_in_numpy.launch(items, vectors, counts, *rest, numpys)
    for name, one, other in zip(Log._fields, ours, numpys):
        assert np.array_equal(one, other), name


@pytest.mark.parametrize("work", [(1 << 28) - 1, 1 << 28, (1 << 31) - 1])
@pytest.mark.parametrize("columns", [1, 5, 40])
def test_where_32_bits_are_too_few(work, columns):
    """Cycles up to 2**36: the 32-bit loop notices, and the 64-bit loop answers."""
    counts = np.full((1, columns, 2), work, np.int32)
    counts[..., 1] = 1
    shape = Shape(src_rows=1, acc_rows=3, queue_depth=2, acc_banks=1, lanes=columns)
    arguments = (find_items(np.ones((2, columns), bool)), 2, counts, np.zeros_like(counts), shape,
                 Latencies.of(Timing(CONFIG)))
    cycles, counters = time_launches(*arguments)
    expected, by_numpy = recurrence_in_numpy.launch(*arguments)
    assert cycles[0] == expected > 2 * columns * work
    assert np.array_equal(counters[0], by_numpy)


def test_many_rows_of_accumulators_are_too_many_for_32_bits():
    shape = Shape(src_rows=1, acc_rows=1 << 30, queue_depth=2, acc_banks=2, lanes=2)
    items, vectors, counts, fillers, _, lat = one_launch()
    cycles, counters = time_launches(items, vectors, counts, fillers, shape, lat)
    expected, by_numpy = recurrence_in_numpy.launch(items, vectors, counts, fillers, shape, lat)
    assert cycles[0] == expected > 3 << 33
    assert np.array_equal(counters[0], by_numpy)


@pytest.mark.parametrize("number", range(6))
def test_runs_without_a_compiler_are_the_same(without_compiler, monkeypatch, number):
    for index in range(3):
        drawn = case(43, number, index)
        slow = fast.run(drawn.program, drawn.x)
        with monkeypatch.context() as here:
            for module in ("recurrence", "decoded", "entry_columns", "values"):
                here.setattr(f"openeie.sim.fast.{module}.library", library)
            quick = fast.run(drawn.program, drawn.x)
        assert quick.compare(slow) > 0, drawn.command


@settings(max_examples=80)
@given(m=st.integers(1, 90), n=st.integers(1, 20), pes=st.integers(1, 9),
       run_width=st.integers(1, 6), density=st.sampled_from([0.02, 0.3, 1]),
       seed=st.integers(0, 1000))
def test_entries_counted_without_a_compiler(m, n, pes, run_width, density, seed):
    layer = workload.random_workload("w", (m, n), weight_density=density, act_density=0.5,
                                     seed=seed)
    ours = workload.occupancy(layer.weights, pes, run_width)
    numpys = workload._occupancy_in_numpy(layer.weights, pes, run_width)
    assert all(np.array_equal(*pair) for pair in zip(ours, numpys))


@settings(max_examples=80)
@given(n=st.integers(1, 60), pes=st.integers(1, 9), usable=st.integers(1, 8),
       seed=st.integers(0, 1000))
def test_the_authors_timing_without_a_compiler(n, pes, usable, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (n, pes), dtype=np.int32)
    columns = np.flatnonzero(rng.random(n) < 0.7).astype(np.int32)
    if len(columns):
        assert authors._cycles(columns, counts, usable) \
            == authors._cycles_in_numpy(columns, counts, usable)


@settings(max_examples=80)
@given(n=st.integers(1, 40), pes=st.integers(1, 9), slots=st.integers(1, 8),
       vectors=st.integers(1, 3), seed=st.integers(0, 1000))
def test_words_read_without_a_compiler(n, pes, slots, vectors, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (n, pes), dtype=np.int32)
    columns = np.nonzero(rng.random((vectors, n)) < 0.6)[1].astype(np.int32)
    assert energy._words(columns, counts, slots) \
        == energy._words_in_numpy(columns, counts, slots)


RUN = """
import numpy as np, openeie
layer = openeie.Linear(name="fc", weights=openeie.SparseWeights.from_dense(np.eye(4, dtype=int)),
                       bias=np.zeros(4, int), multiplier=np.full(4, 1), shift=np.zeros(4, int),
                       encoding="csr")
network = openeie.Network(name="one", layers=(layer,))
run = openeie.simulate(network, np.array([[1, 2, 0, 4]]), config="TINY")
assert run.outputs.tolist() == [[1, 2, 0, 4]], run.outputs
"""


def start(tmp_path, **variables):
    """A new process that runs a network, with its own cache and these variables."""
    return subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True,
                          env=os.environ | {"OPENEIE_CACHE": str(tmp_path)} | variables)


def test_it_is_compiled_once_and_kept(tmp_path):
    assert start(tmp_path).stderr == ""
    kept, = (tmp_path / "fast").rglob("*.so")
    before = kept.stat()
    assert start(tmp_path).stderr == ""
    assert list((tmp_path / "fast").rglob("*.so")) == [kept] and kept.stat() == before


def test_a_library_that_does_not_load_is_told(tmp_path):
    start(tmp_path)
    kept, = (tmp_path / "fast").rglob("*.so")
    kept.write_bytes(b"of another machine")
    line, = start(tmp_path).stderr.splitlines()
    assert f"remove {kept.parent}" in line and "NumPy" in line


@pytest.mark.parametrize(("compiler", "said"), [
    ("none-such", "no C++ compiler 'none-such' on PATH"), ("false", "false failed with exit code")])
def test_without_a_compiler_it_says_so_and_runs(tmp_path, compiler, said):
    done = start(tmp_path, CXX=compiler)
    line, = done.stderr.splitlines()
    assert line.startswith("warning: the engine fast runs in NumPy, many times slower: ")
    assert said in line
    assert not list(tmp_path.rglob("*.so"))


def test_another_source_processor_or_compiler_is_another_library(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    made = []
    monkeypatch.setattr(native_build, "_compile", lambda command: made.append(
        open(command[-1], "w").close()))
    builds = [native_build.build()]
    assert native_build.build() == builds[0] and len(made) == 1
    monkeypatch.setattr(native_build, "_processor_flags", lambda: "flags : another")
    builds.append(native_build.build())
    monkeypatch.setattr(native_build, "toolchain_texts", lambda: ["another C library"])
    builds.append(native_build.build())
    source = tmp_path / "loop.cpp"
    source.write_text("// another\n")
    monkeypatch.setattr(native_build, "_SOURCES", [source])
    builds.append(native_build.build())
    assert len(set(builds)) == len(made) == 4


def test_a_matrix_too_large_to_be_dense_goes_by_blocks(without_compiler, monkeypatch):
    drawn = case(43, 0, 1)
    one = fast.run(drawn.program, drawn.x)
    monkeypatch.setattr(values, "_DENSE_VECTORS", 1 << 30)
    monkeypatch.setattr(values, "_BLOCK_CELLS", 40)
    assert one.compare(fast.run(drawn.program, drawn.x)) > 0
