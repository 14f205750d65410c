# SPDX-License-Identifier: Apache-2.0
import pytest
from cobs import cobs
from openeie.hw.link.cobs import CobsDecoder, CobsEncoder

from ..bench import cycles_of, simulate, trace

#: The frame 11 22 00 33: a code says how far the next code is; the frame's zero has become one.
FRAME = bytes.fromhex("11 22 00 33")
ENCODED = bytes.fromhex("03 11 22 02 33 00")

EDGES = [b"\0", b"\0\0\0", b"a", b"a\0", b"\0a", b"a\0\0b", bytes(range(1, 255)),
         bytes(253), b"\1" * 253, b"\1" * 253 + b"\0", b"\0" + b"\2" * 253, b"\xff" * 254]


def test_worked_example_of_the_decoder():
    """Every byte but the codes is shown in the next cycle; the code 02 shows the frame's zero."""
    steps = [{"i.valid": 1, "i.payload": byte} for byte in ENCODED]
    rows = trace(CobsDecoder(), [*steps, {}], "valid", "byte", "end", "good")
    assert cycles_of(rows, "valid") == [0, 0, 1, 1, 1, 1, 0]
    assert [row["byte"] for row in rows if row["valid"]] == [0x11, 0x22, 0x00, 0x33]
    assert cycles_of(rows, "end") == [0, 0, 0, 0, 0, 0, 1]
    assert rows[6]["good"] == 1


def test_worked_example_of_the_encoder():
    """Each byte is one write in its cycle: 11, 22, for the zero the code before it, 33.

    ``finish`` writes the last code, and a cycle later the zero that ends the frame.
    """
    steps = [{"start": 1}, *[{"put": 1, "byte": byte} for byte in FRAME], {"finish": 1}, {}]
    rows = trace(CobsEncoder(), steps, "write", "address", "data")
    writes = [(row["address"], row["data"]) for row in rows if row["write"]]
    assert writes == [(1, 0x11), (2, 0x22), (0, 0x03), (4, 0x33), (3, 0x02), (5, 0x00)]
    assert bytes(data for _, data in sorted(writes)) == ENCODED


def draw_frames(rng, count):
    """Frames with few zeros, many, and none."""
    return [bytes(rng.choice([0, *range(1, 256)], size=int(rng.integers(1, 100)),
                             p=[share, *[(1 - share) / 255] * 255]).tolist())
            for share in rng.choice([0, .05, .5, 1], size=count)]


def decode(raw, gaps=()):
    """Frames as (bytes, good), from one byte a cycle; pauses before the indices in ``gaps``."""
    steps = []
    for index, byte in enumerate(raw):
        steps += [{}] * (index in gaps) + [{"i__valid": 1, "i__payload": byte}]
    dut = CobsDecoder()
    frames = []
    frame = []
    offers = [(step.get("i__valid", 0), step.get("i__payload", 0xAA)) for step in steps]

    async def bench(ctx):
        for valid, payload in [*offers, *[(0, 0)] * dut.latency]:
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, payload)
            assert ctx.get(dut.i.ready)
            await ctx.tick()
            assert not (ctx.get(dut.valid) and ctx.get(dut.end))
            if ctx.get(dut.valid):
                frame.append(ctx.get(dut.byte))
            if ctx.get(dut.end):
                frames.append((bytes(frame), bool(ctx.get(dut.good))))
                frame.clear()
    simulate(dut, bench)
    return frames


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_decoder_agrees_with_the_package(stalled, rng):
    frames = EDGES + draw_frames(rng, 20)
    raw = b"".join(cobs.encode(frame) + b"\0" for frame in frames)
    gaps = set(rng.integers(0, len(raw), len(raw) // 3).tolist()) if stalled else ()
    assert decode(raw, gaps) == [(frame, True) for frame in frames]


def test_a_frame_may_end_after_a_full_block_or_with_an_empty_one():
    full = b"\xff" + b"\7" * 254
    assert decode(full + b"\0" + full + b"\1\0" + full + b"\3ab\0") == [
        (b"\7" * 254, True), (b"\7" * 254, True), (b"\7" * 254 + b"ab", True)]


def test_zeros_between_frames_are_nothing_and_cut_blocks_are_bad():
    assert decode(b"\0\0\2a\0\0\0\5bc\0\1\0\2\0\2d\0") == [
        (b"a", True), (b"bc", False), (b"", True), (b"", False), (b"d", True)]


@pytest.mark.parametrize("paused", [False, True], ids=["full-rate", "stalled"])
def test_encoder_agrees_with_the_package(paused, rng):
    for frame in [*EDGES, *draw_frames(rng, 12), b""]:
        steps = [{"start": 1}]
        for byte in frame:
            steps += [{"byte": 0x77}] * int(paused and rng.integers(3))
            steps.append({"put": 1, "byte": byte})
        steps += [{"finish": 1, "byte": int(rng.integers(256))}, {}, {}]
        memory = {}
        for row in trace(CobsEncoder(), steps, "write", "address", "data"):
            if row["write"]:
                memory[row["address"]] = row["data"]
        wanted = cobs.encode(frame) + b"\0"
        assert bytes(memory[address] for address in range(len(wanted))) == wanted
        assert len(memory) == len(wanted)
