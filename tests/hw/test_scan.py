# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.network.address_walk import AddressWalk
from openeie.core.network.window import Window
from openeie.core.numbers.fixed import int_range
from openeie.hw.scan import Scan

from .bench import cycles_of, get_n, plain, simulate, trace

CONFIG = preset("TINY").replace(pes=3, act_depth=32)


def test_worked_example():
    """Two vectors of two rows from three PEs; the first column of the layer is number 10.

    After ``scan_start`` in cycle 0 the scan asks for the rows 0, 1, 2, 3 in the cycles 1 to 4. The
    memories, here the test, answer a cycle later: PE k has 10 x row + k. Another cycle later the
    row is offered, with the column of its first activation: 10 and 13, then 10 and 13 again.
    """
    steps = [{"scan_start": 1, "o.ready": 1}, *[{"o.ready": 1} for _ in range(7)]]
    for row in range(4):
        steps[2 + row]["acts"] = [10 * row, 10 * row + 1, 10 * row + 2]
    layer = {"src_rows": 2, "vectors": 2, "pointer_base": 10}
    rows = trace(Scan(CONFIG), steps, "address", "en", "o.valid", "o.payload",
                 hold={"layer": layer})
    assert cycles_of(rows, "address")[1:5] == [0, 1, 2, 3]
    assert cycles_of(rows, "o.valid") == [0, 0, 0, 1, 1, 1, 1, 0]
    assert [row["o.payload"] for row in rows if row["o.valid"]] == [
        {"acts": [0, 1, 2], "column": 10, "last": 0, "cluster": 0},
        {"acts": [10, 11, 12], "column": 13, "last": 1, "cluster": 0},
        {"acts": [20, 21, 22], "column": 10, "last": 0, "cluster": 0},
        {"acts": [30, 31, 32], "column": 13, "last": 1, "cluster": 0}]


def reference(memory, src_rows, vectors, base):
    """Rows in order; each vector starts again at the first column."""
    return [{"acts": memory[v * src_rows + r], "column": base + CONFIG.pes * r,
             "last": int(r == src_rows - 1), "cluster": 0}
            for v in range(vectors) for r in range(src_rows)]


def scan(layers, memory, *, rng=None, config=CONFIG):
    """Scan each of ``layers`` in turn; returns their rows and the cycles to the last of each."""
    dut = Scan(config)
    got = []
    cycles = []

    async def memories(ctx):
        """The synchronous read ports of all PEs: held while ``en`` is low."""
        async for _, _, en, address in ctx.tick().sample(dut.en, dut.address):
            if en:
                ctx.set(dut.acts, memory[address % len(memory)])

    async def bench(ctx):
        for layer in layers:
            ctx.set(dut.layer, layer)
            ctx.set(dut.scan_start, 1)
            await ctx.tick()
            ctx.set(dut.scan_start, 0)
            count = layer["src_rows"] * layer["vectors"]
            waited = 1
            if rng is not None:
                got.append(await get_n(ctx, dut.o, count, rng=rng))
            else:
                rows = []
                ctx.set(dut.o.ready, 1)
                while len(rows) < count:
                    if ctx.get(dut.o.valid):
                        rows.append(plain(ctx.get(dut.o.payload)))
                    await ctx.tick()
                    waited += 1
                got.append(rows)
                cycles.append(waited)
            ctx.set(dut.o.ready, 1)
            for _ in range(5):
                assert not ctx.get(dut.o.valid), "a row beyond the last"
                await ctx.tick()
            ctx.set(dut.o.ready, 0)

    simulate(dut, bench, processes=[memories])
    return got, cycles


def draw(rng):
    """Two layers, the second starting elsewhere, and what the source memories hold."""
    layers = [{"src_rows": int(rng.integers(1, 6)), "vectors": int(rng.integers(1, 5)),
               "pointer_base": int(rng.integers(0, 20))} for _ in range(2)]
    return layers, rng.integers(-32768, 32768, (25, CONFIG.pes)).tolist()


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_rows_of_layers(stalled, rng):
    for _ in range(6):
        layers, memory = draw(rng)
        got, _ = scan(layers, memory, rng=rng if stalled else None)
        assert got == [reference(memory, layer["src_rows"], layer["vectors"],
                                 layer["pointer_base"]) for layer in layers]


def test_one_row_a_cycle_and_latency(rng):
    layers, memory = draw(rng)
    _, cycles = scan(layers, memory)
    assert cycles == [Scan.latency(CONFIG) + layer["src_rows"] * layer["vectors"]
                      for layer in layers]


def test_a_single_row():
    layer = {"src_rows": 1, "vectors": 1, "pointer_base": 0}
    got, _ = scan([layer] * 3, [[-1, 0, 32767]])
    assert got == [[{"acts": [-1, 0, 32767], "column": 0, "last": 1, "cluster": 0}]] * 3


def clustered(layer, memory, clusters, size):
    """Rows of a linear layer whose vectors the clusters take in turn, one row of each."""
    rows = []
    for first in range(0, layer["vectors"], clusters):
        for row in range(layer["src_rows"]):
            for cluster in range(min(clusters, layer["vectors"] - first)):
                place = (first + cluster) * layer["src_rows"] + row
                rows.append({"acts": memory[place % len(memory)], "last": int(
                    row == layer["src_rows"] - 1), "cluster": cluster,
                    "column": layer["pointer_base"] + size * row})
    return rows


#: Clusters, and vectors for them: fewer than clusters, as many, and more.
TURNS = pytest.mark.parametrize(("clusters", "vectors"), [
    (clusters, vectors) for clusters in (2, 4, 8)
    for vectors in sorted({1, clusters - 1, clusters, 2 * clusters + 1})])


def draw_clustered(clusters, vectors, rng):
    config = CONFIG.replace(pes=8, clusters=clusters, operations=("linear", "conv"))
    rows = int(rng.integers(1, 4))
    layer = {"src_rows": rows, "vectors": vectors, "pointer_base": 3, "clustered": 1} \
        | vars(AddressWalk.of_vector(rows))
    return config, layer, rng.integers(-32768, 32768, (16, config.pes)).tolist()


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
@TURNS
def test_clusters_take_turns(clusters, vectors, stalled, rng):
    config, layer, memory = draw_clustered(clusters, vectors, rng)
    got, _ = scan([layer], memory, config=config, rng=rng if stalled else None)
    assert got == [clustered(layer, memory, clusters, config.pes)]


@TURNS
def test_clusters_get_one_row_a_cycle(clusters, vectors, rng):
    config, layer, memory = draw_clustered(clusters, vectors, rng)
    _, cycles = scan([layer], memory, config=config)
    assert cycles == [Scan.latency(config) + layer["src_rows"] * vectors]


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_clusters_walk_windows(stalled, rng):
    """Padding is zero, whosever turn it is."""
    config = CONFIG.replace(pes=8, clusters=4, operations=("linear", "conv"))
    window = Window(height=3, width=5, channels=8, kernel=(3, 2), stride=(1, 2), pad=(1, 1, 1, 0))
    walk = AddressWalk.of_window(window, 1)
    memory = rng.integers(1, 32768, (16, config.pes)).tolist()          # 15 pixels
    layer = vars(walk) | {"src_rows": walk.rows, "vectors": walk.positions, "pointer_base": 0,
                          "clustered": 1}
    got, _ = scan([layer], memory, config=config, rng=rng if stalled else None)
    seen = window.gather(np.array(memory[:15]).reshape(1, -1)).reshape(walk.positions, -1, 8)
    order = [(position, row) for first in range(0, walk.positions, 4) for row in range(walk.rows)
             for position in range(first, min(first + 4, walk.positions))]
    assert [(one["cluster"], one["acts"]) for one in got[0]] == [
        (position % 4, seen[position, row].tolist()) for position, row in order]


MAPS = preset("TINY").replace(pes=3, act_depth=64, operations=("linear", "conv", "pool"))


def draw_local(rng):
    """A layer that works channel by channel: on a window, or on two maps to be added."""
    rows = int(rng.integers(1, 4))
    origin = int(rng.integers(0, 9))
    if rng.random() < 0.3:
        pixels = int(rng.integers(1, 6))
        stride = rows + int(rng.integers(0, 2))
        other = origin + pixels * stride if rng.random() < 0.5 else 40
        one, other = rng.permutation([origin, other]).tolist()
        walk = AddressWalk.of_pair(pixels, rows, one, other, stride)
        maximum = 0
        repeat = 0
    else:
        kernel = rng.integers(1, 4, 2).tolist()
        walk = AddressWalk.of_window(Window(
            height=int(rng.integers(3, 5)), width=int(rng.integers(3, 5)), channels=1,
            kernel=(kernel[0], kernel[1]), stride=(int(rng.integers(1, 3)), 1),
            pad=tuple(rng.integers(0, 2, 4).tolist())), rows, origin)
        maximum = int(rng.integers(2))
        repeat = maximum or int(rng.integers(2))
    return walk, {"local": 1, "maximum": maximum, "repeat": repeat, "src_rows": walk.rows,
                  "vectors": walk.positions, "pointer_base": int(rng.integers(0, 20))} | vars(walk)


def local_reference(walk, layer, memory):
    """A column for every row of a position, or for every row of a pixel."""
    address, inside = walk.addresses(layer["vectors"], 2 * MAPS.act_depth)
    pad_value = int_range(MAPS.act_width)[0] if layer["maximum"] else 0
    columns = walk.pixel_rows if layer["repeat"] else walk.rows
    return [{"acts": memory[address[v, r]] if inside[v, r] else [pad_value] * MAPS.pes,
             "column": layer["pointer_base"] + r % columns, "last": int(r == walk.rows - 1),
             "cluster": 0}
            for v in range(layer["vectors"]) for r in range(walk.rows)]


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_rows_of_local_layers(stalled, rng):
    kinds = set()
    for _ in range(12):
        walks, layers = zip(*(draw_local(rng) for _ in range(2)))
        memory = rng.integers(-32768, 32768, (2 * MAPS.act_depth, MAPS.pes)).tolist()
        got, _ = scan(layers, memory, rng=rng if stalled else None, config=MAPS)
        assert got == [local_reference(walk, layer, memory)
                       for walk, layer in zip(walks, layers)]
        kinds |= {(layer["maximum"], layer["repeat"], walk.pixel_rows > 1)
                  for walk, layer in zip(walks, layers)}
    assert len(kinds) == 6


@pytest.mark.parametrize("number", range(6))
def test_local_layers_get_one_row_a_cycle(number, rng):
    _, layers = zip(*(draw_local(rng) for _ in range(2)))
    memory = rng.integers(-32768, 32768, (2 * MAPS.act_depth, MAPS.pes)).tolist()
    _, cycles = scan(layers, memory, config=MAPS)
    assert cycles == [Scan.latency(MAPS) + layer["src_rows"] * layer["vectors"]
                      for layer in layers]
