# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.link_frames import CREDITS, MAX_FRAME
from openeie.hw.link.receive import Receiver
from support.link_reference import with_crc

from ..bench import get_n, put_all, simulate, trace
from .ports import encoded

pytestmark = pytest.mark.slow


def test_worked_example():
    """The shortest frame, in place 0: it is shown four cycles after the zero that ends it.

    A READ of one word has 11 bytes of header and 4 of CRC. COBS makes 17 bytes of them, the zero
    at the end included. First comes the length, 15 bytes and itself, then the frame.
    """
    frame = bytes.fromhex("00 03 07 08 00 00 05 00 00 00 01 75 c3 d3 88")
    raw = bytes.fromhex("01 04 03 07 08 01 02 05 01 01 06 01 75 c3 d3 88 00")
    steps = [{"i.valid": 1, "i.payload": byte} for byte in raw]
    rows = trace(Receiver(), [*steps, *[{"o.ready": 1} for _ in range(60)]], "o.valid", "o.payload")
    shown = [(cycle, row["o.payload"]) for cycle, row in enumerate(rows) if row["o.valid"]]
    assert shown[0] == (16 + 4, 16)
    assert bytes(byte for _, byte in shown[1:16]) == frame


def draw(rng, size):
    """A frame of ``size`` bytes, CRC included."""
    return with_crc(rng.bytes(size - 4))


async def take(ctx, dut, rng=None):
    """The oldest frame; it is dropped from the buffer."""
    size, = await get_n(ctx, dut.o, 1, rng=rng)
    frame = await get_n(ctx, dut.o, size - 1, rng=rng)
    ctx.set(dut.drop, 1)
    await ctx.tick()
    ctx.set(dut.drop, 0)
    return bytes(frame)


def run(raw, count, *, rng=None, together=False, error=None):
    """Send bytes, then (or at the same time) take ``count`` frames."""
    dut = Receiver()
    got = []
    sent = []

    async def drive(ctx):
        await put_all(ctx, dut.i, raw, rng=rng)
        sent.append(True)

    async def read(ctx):
        while not (sent or together):
            await ctx.tick()
        for _ in range(count):
            got.append(await take(ctx, dut, rng=rng))
        while not sent:
            await ctx.tick()
        for _ in range(dut.latency + 2):
            assert not ctx.get(dut.o.valid)
            await ctx.tick()
        if error is not None:
            assert ctx.get(dut.error) == error
    simulate(dut, drive, read)
    return got


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
@pytest.mark.parametrize("size", [15, 16, 100, 247, MAX_FRAME])
def test_frames_back_to_back(size, stalled, rng):
    frames = [draw(rng, size) for _ in range(CREDITS)]
    assert run(encoded(*frames), 2, rng=rng if stalled else None, error=0) == frames


def test_a_frame_is_offered_after_its_latency(rng):
    dut = Receiver()

    async def bench(ctx):
        await put_all(ctx, dut.i, encoded(draw(rng, 20)))
        for _ in range(dut.latency - 1):
            assert not ctx.get(dut.o.valid)
            await ctx.tick()
        assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload) == 21
    simulate(dut, bench)


def test_each_place_is_used_again_and_again(rng):
    """Frames are taken while others come; they come at the speed at which they are taken."""
    frames = [draw(rng, int(rng.integers(15, 60))) for _ in range(12)]
    dut = Receiver()
    got = []

    async def drive(ctx):
        for number, frame in enumerate(frames):
            while number - len(got) >= CREDITS:
                await ctx.tick()
            await put_all(ctx, dut.i, encoded(frame), rng=rng)

    async def read(ctx):
        for _ in frames:
            got.append(await take(ctx, dut))
    simulate(dut, drive, read)
    assert got == frames


@pytest.mark.parametrize("bit", [0, 77, 20 * 8 - 1])
def test_a_wrong_bit_drops_the_frame(bit, rng):
    good = draw(rng, 20)
    bad = bytearray(draw(rng, 20))
    bad[bit // 8] ^= 1 << bit % 8
    assert run(encoded(bad), 0, error=1) == []
    assert run(encoded(bad, good), 1, error=0) == [good]
    assert run(encoded(good, bad), 1, error=1) == [good]


@pytest.mark.parametrize("size", [4, 5, 14, MAX_FRAME + 1, MAX_FRAME + 2, 300, 511, 600])
def test_frames_of_a_wrong_length_are_dropped(size, rng):
    good = [draw(rng, 30), draw(rng, 15)]
    raw = encoded(good[0], draw(rng, size), good[1])
    assert run(raw, 2, error=0) == good


@pytest.mark.parametrize("rest", [b"", b"\0", b"\0\0\0", b"\1", b"\1\0", b"\2\0", b"\xff\0",
                                  b"\5ab\0", b"\xff" * 700 + b"\0"])
def test_a_frame_after_rubbish(rest, rng):
    frame = draw(rng, 33)
    assert run(rest.rstrip(b"\0") + b"\0" + encoded(frame), 1, error=0) == [frame]


@pytest.mark.parametrize("cut", range(1, 34, 4))
def test_a_torn_frame_and_then_a_zero(cut, rng):
    frame = draw(rng, 33)
    assert run(encoded(frame)[:cut] + b"\0" + encoded(frame), 1, error=0) == [frame]


def test_a_third_frame_is_dropped_whole(rng):
    frames = [draw(rng, 40) for _ in range(3)]
    assert run(encoded(*frames), 2, error=1) == frames[:2]


@pytest.mark.parametrize("after", range(42))
def test_a_place_that_becomes_free_within_a_frame_does_not_take_its_rest(after, rng):
    frames = [draw(rng, 40) for _ in range(4)]
    dut = Receiver()
    got = []

    async def bench(ctx):
        await put_all(ctx, dut.i, encoded(*frames[:2]))
        third = encoded(frames[2])
        await put_all(ctx, dut.i, third[:after])
        ctx.set(dut.drop, 1)
        await put_all(ctx, dut.i, third[after:after + 1])
        ctx.set(dut.drop, 0)
        await put_all(ctx, dut.i, third[after + 1:])
        await ctx.tick().repeat(2)
        got.append(await take(ctx, dut))
        if ctx.get(dut.error):
            await put_all(ctx, dut.i, encoded(frames[3]))
        got.append(await take(ctx, dut))
    simulate(dut, bench)
    assert got in ([frames[1], frames[2]], [frames[1], frames[3]])


def test_random_bytes_never_make_a_frame_and_never_hang(rng):
    frame = draw(rng, 25)
    raw = bytes(rng.choice([0, 1, 2, 3, 20, 255], 3000, p=[.05, .1, .1, .1, .3, .35]).tolist())
    assert run(raw + b"\0" + encoded(frame), 1, error=0) == [frame]
