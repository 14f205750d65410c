# SPDX-License-Identifier: Apache-2.0
"""The array without sequencer and ports: a 4 x 4 matrix on two PEs, by hand."""
import pytest
from openeie.core.array.config import ENCODINGS, preset
from openeie.core.array.load_port import BROADCAST_PE, Target
from openeie.hw.array import PEArray

from .bench import plain, simulate

CONFIG = preset("TINY").replace(pes=2, encodings=("csr",))

#: What the host loads for
#:
#:         | 2  0  0  1 |              | 3 |           |  0 |
#:     W = | 0  0  3  0 |    inputs =  | 0 |    bias = |  0 |
#:         | 0  5  0 -1 |              |-2 |           |  0 |
#:         | 0  0  4  0 |              | 1 |           |100 |
#:
#: PE 0 owns rows 0 and 2, PE 1 rows 1 and 3. An entry is a run (zeros before it in the PE's part
#: of the column, 4 bits) below a weight (16 bits); a word of 64 bits has three.
LOADS = [
    # PE 0, columns 0 to 3: (run 0, 2); (run 1, 5); none; (run 0, 1) and (run 0, -1).
    (Target.ENTRY, 0, [0x00010_00051_00020, 0xFFFF0]),
    # Where each column begins, and the last one ends: word << 2 | entry in the word.
    (Target.POINTER, 0, [0b0_00, 0b0_01, 0b0_10, 0b0_10, 0b1_01]),
    # PE 1: column 2 has (run 0, 3) and (run 0, 4), all other columns are empty.
    (Target.ENTRY, 1, [0x00040_00030]),
    (Target.POINTER, 1, [0b0_00, 0b0_00, 0b0_00, 0b0_10, 0b0_10]),
    # Each row's bias and multiplier, in quarters of 16 bits: bias low, bias high, multiplier
    # low, high. This multiplier stands for 1, without a shift.
    (Target.CHANNEL, 0, [0, 0, 0, 1, 0, 0, 0, 1]),
    (Target.CHANNEL, 1, [0, 0, 0, 1, 100, 0, 0, 1]),
    # Input j is in PE j mod 2, at address j div 2.
    (Target.ACT_A, 0, [3, -2]),
    (Target.ACT_A, 1, [0, 1]),
]
LAYER = {"encoding": ENCODINGS.index("csr"), "src_rows": 2, "vectors": 1, "acc_rows": 2}
#: In memory B: PE 0 has 2 * 3 + 1 * 1 and 5 * 0 - 1 * 1, PE 1 has 3 * -2 and 100 + 4 * -2.
OUTPUTS = [[7, -1], [-6, 92]]



class Host:
    """What loader and sequencer do around the array, as a testbench."""
    def __init__(self, layer=LAYER, loads=LOADS):
        self.dut = PEArray(CONFIG)
        self.layer = layer
        self.loads = loads
        self.done_cycles = [None] * CONFIG.pes

    async def prepare(self, ctx):
        """Wipe the accumulators and load the memories."""
        dut = self.dut
        ctx.set(dut.wipe, 1)
        for row in range(CONFIG.acc_depth):
            ctx.set(dut.wipe_row, row)
            await ctx.tick()
        ctx.set(dut.wipe, 0)
        ctx.set(dut.load_en, 1)
        for target, pe, words in self.loads:
            for address, word in enumerate(words):
                ctx.set(dut.load, {"target": target, "pe": pe, "address": address,
                                   "data": word & (1 << 64) - 1})
                await ctx.tick()
        ctx.set(dut.load_en, 0)
        await ctx.tick().repeat(4)

    async def run(self, ctx, limit=200):
        """Run the layer; cycle 0 is the one of ``scan_start``."""
        dut = self.dut
        ctx.set(dut.layer, self.layer)
        ctx.set(dut.layer_start, 1)
        await ctx.tick()
        ctx.set(dut.layer_start, 0)
        await ctx.tick().repeat(8)
        ctx.set(dut.scan_start, 1)
        for cycle in range(limit):
            for pe in range(CONFIG.pes):
                if ctx.get(dut.done[pe]) and self.done_cycles[pe] is None:
                    self.done_cycles[pe] = cycle
            await ctx.tick()
            ctx.set(dut.scan_start, 0)
            ctx.set(dut.running, 1)
        ctx.set(dut.running, 0)

    async def read(self, ctx, target, pe, address):
        dut = self.dut
        ctx.set(dut.read, {"target": target, "pe": pe, "address": address})
        await ctx.tick().repeat(dut.read_latency)
        word = plain(ctx.get(dut.data))
        return word - (1 << 64) if word >> 63 else word

    async def outputs(self, ctx):
        return [[await self.read(ctx, Target.ACT_B, pe, address)
                 for address in range(self.layer["acc_rows"])] for pe in range(CONFIG.pes)]


def test_worked_example():
    """The four outputs, and the cycle in which each PE is done, as ``docs/timing.md`` has it.

    The scan reads two rows of two activations: (3, 0) and (-2, 1). So the broadcast sends the
    columns 0, 2 and 3, then the token; they leave lnzd in the cycles L = 4, 5, 6, 7 after
    ``scan_start`` and leave ``next_column`` four cycles later, if ``decode_column`` is free.
    Entries per column:

        column     0  2  3  token            S, the cycle in which it leaves next_column
        PE 0       1  0  2                   8  9 10 12
        PE 1       0  2  0                   8  9 11 12

    An empty column takes a cycle like one entry, so both PEs begin their writeback with S = 12. The
    first row is read from cycle 12 + 8 on, for eight cycles, the second one from cycle 28 on; it
    is written 14 cycles later, in cycle 42, and ``done`` is a register behind that.
    """
    host = Host()
    outputs = []

    async def bench(ctx):
        await host.prepare(ctx)
        await host.run(ctx)
        outputs.extend(await host.outputs(ctx))
    simulate(host.dut, bench)
    assert outputs == OUTPUTS
    assert host.done_cycles == [43, 43]


def test_relu():
    """The same layer with ReLU: negative outputs become 0."""
    host = Host(LAYER | {"relu": 1})
    outputs = []

    async def bench(ctx):
        await host.prepare(ctx)
        await host.run(ctx)
        outputs.extend(await host.outputs(ctx))
    simulate(host.dut, bench)
    assert outputs == [[7, 0], [0, 92]]


@pytest.mark.parametrize("pe", [0, 1])
def test_a_write_reaches_one_pe(pe):
    host = Host(loads=[(Target.ACT_B, BROADCAST_PE, [1, 2]), (Target.ACT_B, pe, [-5])])
    outputs = []

    async def bench(ctx):
        await host.prepare(ctx)
        outputs.extend(await host.outputs(ctx))
    simulate(host.dut, bench)
    assert outputs[pe] == [-5, 2] and outputs[1 - pe] == [1, 2]


def test_reset_forgets_a_layer_and_keeps_the_memories():
    """A reset in mid-layer: the same layer runs again, with the same outputs and cycles."""
    host = Host()
    outputs = []

    async def bench(ctx):
        await host.prepare(ctx)
        await host.run(ctx, limit=12)
        ctx.set(host.dut.reset, 1)
        await ctx.tick()
        ctx.set(host.dut.reset, 0)
        host.loads = []
        await host.prepare(ctx)
        assert host.done_cycles == [None, None]
        await host.run(ctx)
        outputs.extend(await host.outputs(ctx))
    simulate(host.dut, bench)
    assert outputs == OUTPUTS and host.done_cycles == [43, 43]
