# SPDX-License-Identifier: Apache-2.0
"""Branches: what a network reads, and where its maps lie in the activation memories."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.array.config import preset
from openeie.core.compile.activation_plan import place_maps
from openeie.core.compile.compile import compile_network
from openeie.core.errors import CapacityError, ConfigError, InputError
from openeie.core.network.graph import INPUT, Conv, Linear, Network, Pool
from openeie.core.network.layout import MapLayout
from openeie.core.network.window import Window
from openeie.sim.fast import fast
from support.maps import layer

CONFIG = preset("TINY").replace(operations=("linear", "conv", "pool"), act_depth=1024, acc_depth=64,
                                pointer_depth=4096, entry_depth=1 << 14, channel_depth=256,
                                max_layers=16)


def fire(rng, channels=(3, 5, 6, 9)):
    """Squeeze, two expanding branches side by side, a pool and a last convolution over both."""
    c, squeezed, one, three = channels

    def window(number, kernel=1):
        pad = kernel // 2
        return Window(height=4, width=5, channels=number, kernel=(kernel, kernel), pad=(pad,) * 4)
    both = one + three
    pool = Pool(name="pool", reduce="max", sources=("one", "three"), window=Window(
        height=4, width=5, channels=both, kernel=(2, 2), stride=(2, 2), pad=(0, 0, 0, 1)))
    return Network(name="fire", input_range=(-99, 99), layers=(
        layer(rng, window(c), squeezed, name="squeeze"),
        layer(rng, window(squeezed), one, name="one"),
        layer(rng, window(squeezed, 3), three, name="three", sources=("squeeze",)),
        pool, layer(rng, pool.outputs, 7, Linear, name="aside"),
        layer(rng, window(both), 4, name="last", sources=("one", "three")),
        layer(rng, 4 * 5 * 4, 2, Linear, name="more"),
        layer(rng, 9, 3, Linear, name="end", sources=("aside", "more"))))


@given(st.integers(1, 7), st.integers(1, 3), st.integers(0, 1 << 32))
def test_maps_of_one_time_lie_apart(pes, vectors, seed):
    rng = np.random.default_rng(seed)
    network = fire(rng, tuple(int(n) for n in rng.integers(1, 12, 4)))
    config = CONFIG.replace(pes=pes)
    placements, used = place_maps(network, config, vectors)
    written = {INPUT: -1} | {one.name: number for number, one in enumerate(network.layers)}
    until = dict.fromkeys(written, len(network.layers))
    for number in reversed(range(len(network.layers))):
        for name in network.sources(number):
            if until[name] == len(network.layers) and name != network.layers[-1].name:
                until[name] = number
    owner: dict[tuple[int, int], str] = {}
    for name, place in placements.items():
        layout = network.layout(name)
        assert place.rows == layout.rows(pes) <= place.stride
        for pixel in range(vectors * layout.pixels):
            for row in range(place.origin + pixel * place.stride,
                             place.origin + pixel * place.stride + place.rows):
                assert row < used
                for time in range(written[name], until[name] + 1):
                    assert owner.setdefault((time, row), name) == name
    assert placements["three"].origin == placements["one"].origin + placements["one"].rows


def test_a_branching_network_runs(rng):
    """``golden`` against the network written out by hand, ``fast`` against ``golden``."""
    network = fire(rng)
    x = rng.integers(-99, 100, (4, network.inputs))
    program = compile_network(network, CONFIG, vectors=2)
    run, outputs = fast.run(program, x), golden.network(network, x)
    for ours, theirs in zip(run.tiles, outputs):
        assert np.array_equal(ours.outputs, theirs), ours.name
    names = [one.name for one in network.layers]
    values = dict(zip(names, outputs))
    joined = np.concatenate([values["one"].reshape(4, 20, -1), values["three"].reshape(4, 20, -1)],
                            axis=2).reshape(4, -1)
    assert np.array_equal(golden.layer(network.layers[5], joined, 16), values["last"])
    both = np.concatenate([values["aside"], values["more"]], axis=1)
    assert np.array_equal(golden.layer(network.layers[7], both, 16), values["end"])


@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 9))
def test_every_channel_has_one_place(parts, pes):
    layout = MapLayout(pixels=2, parts=tuple(parts))
    places = layout.places(pes)
    assert len(set(places.tolist())) == layout.channels
    assert places.max() < layout.rows(pes) * pes
    first = 0
    for part in parts:          # channel c of a part is PE c mod N's
        assert (places[first:first + part] % pes).tolist() == [c % pes for c in range(part)]
        first += part
    x = np.arange(1, 1 + 2 * layout.channels)[np.newaxis]
    rows = layout.memory(x, pes).reshape(2, -1)
    assert np.array_equal(rows[:, places].reshape(1, -1), x)
    assert np.count_nonzero(rows) == x.size


def test_what_cannot_be_read(rng):
    one, other = (layer(rng, Window(height=4, width=4, channels=3), 5, name=name)
                  for name in ("one", "other"))
    small = layer(rng, Window(height=4, width=4, channels=3, kernel=(2, 2)), 5, name="small")

    def network(*layers):
        return Network(name="n", layers=layers)

    def reads(*sources, channels=10):
        return layer(rng, Window(height=4, width=4, channels=channels), 2, name="reads",
                     sources=sources)
    apart = Conv(**vars(other) | {"sources": (INPUT,)})
    with pytest.raises(InputError, match="layer 'reads' reads 'later', which is not an earlier"):
        network(one, reads("one", "later"))
    with pytest.raises(InputError, match="layer 'reads' reads 'reads', which is not an earlier"):
        network(one, reads("one", "reads"))
    with pytest.raises(InputError, match="layer 'reads' reads 'one' twice"):
        network(one, reads("one", "one"))
    with pytest.raises(InputError, match="'reads' reads maps of different sizes: 'one', 'small'"):
        network(one, Conv(**vars(small) | {"sources": (INPUT,)}), reads("one", "small"))
    with pytest.raises(InputError, match="'reads' takes 144 inputs, but 'one', 'other' gives 160"):
        network(one, apart, reads("one", "other", channels=9))
    with pytest.raises(InputError, match="layer 'one' is read by no layer, and is not the last"):
        network(one, apart)


def test_what_an_array_cannot_place(rng):
    one = layer(rng, Window(height=4, width=4, channels=3), 5, name="one")
    two, three = (layer(rng, Window(height=4, width=4, channels=3), 5, name=name,
                        sources=(INPUT,)) for name in ("two", "three"))
    wide = Window(height=4, width=4, channels=10)
    twice = Network(name="n", layers=(
        one, two, three, layer(rng, wide, 2, name="a", sources=("one", "two")),
        layer(rng, wide, 2, name="b", sources=("two", "three")),
        layer(rng, Window(height=4, width=4, channels=4), 2, name="c", sources=("a", "b"))))
    with pytest.raises(InputError, match="layer 'two' is part of two concatenations"):
        compile_network(twice, CONFIG)
    linear = Network(name="n", layers=(
        one, two, layer(rng, 160, 2, Linear, name="flat", sources=("one", "two"))))
    compile_network(linear, CONFIG)             # all of it, in one piece
    alone = Network(name="n", layers=(
        one, two, layer(rng, wide, 2, name="a", sources=("one", "two")),
        layer(rng, 80, 2, Linear, name="flat", sources=("one",)),
        layer(rng, 32, 2, Linear, name="side", sources=("a",)),
        layer(rng, 4, 2, Linear, name="end", sources=("flat", "side"))))
    with pytest.raises(InputError, match="'flat' is linear and reads a map that is part of a conc"):
        compile_network(alone, CONFIG)
    vectors = Network(name="n", layers=(
        layer(rng, 9, 4, Linear, name="v"), layer(rng, 9, 4, Linear, name="w", sources=(INPUT,)),
        layer(rng, 8, 2, Linear, name="end", sources=("v", "w"))))
    compile_network(vectors, CONFIG)
    with pytest.raises(InputError, match="layer 'w' does not read the layer before it, which need"):
        compile_network(vectors, preset("TINY"))
    with pytest.raises(CapacityError, match="act_depth: the maps needed at the same time, in two "):
        compile_network(linear, CONFIG.replace(act_depth=16))
    with pytest.raises(ConfigError, match="act_depth must be a power of two with conv"):
        CONFIG.replace(act_depth=48)
