# SPDX-License-Identifier: Apache-2.0
"""The address generator against the addresses of ``core/network/address_walk.py``, step by step."""
import pytest
from openeie.core.array.config import preset
from openeie.core.network.address_walk import AddressWalk
from openeie.core.network.chain import lines_needed
from openeie.core.network.window import Window
from openeie.hw import address_walk as hw

from .bench import simulate

CONFIG = preset("TINY").replace(operations=("linear", "conv"), act_depth=256)


def steps(walk, vectors, rng=None):
    """(address, inside) of every row of ``vectors`` positions."""
    dut, got = hw.AddressWalk(CONFIG), []

    async def bench(ctx):
        ctx.set(dut.layer, vars(walk))
        ctx.set(dut.scan_start, 1)
        await ctx.tick()
        ctx.set(dut.scan_start, 0)
        ctx.set(dut.last_cluster, 1)
        for row in range(vectors * walk.rows):
            while rng is not None and rng.random() < 0.3:
                ctx.set(dut.step, 0)
                await ctx.tick()
            got.append((ctx.get(dut.address), bool(ctx.get(dut.inside))))
            ctx.set(dut.step, 1)
            ctx.set(dut.last, row % walk.rows == walk.rows - 1)
            await ctx.tick()
    simulate(dut, bench)
    return got


def draw(rng):
    """A window on a map that the memory holds twice."""
    while True:
        height, width, channels = (int(rng.integers(1, 8)) for _ in range(3))
        pads = rng.integers(0, 4, 4).tolist()
        kernel = (int(rng.integers(1, min(7, height + pads[0] + pads[2]) + 1)),
                  int(rng.integers(1, min(7, width + pads[1] + pads[3]) + 1)))
        window = Window(height=height, width=width, channels=channels, kernel=kernel,
                        stride=tuple(rng.integers(1, 5, 2).tolist()), pad=tuple(pads))
        rows = -(-channels // CONFIG.pes)
        if 2 * height * width * rows <= CONFIG.act_depth:
            return window, rows


@pytest.mark.parametrize("index", range(30))
@pytest.mark.parametrize("stalled", [False, True])
def test_every_address(index, stalled, rng):
    walk = AddressWalk.of_window(*draw(rng))
    check(walk, stalled, rng)


@pytest.mark.parametrize("index", range(30))
def test_every_address_of_a_band(index, rng):
    """Some lines of positions, of which memory holds what they need."""
    window, rows = draw(rng)
    first = int(rng.integers(window.out_height))
    lines = range(first, int(rng.integers(first, window.out_height)) + 1)
    held = lines_needed(window, lines)
    check(AddressWalk.of_window(window, rows, 3, lines=lines, held=held), False, rng)


def check(walk, stalled, rng):
    """The gateware's addresses are the walk's."""
    vectors = 2 * walk.positions
    address, inside = walk.addresses(vectors, CONFIG.act_depth)
    got = steps(walk, vectors, rng if stalled else None)
    assert [hit for _, hit in got] == inside.reshape(-1).tolist()
    # What lies beside the map has no address worth knowing.
    assert [place for place, hit in got if hit] == address[inside].tolist()


def test_a_vector_is_every_row_in_turn():
    assert steps(AddressWalk.of_vector(5), 3) == [(row, True) for row in range(15)]
