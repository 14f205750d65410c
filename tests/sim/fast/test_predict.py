# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles: exact for the drawn activations, never above the worst case, or measured."""
import dataclasses

import numpy as np
import openeie
import pytest
from openeie.core.array.config import preset
from openeie.core.artefact.artefact import load
from openeie.core.compile.compile import compile_network
from openeie.core.errors import InputError
from openeie.core.network.graph import Network
from openeie.sim.fast import fast
from openeie.sim.fast.dense import dense_cycles
from openeie.sim.fast.predict import measure, predict
from openeie.sim.random.cases import case
from openeie.sw.data.mnist import demo_images
from support.networks import CONFIG, branched, read_by


def test_it_is_the_time_of_the_activations_it_drew(rng):
    """The first layer's activations are the network's input, so ``fast`` can run them."""
    network = branched(rng)
    program = compile_network(network, CONFIG, vectors=2)
    drawn = np.random.default_rng([7, 0]).random((2, network.inputs)) < 0.3
    run = fast.run(program, drawn.astype(int))
    first = predict(program, density=0.9, input_density=0.3, seed=7)[0]
    assert (first.name, first.cycles) == ("narrow", run.tiles[0].cycles[0])
    assert first.utilisation == run.tiles[0].utilisation
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
        for worst, layer in zip(predict(drawn.program, density=1), run.tiles):
            assert worst.density == 1
            assert layer.cycles.max() <= worst.cycles, drawn.command


def with_relu(network):
    return dataclasses.replace(network, layers=tuple(
        dataclasses.replace(layer, relu=True) for layer in network.layers))


def test_density_0_sends_only_tokens_where_nothing_pools(rng):
    program = compile_network(with_relu(branched(rng)), CONFIG)
    for prediction, plan in zip(predict(program, density=0), program.tiles):
        assert (prediction.utilisation == 0) == (not plan.local)


def test_only_a_relu_makes_zeros(rng):
    """Two of six layers have a ReLU: only their outputs, and a max pool over them, have zeros."""
    network = branched(rng)
    network = dataclasses.replace(network, layers=tuple(
        dataclasses.replace(layer, relu=layer.name in ("narrow", "left"))
        for layer in network.layers))
    program = compile_network(network, CONFIG)
    found = {one.name: one.density for one in predict(program, density=0, input_density=0.4)}
    assert 0.2 < found.pop("narrow") < 0.6                      # the input's
    assert found == {"left": 0, "right": 0, "largest": 6 / 13,  # left, and right without a ReLU
                     "mean": 6 / 13, "last": 1}                 # largest's; a sum's


def test_a_forecast_of_lenet_5_is_near_the_truth():
    """Its convolutions have no ReLU: at a density of all maps it was a third too low."""
    program = compile_network(load(openeie.shipped("lenet-5")), preset("NET16"))
    x, _ = demo_images()
    truth = measure(program, x[:20])
    share = float(np.count_nonzero(x[:20]) / x[:20].size)
    drawn = predict(program, density=truth[-1].density, input_density=share)
    assert sum(one.cycles for one in drawn) == pytest.approx(
        sum(one.cycles for one in truth), rel=0.1)


def test_measured_is_the_mean_of_the_run(rng):
    network = branched(rng)
    program = compile_network(network, CONFIG, vectors=2)
    x = rng.integers(-3, 4, (8, network.inputs))
    run = fast.run(program, x)
    for ours, layer, read in zip(measure(program, x), run.tiles, read_by(network, x, run)):
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
