# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.hw.link.buffer import Buffer

from ..bench import cycles_of, get_n, simulate, trace


def test_worked_example():
    """The bytes 0x41, 0x42, 0x43 are written at 4, 5 and 6 and read from address 5 on.

    The first one is offered 3 cycles after the last ``seek``, the next one 3 cycles after that
    was taken.
    """
    steps = [{"seek": 1, "write": 1, "write_address": 4 + k, "write_data": 0x41 + k}
             for k in range(3)]
    steps += [{"seek": 1, "first": 5}, *[{"o.ready": 1} for _ in range(7)]]
    rows = trace(Buffer(16), steps, "o.valid", "o.payload")[3:]
    assert cycles_of(rows, "o.valid") == [0, 0, 0, 1, 0, 0, 1, 0]
    assert [row["o.payload"] for row in rows if row["o.valid"]] == [0x42, 0x43]


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_reads_from_an_address_on_and_wraps(stalled, rng):
    raw = rng.bytes(32)
    dut = Buffer(32)
    got = {}

    async def bench(ctx):
        ctx.set(dut.seek, 1)
        for address, byte in enumerate(raw):
            ctx.set(dut.write, 1)
            ctx.set(dut.write_address, address)
            ctx.set(dut.write_data, byte)
            assert not ctx.get(dut.o.valid)
            await ctx.tick()
        ctx.set(dut.write, 0)
        for first in [0, 5, 31, 17]:
            ctx.set(dut.first, first)
            ctx.set(dut.seek, 1)
            await ctx.tick()
            ctx.set(dut.seek, 0)
            got[first] = await get_n(ctx, dut.o, 20, rng=rng if stalled else None)
    simulate(dut, bench)
    for first, part in got.items():
        assert bytes(part) == (raw + raw)[first:first + 20]


def test_latency_and_rate():
    dut = Buffer(16)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.seek, 1)
        valid = []
        for _ in range(3 * dut.latency + 1):
            valid.append(ctx.get(dut.o.valid))
            await ctx.tick()
            ctx.set(dut.seek, 0)
        assert valid == [0, *[0] * (dut.latency - 1), 1, 0, 0, 1, 0, 0, 1]
    simulate(dut, bench)
