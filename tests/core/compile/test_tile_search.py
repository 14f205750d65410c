# SPDX-License-Identifier: Apache-2.0
"""Tiling: the lines of a band, the search for chains, and programs in bands and slices."""
import dataclasses
import re

import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.compile.activation_plan import place_maps
from openeie.core.compile.compile import compile_network
from openeie.core.compile.tile_search import TileSearch
from openeie.core.errors import InputError, Mismatch
from openeie.core.network.chain import band_lines
from openeie.core.network.graph import Linear, Network, Pool
from openeie.core.network.window import Window
from openeie.sim import engines
from openeie.sim.fast import fast
from openeie.sim.verify import verify
from support.maps import layer

CONFIG = preset("TINY").replace(operations=("linear", "conv", "pool"), act_depth=1 << 14,
                                acc_depth=64, pointer_depth=4096, entry_depth=1 << 14,
                                channel_depth=256, max_layers=256)


def stack(rng, count=3, *, height=24, pools=(), stride=1, wide=28):
    """Convolutions and pools one after the other, the maps between them the largest."""
    layers, channels, width = [], 3, 4
    for number in range(count):
        window = Window(height=height, width=width, channels=channels, kernel=(3, 2),
                        stride=(stride if number else 1, 1), pad=(1, 0, 1, 1))
        if number in pools:
            layers.append(Pool(name=f"l{number}", window=window, reduce="max"))
        else:
            channels = 2 if number == count - 1 else wide
            layers.append(layer(rng, window, channels, name=f"l{number}"))
        height, width = window.out_height, window.out_width
    return Network(name="stack", layers=layers, input_range=(-99, 99))


@pytest.mark.parametrize("vectors", [1, 2])
@pytest.mark.parametrize(("count", "pools", "stride"), [
    (2, (), 1), (3, (), 1), (3, (1,), 2), (4, (1,), 1), (2, (1,), 3), (5, (3,), 1)])
def test_bands_compute_the_same(rng, count, pools, stride, vectors):
    network = stack(rng, count, pools=pools, stride=stride)
    search = TileSearch(network, CONFIG, vectors)
    x = rng.integers(-99, 100, (2 * vectors, network.inputs))
    whole = compile_network(network, CONFIG, vectors=vectors)
    assert whole.chains == () and len(whole.tiles) == count
    depths, depth = set(), CONFIG.act_depth
    while search.maps(2 * depth) is not None:
        program = compile_network(network, CONFIG.replace(act_depth=depth), vectors=vectors)
        verify(program, x, engines=("golden", "fast"))
        run = fast.run(program, x)
        assert np.array_equal(run.outputs, fast.run(whole, x).outputs)
        assert program.act_rows <= 2 * depth
        if program.chains:
            depths.add(depth)
            if stride == 1:         # else there may be lines that nobody needs
                assert run.cycles.sum() > fast.run(whole, x).cycles.sum()
        else:
            assert [vars(a) for a in map(plain, program.tiles)] \
                == [vars(a) for a in map(plain, whole.tiles)]
        depth //= 2
    assert depths, "nothing was tiled"


def plain(plan):
    """A plan without arrays."""
    return dataclasses.replace(plan, places=None, entry_count=None, filler_count=None)


def test_tiles_share_a_matrix_and_have_names(rng):
    network = stack(rng)
    depth = TileSearch(network, CONFIG, 1).least_depth(2)
    program = compile_network(network, CONFIG.replace(act_depth=depth))
    (chain,) = program.chains
    number = chain.first
    whole = compile_network(network, CONFIG)
    for name in ("entries", "pointers", "channels", "codebooks", "run_symbols"):
        assert np.array_equal(getattr(program, name), getattr(whole, name))
    tiles = [plan for plan in program.tiles if plan.layer == number]
    assert len(tiles) == chain.bands and len({plan.pointer_base for plan in tiles}) == 1
    assert [plan.name for plan in tiles[:2]] == [
        f"l{number} [{place}/{chain.bands}]" for place in (1, 2)]
    lines = band_lines([one.window for one in network.layers[chain.first:chain.last + 1]],
                       chain.bands)[0]
    assert [[plan.part.lines.start, plan.part.lines.stop] for plan in tiles] == lines.tolist()
    assert sum(len(plan.part.lines) for plan in tiles) > 24         # halo lines twice


@pytest.mark.parametrize("encoding", ["csr", "codebook", "huffman"])
@pytest.mark.parametrize("vectors", [1, 3])
def test_slices_of_channels_compute_the_same(encoding, vectors):
    """Convolution, pool and linear layer with more rows than accumulators, in each encoding."""
    from openeie.sim.random.networks import draw_network
    config = CONFIG.replace(acc_depth=1 << 10)
    for seed in range(40):
        rng = np.random.default_rng([seed, 5])
        network = draw_network(rng, config.replace(encodings=(encoding,)), bulge=True)
        roomy, vast = (config.replace(acc_depth=depth, entry_depth=1 << 18, pointer_depth=1 << 18,
                                      channel_depth=1 << 12, act_depth=1 << 16)
                       for depth in (2, 1 << 14))
        x = rng.integers(-99, 100, (vectors, network.inputs))
        program = compile_network(network, roomy, vectors=vectors)
        verify(program, x, engines=("golden", "fast"))
        assert max(plan.acc_rows for plan in program.tiles) <= 2
        whole = compile_network(network, vast, vectors=vectors)
        assert np.array_equal(fast.run(program, x).outputs, fast.run(whole, x).outputs)
        assert program.channels.shape == whole.channels.shape
        assert len(program.codebooks) == len({plan.pointer_base for plan in program.tiles})


def test_the_search_finds_the_cheapest(rng):
    """Against all ways to cut five layers into chains, by brute force."""
    network = stack(rng, 5, pools=(1,), height=40)
    search = TileSearch(network, CONFIG, 1)
    by_first = {}
    for segment in search._segments:
        by_first.setdefault(segment.chain.first, []).append(segment)

    def paths(first):
        if first == 5:
            yield []
        for segment in by_first.get(first, ()):
            yield from ([segment, *rest] for rest in paths(segment.chain.last + 1))
    every = [(sum(one.cost for one in path), max(one.need for one in path)) for path in paths(0)]
    assert len(every) > 300
    for available in range(50, search.whole.rows, 61):
        costs = [cost for cost, need in every if need <= available]
        found = search._cheapest(available)
        assert bool(found) == bool(costs)
        if found:
            assert sum(one.cost for one in found) == min(costs)
            assert max(one.need for one in found) <= available


def test_what_a_segment_needs_is_what_its_maps_take(rng):
    """The search's bound against placements: never more than the rows that are really used."""
    network = stack(rng, 4, pools=(1,))
    search = TileSearch(network, CONFIG, 2)
    singles = {one.chain.first: one for one in search._segments
               if one.chain.first == one.chain.last}
    for segment in search._segments:
        chain = segment.chain
        others = [singles[number].need for number in range(4)
                  if not chain.first <= number <= chain.last]
        chains = (chain,) if chain.last > chain.first else ()
        placements, rows = place_maps(network, CONFIG, 2, chains)
        assert rows >= max([segment.need, *others])
        if chains:
            for name, lines in chain.buffers(network).items():
                assert placements[name].stride * network.width(name) * lines <= rows


def test_a_map_of_the_same_time_is_never_overwritten(rng):
    """Every row that a tile reads was last written by the tile that computed it."""
    network = stack(rng, 4, pools=(2,), stride=2)
    depth = TileSearch(network, CONFIG, 2).least_depth(2)
    program = compile_network(network, CONFIG.replace(act_depth=depth), vectors=2)
    assert program.chains
    owner = np.full(2 * depth, -2)
    rows = network.layout("input").rows(4) * network.layout("input").pixels * 2
    owner[program.input_origin:program.input_origin + rows] = -1
    for plan in program.tiles:
        count = len(plan.part.vectors) * plan.walk.positions
        address, inside = plan.walk.addresses(count, 2 * depth)
        assert set(owner[address[inside]].tolist()) == {plan.layer - 1}
        written = plan.dst_origin + np.arange(count)[:, None] * (
            plan.acc_rows - 1 + plan.dst_step) + np.arange(plan.acc_rows)
        owner[written] = plan.layer


def test_a_branch_is_no_link(rng):
    """Maps that two layers read, and concatenations, are there as a whole."""
    window = Window(height=12, width=4, channels=3, kernel=(3, 1), pad=(1, 0, 1, 0))
    inner = dataclasses.replace(window, channels=9)
    both = dataclasses.replace(window, channels=18)
    network = Network(name="n", layers=(
        layer(rng, window, 9, name="a"), layer(rng, inner, 9, name="b"),
        layer(rng, inner, 9, name="c", sources=("a",)),
        layer(rng, both, 9, name="d", sources=("b", "c")), layer(rng, inner, 2, name="e"),
        layer(rng, 96, 2, Linear, name="f")), input_range=(-99, 99))
    search = TileSearch(network, CONFIG, 1)
    assert [number for number in range(5) if search._is_link(number)] == [3]
    rows = max(one.need for one in search._segments if one.chain.first == one.chain.last == 3)
    maps = search.maps(rows)
    assert maps.rows <= rows
    # What b, c and d need together stays: 9 channels each of 48 pixels, 3 rows on 4 PEs.
    least = next(limit for limit in range(1, rows + 1) if search.maps(limit) is not None)
    assert least == 48 * (3 + 3 + 3)


def test_golden_takes_whole_starts(rng):
    network = stack(rng)
    depth = TileSearch(network, CONFIG, 2).least_depth(2)
    program = compile_network(network, CONFIG.replace(act_depth=depth), vectors=2)
    with pytest.raises(InputError, match="tiled and takes 2 inputs per launch, so the batch"):
        engines.simulate(program, np.zeros((3, network.inputs), int), "golden")


def test_a_wrong_line_of_a_band_is_noticed(rng):
    """A descriptor that reads one line too far up: the engines cannot agree."""
    network = stack(rng)
    depth = TileSearch(network, CONFIG, 1).least_depth(2)
    program = compile_network(network, CONFIG.replace(act_depth=depth))
    x = rng.integers(-99, 100, (1, network.inputs))
    verify(program, x, engines=("golden", "fast"))
    descriptors = program.descriptors.copy()
    descriptors[2, 5] ^= np.uint64(1)                   # the origin that the third tile reads
    name = re.escape(program.tiles[2].name)
    with pytest.raises(Mismatch, match=f"layer {name}, "):
        verify(dataclasses.replace(program, descriptors=descriptors), x,
               engines=("golden", "fast"))


@pytest.mark.parametrize("clustered", [None, True])
@pytest.mark.parametrize("vectors", [1, 2])
def test_bands_and_slices_in_clusters(rng, clustered, vectors):
    """Two clusters share the positions of each band, and of each slice, whose matrices are copied
    into both."""
    config = CONFIG.replace(clusters=2, acc_depth=4, channel_depth=1 << 12, pointer_depth=1 << 14)
    network = stack(rng, 3, pools=(1,))
    depth = TileSearch(network, config, vectors).least_depth(2)
    program = compile_network(network, config.replace(act_depth=depth), vectors=vectors,
                              clustered=clustered)
    x = rng.integers(-99, 100, (2 * vectors, network.inputs))
    verify(program, x, engines=("golden", "fast"))
    shared = [plan for plan in program.tiles if plan.clusters == 2]
    assert program.chains and max(plan.acc_rows for plan in program.tiles) <= 4
    assert any(len(plan.part.lines) < plan.part.shape[1] for plan in shared)
    assert not clustered or any(len(plan.part.channels) < plan.part.shape[3] for plan in shared)
    for plan in program.tiles:         # tiles of one matrix are all clustered, or none is
        same = [one for one in program.tiles if one.pointer_base == plan.pointer_base]
        assert len({one.clusters for one in same}) == 1


def test_more_positions_than_a_descriptor_counts(rng):
    """Bands, though the memories would hold the maps: of one layer, or of both."""
    window = Window(height=300, width=300, channels=1, kernel=(1, 1))
    network = Network(name="n", input_range=(-9, 9), layers=(
        layer(rng, window, 8, name="a"),
        layer(rng, dataclasses.replace(window, channels=8, stride=(3, 3)), 2, name="b")))
    x = rng.integers(-9, 10, (1, network.inputs))
    for depth in (1 << 17, 1 << 19):
        program = compile_network(network, CONFIG.replace(act_depth=depth))
        assert max(plan.walk.positions for plan in program.tiles) < 1 << 16
        fast.run(program, x).compare(engines.simulate(program, x, "golden"))


def test_layers_are_told_in_the_networks_order(rng):
    """The first band of the second layer sees padding alone, so the first layer comes later."""
    one = Window(height=6, width=8, channels=3, kernel=(1, 1))
    network = Network(name="n", input_range=(-9, 9), layers=(
        layer(rng, one, 16, name="a"),
        layer(rng, dataclasses.replace(one, channels=16, pad=(6, 0, 0, 0)), 2, name="b")))
    program = compile_network(network, CONFIG.replace(act_depth=128))
    run = fast.run(program, rng.integers(-9, 10, (2, network.inputs)))
    assert program.tiles[0].name.startswith("b")
    assert [one.name for one in run.layers] == ["a", "b"]
