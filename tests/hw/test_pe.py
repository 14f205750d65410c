# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core import golden
from openeie.core.array.config import ENCODINGS, preset
from openeie.core.array.counters import COUNTERS
from openeie.core.array.descriptor import TABLE_WORD, unpack
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.hw.pe import PE

from .bench import put_all, simulate

CONFIG = preset("TINY").replace(pes=1, act_depth=64)


def draw_program(rng, encoding, vectors, *, config=CONFIG, sizes=(11, 13)):
    """A layer with a codebook, and small inputs with zeros among them."""
    n, m = sizes
    table = np.concatenate([[0], rng.integers(-2000, 2000, 15)])
    codes = rng.integers(1, 16, (m, n)) * (rng.random((m, n)) < 0.5)
    codes[:, 4] = 0
    layer = Linear(name="fc", weights=SparseWeights.from_codes(codes, table), encoding=encoding,
                   bias=rng.integers(-10**5, 10**5, m), multiplier=np.full(m, 12345),
                   shift=np.full(m, 20), relu=bool(rng.integers(2)))
    net = Network(name="pe", layers=(layer,), input_range=(-300, 300))
    x = rng.integers(-300, 300, (vectors, n)) * (rng.random((vectors, n)) < 0.6)
    return compile_network(net, config, vectors=vectors), x


def layer_of(program):
    plan = program.tiles[0]
    layer = {name: getattr(plan, name) for name in ("table", "src_rows", "acc_rows",
                                                    "pointer_base", "channel_base")}
    layer |= {"encoding": ENCODINGS.index(plan.encoding), "relu": int(plan.relu), "number": 0,
              "vectors": program.vectors, "cycle_limit": plan.cycle_limit}
    words = program.descriptors[0][-CONFIG.max_code_length:]
    return layer | {"tables": [unpack(TABLE_WORD, int(word)) for word in words]}


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_one_pe_computes_a_layer(encoding, stalled, rng):
    """All rows belong to the only PE; items come by hand, as lnzd would send them."""
    program, x = draw_program(rng, encoding, 3)
    wanted = golden.network(program.network, x)[0]
    dut, got, counted = PE(CONFIG), [], []
    items = []
    for vector in x:
        items += [{"act": int(a), "column": j, "token": 0} for j, a in enumerate(vector) if a]
        items.append({"act": 0, "column": 0, "token": 1})

    async def bench(ctx):
        for row in range(CONFIG.acc_depth):
            ctx.set(dut.wipe, 1)
            ctx.set(dut.wipe_row, row)
            await ctx.tick()
        ctx.set(dut.wipe, 0)
        ctx.set(dut.load_en, 1)
        for record in np.concatenate([program.records(), program.input_records(x)]):
            ctx.set(dut.load, {name: int(record[name])
                               for name in ("target", "pe", "address", "data")})
            await ctx.tick()
        ctx.set(dut.load_en, 0)
        ctx.set(dut.layer, layer_of(program))
        ctx.set(dut.layer_start, 1)
        for index in range(len(COUNTERS)):
            ctx.set(dut.clear, 1)
            ctx.set(dut.clear_index, index)
            await ctx.tick()
            ctx.set(dut.layer_start, 0)
        ctx.set(dut.clear, 0)
        ctx.set(dut.running, 1)
        await put_all(ctx, dut.i, items, rng=rng if stalled else None)
        while not ctx.get(dut.done):
            await ctx.tick()
        ctx.set(dut.running, 0)
        ctx.set(dut.read_en, 1)
        ctx.set(dut.read_b, 1)
        for address in range(wanted.size):
            ctx.set(dut.read_address, address)
            await ctx.tick()
            got.append(ctx.get(dut.act))
        for index in range(len(COUNTERS)):
            ctx.set(dut.count_address, index)
            await ctx.tick()
            counted.append(ctx.get(dut.count))
    simulate(dut, bench)
    assert got == wanted.reshape(-1).tolist()
    plan, counts = program.tiles[0], dict(zip(COUNTERS, counted))
    hits = x != 0
    assert counts["busy"] + counts["filler"] == (plan.entry_count[0] * hits).sum()
    assert counts["filler"] == (plan.filler_count[0] * hits).sum()
    assert counts["empty_column"] == ((plan.entry_count[0] == 0) & hits).sum()
