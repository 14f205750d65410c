# SPDX-License-Identifier: Apache-2.0
"""The address generator against the addresses of ``core/network/address_walk.py``, step by step."""
import pytest
from openeie.core.array.config import preset
from openeie.core.network.address_walk import AddressWalk
from openeie.core.network.chain import lines_needed
from openeie.core.network.window import Window
from openeie.hw import address_walk as hw

from .bench import simulate, trace

CONFIG = preset("TINY").replace(operations=("linear", "conv"), act_depth=256)


def test_worked_example():
    """A kernel of 2 x 2 on a map of 3 x 3 with a row a pixel: four positions of four rows.

        0 1 2        The map's rows in memory, from left to right, line by line. From the last
        3 4 5        pixel of a kernel line to the first of the next are 2 rows (``row_step``),
        6 7 8        from a line of positions to the next are 3 (``y_step``).
    """
    fields = {"kernel_height": 2, "kernel_width": 2, "stride_y": 1, "stride_x": 1, "pixel_rows": 1,
              "height": 3, "width": 3, "out_height": 2, "out_width": 2, "pixel_step": 1,
              "row_step": 2, "x_step": 1, "y_step": 3, "image_step": 9}
    assert read(fields, rows=4, positions=4) == [
        0, 1, 3, 4,
        1, 2, 4, 5,
        3, 4, 6, 7,
        4, 5, 7, 8]


def test_worked_example_with_padding():
    """The same kernel with one line of padding above and one column on the left.

    Now there are three positions a line; the first one's first pixel would be row -4 (``origin``).
    Rows of padding have no address (None): they are read as zeros.
    """
    fields = {"kernel_height": 2, "kernel_width": 2, "stride_y": 1, "stride_x": 1, "pixel_rows": 1,
              "pad_top": 1, "pad_left": 1, "height": 3, "width": 3, "out_height": 3, "out_width": 3,
              "origin": -4 % (1 << 24), "pixel_step": 1, "row_step": 2, "x_step": 1, "y_step": 3,
              "image_step": 9}
    assert read(fields, rows=4, positions=4) == [
        None, None, None, 0,
        None, None, 0, 1,
        None, None, 1, 2,
        None, 0, None, 3]


def read(fields, rows, positions):
    """The address in each cycle from ``scan_start`` on, None for padding."""
    last = {"step": 1, "last_cluster": 1, "last": 1}
    position = [*[{"step": 1, "last_cluster": 1}] * (rows - 1), last]
    seen = trace(hw.AddressWalk(CONFIG), [{"scan_start": 1}, *position * positions],
                 "address", "inside", hold={"layer": fields})[1:]
    return [row["address"] if row["inside"] else None for row in seen]


def steps(walk, vectors, rng=None):
    """(address, inside) of every row of ``vectors`` positions."""
    dut = hw.AddressWalk(CONFIG)
    got = []

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
    # Padding has no address worth knowing.
    assert [place for place, hit in got if hit] == address[inside].tolist()


def test_a_vector_is_every_row_in_turn():
    assert steps(AddressWalk.of_vector(5), 3) == [(row, True) for row in range(15)]
