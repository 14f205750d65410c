# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.link_frames import MAX_DATA
from openeie.hw.link.respond import Responder
from support.link_reference import with_crc

from ..bench import get_n, put_all, simulate, trace
from .ports import encoded


def test_worked_example():
    """The response 05 83 00 (number 5, READ, OK) leaves with its CRC, COBS and the zero at the end.

    A byte a cycle goes in; after ``send`` come four cycles of CRC, one that closes the frame, and
    three until the first byte is offered. The others follow every three cycles.
    """
    steps = [
        {"response_start": 1},
        *[{"i.valid": 1, "i.payload": byte} for byte in (0x05, 0x83, 0x00)],
        {"send": 1},
        *[{"o.ready": 1} for _ in range(40)],
    ]
    rows = trace(Responder(), steps, "busy", "o.valid", "o.payload")
    sent = [(cycle, row["o.payload"]) for cycle, row in enumerate(rows) if row["o.valid"]]
    assert bytes(byte for _, byte in sent).hex(" ") == \
        "03 05 83 05 71 d0 24 e9 00"
    assert [cycle for cycle, _ in sent] == [12, 15, 18, 21, 24, 27, 30, 33, 36]
    assert [cycle for cycle, row in enumerate(rows) if row["busy"]] == list(range(5, 37))


class Driver:
    """Starts responses, and takes what is sent for each."""
    def __init__(self, rng=None):
        self.dut = Responder()
        self.rng = rng
        self.sent = []

    async def pulse(self, ctx, **ports):
        for name, value in ports.items():
            ctx.set(getattr(self.dut, name), value)
        await ctx.tick()
        for name in ports:
            ctx.set(getattr(self.dut, name), 0)

    async def respond(self, ctx, body, aside=0):
        await self.pulse(ctx, response_start=1, aside=aside)
        await put_all(ctx, self.dut.i, body, rng=self.rng)
        await self.pulse(ctx, send=1)
        await self.take(ctx)

    async def repeat(self, ctx):
        await self.pulse(ctx, again=1)
        await self.take(ctx)

    async def take(self, ctx):
        assert ctx.get(self.dut.busy)
        raw = b""
        while not raw.endswith(b"\0"):
            raw += bytes(await get_n(ctx, self.dut.o, 1, rng=self.rng))
        assert not ctx.get(self.dut.busy)
        self.sent.append(raw)


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_responses_and_their_repetition(stalled, rng):
    driver = Driver(rng if stalled else None)
    kept = [b"\0\0\0", rng.bytes(20), bytes(3 + MAX_DATA), b"\1" * (3 + MAX_DATA),
            rng.bytes(3 + MAX_DATA)]
    aside = [rng.bytes(4) for _ in kept]

    async def bench(ctx):
        for body, other in zip(kept, aside):
            await driver.respond(ctx, body)
            await driver.repeat(ctx)
            await driver.respond(ctx, other, aside=1)
            await driver.repeat(ctx)
            await driver.repeat(ctx)
    simulate(driver.dut, bench)
    wanted = []
    for body, other in zip(kept, aside):
        first = encoded(with_crc(body))
        second = encoded(with_crc(other))
        wanted += [first, first, second, first, first]
    assert driver.sent == wanted


def test_latency():
    driver = Driver()
    dut = driver.dut

    async def bench(ctx):
        await driver.pulse(ctx, response_start=1)
        await put_all(ctx, dut.i, b"abc")
        ctx.set(dut.send, 1)
        for cycle in range(dut.latency + 1):
            assert ctx.get(dut.o.valid) == (cycle == dut.latency)
            assert ctx.get(dut.busy) == (cycle > 0)
            await ctx.tick()
            ctx.set(dut.send, 0)
    simulate(dut, bench)
