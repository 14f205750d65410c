# SPDX-License-Identifier: Apache-2.0
"""A layer's cycles from its non-zero activations, and those of a dense run, against ``fast``."""
import dataclasses

from support import maps
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.fast import fast
from openeie.sim.fast.dense import dense_cycles
from openeie.sim.fast.layer_time import map_items, plan_cycles, plan_entries
from openeie.sim.random.cases import case
from support.networks import CONFIG, branched, read_by, without_zeros


def dense_run(network, config, vectors, clustered=None):
    """Cycles of each layer when ``fast`` really runs its shape without any zero."""
    full = without_zeros(network)
    run = fast.run(compile_network(full, config, vectors=vectors, encoding="csr",
                                   clustered=clustered), np.ones((vectors, full.inputs), int))
    for layer in run.tiles[:-1]:
        assert layer.outputs.all(), "an activation of the dense run is zero"
    return [int(layer.cycles[0]) for layer in run.tiles]


def dense(network, config, vectors, clustered=None):
    """The same, predicted from the network with its zeros."""
    program = compile_network(network, config, vectors=vectors, encoding="csr",
                              clustered=clustered)
    return [dense_cycles(program, number) for number in range(len(program.tiles))]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(8))
def test_time_from_the_map_equals_fast(number):
    for index in range(12):
        drawn = case(31, number, index)
        program, vectors = drawn.program, drawn.program.vectors
        run = fast.run(program, drawn.x)
        reads = read_by(program.network, drawn.x, run)
        for k, plan in enumerate(program.tiles):
            read = reads[plan.layer]
            for start, cycles in enumerate(run.tiles[k].cycles):
                present = read[start * vectors:(start + 1) * vectors] != 0
                ours, counters = plan_cycles(
                    plan, program.config, map_items(program, k, present),
                    *plan_entries(plan, program.config))
                assert ours == cycles, f"{drawn.command}: {plan.name}"
                assert np.array_equal(counters, run.tiles[k].counters[start]), drawn.command


@settings(max_examples=60)
@given(window=maps.windows(), m=st.integers(1, 20), pes=st.integers(1, 7),
       queue=st.integers(1, 9), banks=st.integers(1, 2), vectors=st.integers(1, 3))
def test_dense_cycles_of_a_convolution_equal_a_dense_run(window, m, pes, queue, banks, vectors):
    network = Network(name="one", layers=(maps.layer(np.random.default_rng(m), window, m),))
    config = CONFIG.replace(pes=pes, queue_depth=queue, acc_banks=banks)
    assert dense(network, config, vectors) == dense_run(network, config, vectors)


@pytest.mark.parametrize("pes", [1, 2, 3, 5, 8, 40])
def test_dense_cycles_of_a_network_equal_a_dense_run(pes, rng):
    network = branched(rng)
    for vectors in (1, 2):
        config = CONFIG.replace(pes=pes)
        assert dense(network, config, vectors) == dense_run(network, config, vectors)


@pytest.mark.parametrize(("pes", "clusters"), [(2, 2), (6, 2), (8, 4), (24, 8)])
def test_dense_cycles_of_clusters_equal_a_dense_run(pes, clusters, rng):
    network = branched(rng)
    for vectors in (1, 2, 9):
        config = CONFIG.replace(pes=pes, clusters=clusters)
        for clustered in (True, False):
            ours = dense(network, config, vectors, clustered)
            assert ours == dense_run(network, config, vectors, clustered)


def test_dense_cycles_without_convolutions_in_the_array(rng):
    drawn = case(31, 0, 0)
    network = dataclasses.replace(branched(rng).layers[-1], sources=())
    config = drawn.program.config.replace(
        **{name: getattr(CONFIG, name) for name in ("entry_depth", "pointer_depth", "act_depth")},
        clusters=1, operations=("linear",), encodings=("csr",), acc_width=48)
    network = Network(name="one", layers=(network,), act_width=config.act_width)
    assert dense(network, config, 2) == dense_run(network, config, 2)


def test_a_pool_run_dense_is_the_pool(rng):
    network = branched(rng)
    program = compile_network(network, CONFIG)
    run = fast.run(program, rng.integers(-9, 9, (1, network.inputs)))
    for number in (3, 4):
        assert program.tiles[number].local
        assert dense_cycles(program, number) == run.tiles[number].cycles[0]


def test_one_weight_less_is_noticed(rng):
    """The comparison above fails if the dense network has a single zero weight."""
    layer = maps.layer(rng, maps.Window(height=1, width=1, channels=30), 6)
    network = Network(name="one", layers=(layer,))
    config = CONFIG.replace(pes=1)
    weights = np.ones((6, 30), int)
    weights[2, 17] = 0
    full = without_zeros(network)
    holed = dataclasses.replace(full, layers=(dataclasses.replace(
        full.layers[0], weights=SparseWeights.from_dense(weights)),))
    run = fast.run(compile_network(holed, config), np.ones((1, 30), int))
    assert dense(network, config, 1) == dense_run(network, config, 1) \
        == [int(run.cycles[0]) + 1]
