# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles: exact for what was drawn, never above the worst case, measured if asked."""
import numpy as np
import pytest
from networks import CONFIG, branched, read_by
from openeie.core.compile import compile_network
from openeie.core.errors import InputError
from openeie.core.graph import Network
from openeie.sim import fast
from openeie.sim.dense import dense_cycles
from openeie.sim.predict import measure, predict
from openeie.sim.random_layers import case


def test_it_is_the_time_of_the_activations_it_drew(rng):
    """The first layer's are the network's input, so ``fast`` can run them."""
    network = branched(rng)
    program = compile_network(network, CONFIG, vectors=2)
    drawn = np.random.default_rng([7, 0]).random((2, network.inputs)) < 0.3
    run = fast.run(program, drawn.astype(int))
    first = predict(program, density=0.9, input_density=0.3, seed=7)[0]
    assert (first.name, first.cycles) == ("narrow", run.layers[0].cycles[0])
    assert first.utilisation == run.layers[0].utilisation
    assert first.density == drawn.mean()
    assert first.dense_cycles == dense_cycles(program, 0)


def test_a_seed_fixes_it_and_another_changes_it(rng):
    program = compile_network(branched(rng), CONFIG)
    assert predict(program) == predict(program, density=0.5, input_density=0.5, seed=1)
    assert predict(program) != predict(program, seed=2)


@pytest.mark.parametrize("number", range(6))
def test_no_input_takes_longer_than_density_1(number):
    for index in range(10):
        drawn = case(32, number, index)
        run = fast.run(drawn.program, drawn.x)
        for worst, layer in zip(predict(drawn.program, density=1), run.layers):
            assert worst.density == 1
            assert layer.cycles.max() <= worst.cycles, drawn.command


def test_density_0_sends_only_tokens_where_nothing_pools(rng):
    for prediction, plan in zip(predict(compile_network(branched(rng), CONFIG), density=0),
                                compile_network(branched(rng), CONFIG).layers):
        assert (prediction.utilisation == 0) == (not plan.local)


def test_measured_is_the_mean_of_the_run(rng):
    network = branched(rng)
    program = compile_network(network, CONFIG, vectors=2)
    x = rng.integers(-3, 4, (8, network.inputs))
    run = fast.run(program, x)
    for ours, layer, read in zip(measure(program, x), run.layers, read_by(network, x, run)):
        assert ours.cycles == layer.cycles.mean()
        assert ours.utilisation == layer.utilisation
        assert ours.density == np.count_nonzero(read) / read.size


def test_what_it_refuses(rng):
    network = branched(rng)
    program = compile_network(Network(name="one", layers=network.layers[:1]), CONFIG)
    with pytest.raises(InputError, match=r"^density must be in 0 .. 1, not 1.5"):
        predict(program, density=1.5)
    with pytest.raises(InputError, match=r"input_density must be in 0 .. 1, not nan"):
        predict(program, input_density=float("nan"))
    with pytest.raises(InputError, match="seed must not be negative, not -1"):
        predict(program, seed=-1)
    with pytest.raises(InputError, match="at least one input, not 0"):
        measure(program, np.zeros((0, network.inputs), int))
