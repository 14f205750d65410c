# SPDX-License-Identifier: Apache-2.0
"""A workload's cycles are those of the engines, and its entries those of the encoder."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from openeie.core.array.config import preset
from openeie.core.compile.compile import compile_network
from openeie.core.entries.encoding import encode_entries, pack_fixed
from openeie.core.errors import InputError
from openeie.sim.fast import fast
from openeie.sim.study.energy import EVENT_PJ, energy, events, word_pj, words_read
from openeie.sim.study.workload import Workload, occupancy, random_workload


@st.composite
def workloads(draw, most=60):
    shape = draw(st.tuples(st.integers(1, most), st.integers(1, most)))
    return random_workload("any", shape, weight_density=draw(st.floats(0, 1)),
                           act_density=draw(st.floats(0, 1)), seed=draw(st.integers(0, 999)),
                           vectors=draw(st.integers(1, 3)))


@given(workloads(), st.integers(1, 12), st.integers(1, 8))
def test_occupancy_is_the_encoders(layer, pes, run_width):
    counts, fillers = occupancy(layer.weights, pes, run_width)
    entries = encode_entries(layer.weights, pes, (1 << run_width) - 1)
    assert np.array_equal(counts.T, entries.count)
    assert np.array_equal(fillers.T, entries.filler_count)


@settings(max_examples=30, deadline=None)
@given(workloads(), st.integers(1, 8), st.integers(1, 9))
def test_time_is_that_of_fast(layer, pes, queue_depth):
    config = preset("EIE16").replace(pes=pes, queue_depth=queue_depth, act_depth=1 << 10,
                                     acc_depth=1 << 10, channel_depth=1 << 10)
    program = compile_network(layer.network(), config, vectors=len(layer.acts))
    run, time = fast.run(program, layer.acts), layer.time(config)
    assert time.cycles == run.cycles[0]
    assert np.array_equal(time.counters, run.tiles[0].counters[0])


@given(workloads(), st.integers(1, 6), st.sampled_from([16, 32, 64]))
def test_words_read_are_the_packed_ones(layer, pes, width):
    """Against a walk through the packed pointers, column by column."""
    config = preset("EIE16").replace(pes=pes, word_width=width, entry_depth=1 << 14,
                                     encodings=("codebook",))
    time = layer.time(config)
    entries = encode_entries(layer.weights, pes, config.max_run)
    _, pointers = pack_fixed(config, "codebook", entries)
    place = pointers & (1 << config.place_width) - 1
    slot = (pointers >> config.place_width).astype(int) * config.slots("codebook") + place
    reads, held = 0, [None] * pes
    for column in time.columns:
        for pe in range(pes):
            for at in range(slot[pe, column], slot[pe, column + 1]):
                word = at // config.slots("codebook")
                reads += word != held[pe]
                held[pe] = word
    assert words_read(time) == reads


def test_energy_of_a_pe_that_never_waits_is_table_iis():
    """64-bit words full of entries, a column of 8 in each: the power of Table II at 800 MHz."""
    layer = random_workload("full", (8, 512), weight_density=1, act_density=1, seed=0)
    time = layer.time(preset("EIE64").replace(pes=1, acc_depth=8))
    assert events(time) == {"queue": 512, "pointers": 512, "entries": 512, "arithmetic": 4096,
                            "accumulators": 4096}
    power = sum(energy(time).by_unit[unit] for unit in EVENT_PJ) / time.least_cycles * 800 * 1e-3
    assert power == pytest.approx(0.112 + 1.807 + 4.955 + 1.162 + 1.122)
    assert word_pj(512) == pytest.approx(180)


@pytest.mark.parametrize("acts, message", [
    (np.ones(4, int), r"its 5 columns need activations \[5\] or \[vectors, 5\], not \[4\]"),
    (np.ones((2, 2, 5), int), r"not \[2, 2, 5\]"), (np.ones((0, 5), int), r"not \[0, 5\]"),
    (np.ones(5), "activations must be integers, not float64")])
def test_activations_that_do_not_fit_are_refused(acts, message):
    weights = random_workload("w", (3, 5), weight_density=.5, act_density=1, seed=0).weights
    with pytest.raises(InputError, match=message):
        Workload(name="w", weights=weights, acts=acts)


def test_densities_are_shares():
    with pytest.raises(InputError, match="weight_density must be in 0 .. 1, not 9"):
        random_workload("w", (3, 5), weight_density=9, act_density=1, seed=0)
    with pytest.raises(InputError, match="act_density"):
        random_workload("w", (3, 5), weight_density=1, act_density=float("nan"), seed=0)


@given(hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
                  elements=st.floats(-1e300, 1e300, allow_subnormal=False)))
def test_floats_are_scaled_and_none_is_lost(weights):
    n = weights.shape[1]
    layer = Workload.from_dense(weights, np.linspace(0, 1, n))
    ours = layer.weights.dense()
    assert np.array_equal(ours != 0, weights != 0)
    assert np.array_equal(np.sign(ours), np.sign(weights))
    assert np.abs(ours).max() == 32767 * weights.any()
    assert np.array_equal(layer.acts[0] != 0, np.linspace(0, 1, n) != 0)
    assert (layer.weights.codebook is None) == (len(np.setdiff1d(ours, 0)) > 15)


@given(hnp.arrays(np.int64, (7, 5), elements=st.integers(-32768, 32767)))
def test_integers_stay_and_run_as_a_network(weights):
    layer = Workload.from_dense(weights, np.arange(5), name="mine")
    assert np.array_equal(layer.weights.dense(), weights) and layer.name == "mine"
    config = preset("EIE64").replace(pes=3)
    run = fast.run(compile_network(layer.network(), config), layer.acts)
    assert run.cycles[0] == layer.time(config).cycles


@pytest.mark.parametrize("weights, acts, message", [
    ([1, 2], [1], r"weights must be \[m, n\], not \[2\]"),
    (np.ones((0, 3)), np.ones(3), r"weights must be \[m, n\], not \[0, 3\]"),
    ([[1.0, np.inf]], [1, 1], r"weights must be finite; \[0, 1\] is inf"),
    ([[1, 2]], [1, 40_000], r"activations must be in -32768 .. 32767; \[1\] is 40000"),
    ([[1, -32_769]], [1, 1], r"weights must be in -32768 .. 32767; \[0, 1\] is -32769"),
    ([["a", "b"]], [1, 1], "weights must be integers or floats, not <U1"),
    ([[1, 2]], [1, 1, 1], r"its 2 columns need activations")])
def test_arrays_that_are_no_layer_are_refused(weights, acts, message):
    with pytest.raises(InputError, match=message):
        Workload.from_dense(weights, acts)
