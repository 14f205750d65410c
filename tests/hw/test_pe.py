# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core import golden
from openeie.core.array.config import ENCODINGS, preset
from openeie.core.array.counters import COUNTERS
from openeie.core.array.descriptor import TABLE_WORD, unpack
from openeie.core.array.load_port import Target
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.hw.pe import PE

from .bench import put_all, simulate

CONFIG = preset("TINY").replace(pes=1, act_depth=64)

#: A matrix of 3 rows and 2 columns, (0, 4), (0, 0), (5, -1), for the only PE. The codebook has
#: the weights 0, 4, 5, -1, so the columns are (run 2, code 2) and (run 0, code 1), (run 1, code 3);
#: an entry is a code of 4 bits above a run of 4 bits.
LOADS = [
    (Target.ENTRY, [0x31_10_22]),
    (Target.POINTER, [0, 1, 3]),
    (Target.CODEBOOK, [0, 4, 5, -1]),
    (Target.CHANNEL, [0, 0, 0, 1, 0, 0, 0, 1, 20, 0, 0, 1]),     # bias 0, 0, 20; multiplier 1
]


def test_worked_example():
    """The inputs 2 and 3 in an array of one PE: outputs 3 * 4, 0 and 20 + 2 * 5 - 3 * 1.

    The items for columns 0 and 1 and the token come in cycles 0 to 2. Each crosses the queue, the
    pointers and ``next_column``, so the entry of column 0 is decoded in cycle 4, the two of
    column 1 in cycles 5 and 6, and the token in cycle 7. The first row is read 7 cycles
    later, and the third row after two rows of 8 cycles; it is written 14 cycles after that, in
    cycle 44.
    """
    dut = PE(CONFIG.replace(encodings=("codebook",)))
    results = []
    cycles = []

    async def bench(ctx):
        await wipe(ctx, dut)
        for target, words in LOADS:
            await load(ctx, dut, [{"target": target, "address": address,
                                   "data": word & 0xFFFF_FFFF_FFFF_FFFF}
                                  for address, word in enumerate(words)])
        ctx.set(dut.layer, {"encoding": ENCODINGS.index("codebook"), "vectors": 1, "acc_rows": 3})
        ctx.set(dut.layer_start, 1)
        await ctx.tick()
        ctx.set(dut.layer_start, 0)
        await ctx.tick().repeat(4)
        ctx.set(dut.running, 1)
        items = [{"act": 2, "column": 0}, {"act": 3, "column": 1}, {"token": 1}]
        for cycle in range(60):
            ctx.set(dut.i.valid, int(cycle < 3))
            ctx.set(dut.i.payload, items[cycle] if cycle < 3 else {})
            if ctx.get(dut.done):
                cycles.append(cycle)
            await ctx.tick()
        ctx.set(dut.running, 0)
        results.extend(await read_acts(ctx, dut, 3))
    simulate(dut, bench)
    assert results == [12, 0, 27]
    assert cycles[0] == 44 + 1, "done is a register behind the last write"


async def wipe(ctx, dut):
    for row in range(CONFIG.acc_depth):
        ctx.set(dut.wipe, 1)
        ctx.set(dut.wipe_row, row)
        await ctx.tick()
    ctx.set(dut.wipe, 0)


async def load(ctx, dut, words):
    ctx.set(dut.load_en, 1)
    for word in words:
        ctx.set(dut.load, word)
        await ctx.tick()
    ctx.set(dut.load_en, 0)
    await ctx.tick().repeat(PE.load_latency)


async def read_acts(ctx, dut, count):
    """Memory B, from address 0 on."""
    got = []
    ctx.set(dut.read_en, 1)
    ctx.set(dut.read_b, 1)
    for address in range(count):
        ctx.set(dut.read_address, address)
        await ctx.tick()
        got.append(ctx.get(dut.act))
    return got


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
    dut = PE(CONFIG)
    got = []
    counted = []
    items = []
    for vector in x:
        items += [{"act": int(a), "column": j, "token": 0} for j, a in enumerate(vector) if a]
        items.append({"act": 0, "column": 0, "token": 1})

    async def bench(ctx):
        await wipe(ctx, dut)
        records = np.concatenate([program.records(), program.input_records(x)])
        await load(ctx, dut, [{name: int(record[name])
                               for name in ("target", "pe", "address", "data")}
                              for record in records])
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
        got.extend(await read_acts(ctx, dut, wanted.size))
        for index in range(len(COUNTERS)):
            ctx.set(dut.count_address, index)
            await ctx.tick()
            counted.append(ctx.get(dut.count))
    simulate(dut, bench)
    assert got == wanted.reshape(-1).tolist()
    plan = program.tiles[0]
    counts = dict(zip(COUNTERS, counted))
    hits = x != 0
    assert counts["busy"] + counts["filler"] == (plan.entry_count[0] * hits).sum()
    assert counts["filler"] == (plan.filler_count[0] * hits).sum()
    assert counts["empty_column"] == ((plan.entry_count[0] == 0) & hits).sum()
