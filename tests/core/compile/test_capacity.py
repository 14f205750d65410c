# SPDX-License-Identifier: Apache-2.0
"""Refusals: what does not fit, by how much, and the smallest configuration that would do."""
import dataclasses
import re

import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.compile.compile import compile_network, try_compile
from openeie.core.errors import CapacityError
from openeie.core.network.graph import Linear, Network, Pool
from openeie.core.network.window import Window
from openeie.sim.random.cases import configuration
from openeie.sim.random.networks import draw_network
from support.maps import layer

SMALL = preset("TINY").replace(operations=("linear", "conv", "pool"), act_depth=2, acc_depth=2,
                               entry_depth=4, pointer_depth=4, channel_depth=2, max_layers=1)


def advice(error) -> dict[str, int]:
    """The fields that a refusal suggests."""
    text = str(error).partition("the smallest configuration that would: ")[2]
    assert text, error
    return {name: int(value) for name, value in (pair.split("=") for pair in text.split(", "))}


def step_less(config, name):
    """The next smaller value of a field."""
    value = getattr(config, name)
    if name in ("entry_depth", "pointer_depth"):
        return value - 2
    return value // 2 if name == "act_depth" and config.conv else value - 1


def check(network, config, vectors=1, encoding=None):
    """What is suggested is enough, and not more than enough in any field."""
    with pytest.raises(CapacityError) as caught:
        compile_network(network, config, vectors=vectors, encoding=encoding)
    chosen = advice(caught.value)
    enough = config.replace(**chosen)
    program = compile_network(network, enough, vectors=vectors, encoding=encoding)
    for name in chosen:
        less = step_less(enough, name)
        if less < getattr(config, name):
            pytest.fail(f"{name}={chosen[name]} was suggested, but {getattr(config, name)} had it")
        with pytest.raises(CapacityError, match=f"{name}: "):
            compile_network(network, enough.replace(**{name: less}), vectors=vectors,
                            encoding=encoding)
    return chosen, program


def stack(rng):
    """Two convolutions and a pool whose map in between is the largest."""
    wide = Window(height=20, width=3, channels=3, kernel=(3, 1), pad=(1, 0, 1, 0))
    pool = Window(height=20, width=3, channels=30, kernel=(2, 1), stride=(2, 1))
    last = Window(height=10, width=3, channels=30)
    return Network(name="stack", input_range=(-99, 99), layers=(
        layer(rng, wide, 30, name="a"), Pool(name="b", window=pool, reduce="max"),
        layer(rng, last, 3, name="c")))


def test_every_memory_too_small(rng):
    chosen, program = check(stack(rng), SMALL)
    assert set(chosen) == {"entry_depth", "pointer_depth", "act_depth", "channel_depth",
                           "max_layers"}
    assert program.chains and len(program.tiles) == chosen["max_layers"] > 3
    assert max(plan.acc_rows for plan in program.tiles) == 2       # sliced, not refused


def test_the_message_says_it_all(rng):
    network = stack(rng)
    roomy = SMALL.replace(entry_depth=4096, pointer_depth=4096, channel_depth=64, max_layers=64)
    with pytest.raises(CapacityError) as caught:
        compile_network(network, roomy)
    assert str(caught.value) == (
        "network 'stack' does not fit: act_depth: the maps needed at the same time, in two "
        "memories, need 360 (128 if tiled in lines), the array has 2; the smallest configuration "
        "that would: act_depth=128")
    with pytest.raises(CapacityError, match=re.escape(
            "pointer_depth: all layers ('a' in 4 slices of channels, 'b' in 4 slices of channels) "
            "need ")):
        compile_network(network, roomy.replace(act_depth=256, pointer_depth=32))
    with pytest.raises(CapacityError, match=r"max_layers: the network, 3 layers in \d+ tiles, "):
        compile_network(network, roomy.replace(act_depth=128, max_layers=3))


@pytest.mark.parametrize("seed", range(30))
def test_what_is_suggested_is_the_least_that_is_enough(seed):
    """Random networks on arrays of all kinds with hardly any memory."""
    config = configuration(9, seed).replace(acc_depth=2, act_depth=2, entry_depth=4,
                                            pointer_depth=4, channel_depth=2, max_layers=1)
    rng = np.random.default_rng(seed)
    network = draw_network(rng, config, scale=0.5, bulge=bool(seed % 2))
    vectors = int(rng.integers(1, 4))
    if try_compile(network, config, vectors=vectors)[0] is None:
        check(network, config, vectors)


def test_widths_are_suggested_too(rng):
    network = stack(rng)
    narrow = SMALL.replace(weight_width=4, acc_width=20, act_width=8, word_width=64)
    network = dataclasses.replace(network, layers=[
        one if isinstance(one, Pool) else dataclasses.replace(
            one, weights=dataclasses.replace(one.weights, values=one.weights.values * 3))
        for one in network.layers])
    with pytest.raises(CapacityError) as caught:
        compile_network(network, narrow)
    text = str(caught.value)
    assert "act_width: the network has 16 bits, the array 8" in text
    assert "4 bits hold -8 .. 7" in text
    # 16 + 6 bits need 22 of the accumulator, but it has what the sums need.
    assert "there is no such array: acc_width must be at least act_width + weight_width" in text \
        or "weight_width=6" in text


def test_what_no_configuration_solves(rng):
    window = Window(height=300, width=300, channels=1)
    network = Network(name="n", layers=(layer(rng, window, 1),), input_range=(-9, 9))
    with pytest.raises(CapacityError, match="vectors: layer 'conv' has 90,000 positions for each "
                                            "of 1 inputs, .*; larger memories would not help"):
        compile_network(network, SMALL)
    many = Network(name="n", input_range=(-9, 9), layers=tuple(
        layer(rng, 1, 1, Linear, name=f"l{number}") for number in range(257)))
    large = SMALL.replace(max_layers=1024, pointer_depth=1 << 12, channel_depth=1 << 12,
                          entry_depth=1 << 12)
    with pytest.raises(CapacityError, match="the network has 257 matrices, each with a tab"):
        compile_network(many, large)
    compile_network(dataclasses.replace(many, layers=many.layers[:256]), large)
    huge = Network(name="n", layers=(layer(rng, 1 << 13, 1, Linear),), input_range=(-9, 9))
    with pytest.raises(CapacityError, match="there is no such array: act_depth must be in"):
        compile_network(huge, preset("TINY"), vectors=(1 << 16) - 1)
