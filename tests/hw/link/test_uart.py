# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.hw.link.uart import UartReceiver, UartTransmitter

from ..bench import cycles_of, put_all, simulate, trace
from .ports import receive_byte, send_bytes

DIVISORS = pytest.mark.parametrize("divisor", [4, 5, 16])


def test_worked_example():
    """The letter A, 0x41, at 4 cycles a bit: start bit 0, the bits from the lowest, stop bit 1.

    The transmitter's start bit begins in the cycle after it took the byte. The receiver offers the
    byte 41 cycles after the start bit began: 3, then nine bits and a half.
    """
    steps = [{"i.valid": 1, "i.payload": 0x41}, *[{} for _ in range(42)]]
    line = cycles_of(trace(UartTransmitter(divisor=4), steps, "tx"), "tx")
    assert line[1:41:4] == [0, 1, 0, 0, 0, 0, 0, 1, 0, 1]
    rows = trace(UartReceiver(divisor=4), [{"rx": level} for level in line], "o.valid", "o.payload")
    assert [cycle for cycle, row in enumerate(rows) if row["o.valid"]] == [1 + 41]
    assert rows[42]["o.payload"] == 0x41


def receive(dut, drive, *, settle=0):
    """Run a driver of the line against a reader that takes every byte at once."""
    got = []
    done = []

    async def bench(ctx):
        await drive(ctx)
        await ctx.tick().repeat(settle + 8)
        done.append(True)

    async def take(ctx):
        ctx.set(dut.o.ready, 1)
        while not done:
            if ctx.get(dut.o.valid):
                got.append(ctx.get(dut.o.payload))
            await ctx.tick()
    simulate(dut, bench, take)
    return bytes(got)


@DIVISORS
def test_bytes_back_to_back(divisor, rng):
    raw = rng.bytes(40) + b"\0\xff\0\xff"
    dut = UartReceiver(divisor=divisor)
    assert receive(dut, lambda ctx: send_bytes(ctx, dut.rx, raw, divisor)) == raw


@pytest.mark.parametrize("sent_at", [15.5, 16.5])
def test_a_sender_that_is_3_percent_off(sent_at, rng):
    """Every start edge sets the clock anew, so that an error does not add up over bytes."""
    raw = rng.bytes(20)
    dut = UartReceiver(divisor=16)
    assert receive(dut, lambda ctx: send_skewed(ctx, dut.rx, raw, sent_at)) == raw


async def send_skewed(ctx, line, raw, cycles_per_bit):
    time = 0.
    for byte in raw:
        for bit in [0, *(byte >> index & 1 for index in range(8)), 1]:
            ctx.set(line, bit)
            before = int(time)
            time = time + cycles_per_bit
            await ctx.tick().repeat(int(time) - before)


def test_latency():
    dut = UartReceiver(divisor=6)

    async def bench(ctx):
        await ctx.tick().repeat(3)
        for cycle in range(dut.latency + 1):
            ctx.set(dut.rx, cycle >= 6 * 9)
            assert ctx.get(dut.o.valid) == (cycle == dut.latency)
            await ctx.tick()
    simulate(dut, bench)


@DIVISORS
def test_a_byte_with_a_low_stop_bit_is_dropped(divisor):
    dut = UartReceiver(divisor=divisor)

    async def drive(ctx):
        await send_bytes(ctx, dut.rx, b"\x55", divisor, stop=0)
        await ctx.tick().repeat(divisor)
        await send_bytes(ctx, dut.rx, b"\xa5", divisor)
        ctx.set(dut.rx, 0)                      # a break is one such byte, however long it is
        await ctx.tick().repeat(40 * divisor)
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(2 * divisor)
        await send_bytes(ctx, dut.rx, b"\x00", divisor)
    assert receive(dut, drive) == b"\xa5\x00"


def test_a_glitch_is_no_start_bit():
    dut = UartReceiver(divisor=16)

    async def drive(ctx):
        ctx.set(dut.rx, 0)
        await ctx.tick().repeat(5)
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(20)
        await send_bytes(ctx, dut.rx, b"\x3c", 16)
    assert receive(dut, drive) == b"\x3c"


def test_a_byte_that_is_not_taken_loses_the_next():
    dut = UartReceiver(divisor=4)

    async def bench(ctx):
        await send_bytes(ctx, dut.rx, b"\x11\x22\x33", 4)
        await ctx.tick().repeat(8)
        ctx.set(dut.o.ready, 1)
        assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload) == 0x11
        await ctx.tick()
        assert not ctx.get(dut.o.valid)
        ctx.set(dut.o.ready, 0)
        await send_bytes(ctx, dut.rx, b"\x44", 4)
        await ctx.tick().repeat(8)
        assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload) == 0x44
    simulate(dut, bench)


@DIVISORS
def test_transmitter_sends_at_full_rate(divisor, rng):
    raw = rng.bytes(10)
    dut = UartTransmitter(divisor=divisor)
    bits = []

    async def drive(ctx):
        await put_all(ctx, dut.i, raw)

    async def watch(ctx):
        await ctx.tick().repeat(dut.latency)
        for _ in range(10 * len(raw)):
            levels = []
            for _ in range(divisor):
                levels.append(ctx.get(dut.tx))
                await ctx.tick()
            assert len(set(levels)) == 1, "a bit must not change"
            bits.append(levels[0])
        assert ctx.get(dut.tx)
    simulate(dut, drive, watch)
    assert bits == [bit for byte in raw
                    for bit in [0, *(byte >> index & 1 for index in range(8)), 1]]


def test_transmitter_idles_high_and_pauses(rng):
    raw = rng.bytes(12)
    dut = UartTransmitter(divisor=4)
    got = []

    async def drive(ctx):
        await put_all(ctx, dut.i, raw, rng=rng)

    async def take(ctx):
        assert ctx.get(dut.tx)
        while len(got) < len(raw):
            got.append(await receive_byte(ctx, dut.tx, 4))
    simulate(dut, drive, take)
    assert bytes(got) == raw


@pytest.mark.parametrize("block", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize(("divisor", "kind", "message"), [
    (3, ValueError, "divisor must be at least 4 clock cycles per bit, not 3"),
    (8.0, TypeError, r"divisor must be an integer, not 8\.0")])
def test_divisors_that_are_refused(block, divisor, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        block(divisor=divisor)
