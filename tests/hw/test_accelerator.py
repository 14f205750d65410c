# SPDX-License-Identifier: Apache-2.0
"""The whole array in Amaranth's own simulator, once for each encoding; slow, hence small."""
import zlib

import numpy as np
import pytest
from openeie.core.array.config import ENCODINGS, preset
from openeie.core.array.counters import COUNTERS
from openeie.core.array.load_port import LOAD_RECORD, Control, Status, Target, load_crc
from openeie.hw.accelerator import Accelerator
from openeie.hw.array import PEArray
from openeie.hw.loader import Loader
from openeie.sim.fast import fast

from .bench import get_n, put_all, simulate
from .test_array import LOADS
from .test_pe import draw_program

CONFIG = preset("TINY").replace(pes=3, queue_depth=2, max_code_length=5)


def words_of(records):
    return [{name: int(record[name]) for name in ("target", "pe", "address", "data")}
            for record in records]


def command(address, data=0):
    return {"target": Target.CONTROL, "pe": 0, "address": address, "data": data}


async def read(ctx, dut, requests, rng=None):
    got = []
    for target, pe, address in requests:
        await put_all(ctx, dut.i_read, [{"target": target, "pe": pe, "address": address}],
                      rng=rng)
        got += await get_n(ctx, dut.o_read, 1, rng=rng)
    return got


def test_worked_example():
    """The 4 x 4 matrix of ``test_array.py`` on two PEs, as a host runs it through the ports.

    The host writes the memories and the layer's descriptor (two source rows, one vector, two
    accumulator rows, at most 100 cycles), sends the CRC-32 of all records, and starts one layer.

    The layer takes 52 cycles: 8 for the descriptor, of which the last one starts the scan; the
    tokens leave ``next_column`` 12 cycles after that, in cycle 19; then 7 + 2 x 8 cycles until the
    second row is read, and 10 until it is written and the sequencer knows (``docs/timing.md``).
    """
    config = preset("TINY").replace(pes=2, encodings=("csr",))
    descriptor = [2 << 11 | 1 << 27 | 2 << 43, 100, 0]
    words = [{"target": Target.DESCRIPTOR, "pe": 0, "address": address, "data": word}
             for address, word in enumerate(descriptor)]
    for target, pe, data in LOADS:
        words += [{"target": target, "pe": pe, "address": address, "data": word & (1 << 64) - 1}
                  for address, word in enumerate(data)]
    records = np.array([(w["target"], 0, w["pe"], w["address"], w["data"]) for w in words],
                       LOAD_RECORD)
    dut = Accelerator(config)
    got = {}

    async def bench(ctx):
        await put_all(ctx, dut.i_load, [*words, command(Control.CHECK, zlib.crc32(records)),
                                        command(Control.START, 1 << 16)])
        while ctx.get(dut.busy):
            await ctx.tick()
        got["outputs"] = await read(ctx, dut, [(Target.ACT_B, pe, address)
                                               for pe in (0, 1) for address in (0, 1)])
        got["cycles"] = await read(ctx, dut, [(Target.CYCLES, 0, 0)])
        got["busy"] = await read(ctx, dut, [(Target.COUNTER, pe, 0) for pe in (0, 1)])
    simulate(dut, bench)
    assert [word - (1 << 64) if word >> 63 else word for word in got["outputs"]] == [7, -1, -6, 92]
    assert got["cycles"] == [52]
    assert got["busy"] == [3, 2], "entries of the columns 0, 2 and 3"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_layer_through_the_ports(encoding, rng):
    program, x = draw_program(rng, encoding, 2, config=CONFIG, sizes=(11, 7))
    plan = program.tiles[0]
    wanted = fast.run(program, x).layers[0]
    records = np.concatenate([program.records(), program.input_records(x)])
    dut = Accelerator(CONFIG)
    got = {}

    async def bench(ctx):
        await put_all(ctx, dut.i_load, [*words_of(records),
                                        command(Control.CHECK, load_crc(records)),
                                        command(Control.START, 1 << 16)])
        while ctx.get(dut.busy):
            await ctx.tick()
        assert ctx.get(dut.fault) == 0
        got["acts"] = await read(ctx, dut, [
            (Target.ACT_B, j % CONFIG.pes, v * plan.acc_rows + j // CONFIG.pes)
            for v in range(2) for j in range(plan.outputs)], rng)
        got["counters"] = await read(ctx, dut, [(Target.COUNTER, pe, index)
                                                for pe in range(CONFIG.pes)
                                                for index in range(len(COUNTERS))], rng)
        got["cycles"] = await read(ctx, dut, [(Target.CYCLES, 0, 0)], rng)
    simulate(dut, bench)
    acts = np.array(got["acts"], np.uint64).view(np.int64).reshape(2, -1)
    assert np.array_equal(acts, wanted.outputs)
    assert got["cycles"] == wanted.cycles.tolist()
    counters = np.array(got["counters"]).reshape(CONFIG.pes, -1)
    assert np.array_equal(counters, wanted.counters[0])
    assert set(counters.sum(axis=1)) == set(got["cycles"])


def test_a_read_beside_a_start(rng):
    """Wherever it falls: it is answered before the counters are cleared, or after the run."""
    program, x = draw_program(rng, "codebook", 1, config=CONFIG, sizes=(11, 7))
    wanted = fast.run(program, x).layers[0].counters[0, 1].tolist()
    index = COUNTERS.index("writeback")
    assert wanted[index] != wanted[0]           # what is cleared first is what would be read
    records = np.concatenate([program.records(),
                              program.input_records(x)])
    start = command(Control.START, 1 << 16)
    offsets = range(Loader.cycles + 3)          # the last ones find the array busy
    dut = Accelerator(CONFIG)
    begun = []
    got = []

    async def host(ctx):
        await put_all(ctx, dut.i_load, [*words_of(records),
                                        command(Control.CHECK, load_crc(records)), start])
        for offset in offsets:
            while ctx.get(dut.busy) or len(got) < len(begun):
                await ctx.tick()
            begun.append(offset)
            await put_all(ctx, dut.i_load, [start])

    async def reader(ctx):
        for offset in offsets:
            while offset not in begun:
                await ctx.tick()
            for _ in range(offset):
                await ctx.tick()
            got.extend(await read(ctx, dut, [(Target.COUNTER, 1, index)]))
    simulate(dut, host, reader)
    assert got == [wanted[index]] * len(offsets)


def test_a_read_takes_its_published_time():
    dut = Accelerator(CONFIG)
    waited = []

    async def bench(ctx):
        request = {"target": Target.CONTROL, "pe": 0, "address": Status.CONFIG}
        ctx.set(dut.o_read.ready, 1)
        for _ in range(3):
            await put_all(ctx, dut.i_read, [request])
            cycles = 1
            while not ctx.get(dut.o_read.valid):
                await ctx.tick()
                cycles += 1
            assert f"{ctx.get(dut.o_read.payload):016x}" == CONFIG.digest[:16]
            await ctx.tick()
            waited.append(cycles)
    simulate(dut, bench)
    assert waited == [PEArray.read_latency + 2] * 3
