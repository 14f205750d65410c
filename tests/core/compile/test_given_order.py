# SPDX-License-Identifier: Apache-2.0
"""A balanced program's run, put back into the order of the network that was given."""
import dataclasses

import numpy as np
import openeie
import pytest
from openeie.core import golden
from openeie.core.compile.automatic import compile_for
from openeie.core.compile.given_order import in_given_order
from openeie.core.network.graph import Linear
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.engines import simulate
from openeie.sim.fast.predict import seen_in, timed
from support.networks import CONFIG, branched, read_by

#: Few PEs, so that each has several channels to swap.
WHOLE = CONFIG.replace(pes=2)
#: Slices of few channels.
TILED = WHOLE.replace(acc_depth=2)


def sparse(rng):
    """The network of every kind of layer, with rows of very different weights."""
    network = branched(rng)
    layers = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            dense = layer.weights.dense()
            kept = rng.random(dense.shape) < rng.random((len(dense), 1))
            layer = dataclasses.replace(layer, encoding="csr",
                                        weights=SparseWeights.from_dense(dense * kept))
        layers.append(layer)
    return dataclasses.replace(network, layers=tuple(layers))


def program_and_inputs(rng, config, **options):
    network = sparse(rng)
    return (network, compile_for(network, config, **options),
            rng.integers(-3, 4, (4, network.inputs)))


@pytest.mark.parametrize("engine", ["golden", "fast"])
@pytest.mark.parametrize("config", [WHOLE, TILED], ids=["whole", "tiled"])
def test_all_outputs_are_those_of_the_network_as_it_is(rng, engine, config):
    network, program, x = program_and_inputs(rng, config, vectors=2)
    assert (len(program.tiles) > len(network.layers)) == (config is TILED)
    run = simulate(program, x, engine)
    given = in_given_order(program, run)
    plain = simulate(compile_for(network, config, vectors=2, balance=False), x, engine)
    moved = 0
    for ours, before, theirs in zip(given.layers, run.layers, plain.layers, strict=True):
        assert np.array_equal(ours.outputs, theirs.outputs), ours.name
        moved += not np.array_equal(before.outputs, theirs.outputs)
        if engine == "fast":
            assert ours.cycles is before.cycles or np.array_equal(ours.cycles, before.cycles)
    assert moved >= 3                       # otherwise nothing was put back


def test_a_program_that_is_not_balanced_keeps_its_run(rng):
    _, program, x = program_and_inputs(rng, WHOLE, balance=False)
    run = simulate(program, x, "fast")
    assert in_given_order(program, run) is run


def test_a_run_of_no_inputs_stays_one(rng):
    _, program, x = program_and_inputs(rng, WHOLE)
    run = simulate(program, x[:0], "fast")
    given = in_given_order(program, run)
    assert [layer.outputs.shape for layer in given.layers] == [
        layer.outputs.shape for layer in run.layers] and not len(given.outputs)


def test_simulate_gives_the_layers_as_the_network_has_them(rng):
    """Of a program, they are the program's."""
    network, program, x = program_and_inputs(rng, WHOLE)
    truth = golden.network(network, x)
    run = openeie.simulate(network, x, config=WHOLE)
    for layer, outputs in zip(run.layers, truth, strict=True):
        assert np.array_equal(layer.outputs, outputs)
    own = openeie.simulate(program, x)
    assert np.array_equal(own.outputs, run.outputs)
    assert any(not np.array_equal(one.outputs, outputs)
               for one, outputs in zip(own.layers, truth))


@pytest.mark.parametrize("config", [WHOLE, TILED], ids=["whole", "tiled"])
@pytest.mark.parametrize("vectors", [1, 2])
def test_the_activations_of_a_run_give_its_cycles(rng, config, vectors):
    """Also those of another program of the same network, whose channels lie elsewhere."""
    network, program, x = program_and_inputs(rng, config, vectors=vectors)
    run = simulate(program, x, "fast")
    present = seen_in(program, run, x)
    for number, acts in enumerate(read_by(network, x, in_given_order(program, run))):
        assert np.array_equal(present(number), acts != 0)
    for time, tile in zip(timed(program, present), run.tiles, strict=True):
        assert time.cycles == tile.cycles.mean() and time.utilisation == tile.utilisation
    other = compile_for(network, config.replace(pes=3), balance=False)
    theirs = simulate(other, x, "fast")
    for time, tile in zip(timed(other, present), theirs.tiles, strict=True):
        assert time.cycles == tile.cycles.mean()


def test_activations_in_another_order_give_other_cycles(rng):
    """So the test above can fail."""
    network, program, x = program_and_inputs(rng, WHOLE)
    seen = seen_in(program, simulate(program, x, "fast"), x)

    def present(number):
        """A third of them, which single columns decide."""
        acts = seen(number)
        return acts & (np.random.default_rng(number).random(acts.shape) < 1 / 3)
    unbalanced = dataclasses.replace(program, choices=type(program.choices)())
    assert timed(program, present) != timed(unbalanced, present)
