# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.link_frames import Command
from openeie.core.array.load_port import Target
from openeie.hw.link.words import WordMover

from ..bench import get_n, plain, put_all, simulate

BASE = {"length": 0, "sequence": 0, "command": 0, "target": Target.ACT_B, "word_bytes": 8,
        "pe": 0xA5F0, "address": 0x0001_FFFE, "count": 5}


def test_worked_example_of_a_write():
    """One word of two bytes, 34 12, goes to address 5 as 0x1234; the other six bytes are 0.

    Eight cycles gather the bytes, one offers the word, four move the address on.
    """
    head = BASE | {"command": Command.WRITE, "word_bytes": 2, "address": 5, "count": 1}
    got, loads, requests, cycles = move(head, sent=bytes([0x34, 0x12]))
    assert loads == [{"target": Target.ACT_B, "pe": 0xA5F0, "address": 5, "data": 0x1234}]
    assert (got, requests, cycles) == (b"", [], 13)


def test_worked_example_of_a_read():
    """The word 0x1234 at address 5, cut to two bytes, goes out as 34 12.

    One cycle asks, one fetches, two emit the bytes, four move the address on.
    """
    head = BASE | {"command": Command.READ, "word_bytes": 2, "address": 5, "count": 1}
    got, loads, requests, cycles = move(head, words=[0x1234], count=2)
    assert requests == [{"target": Target.ACT_B, "pe": 0xA5F0, "address": 5}]
    assert (got, loads, cycles) == (bytes([0x34, 0x12]), [], 8)


def move(head, *, sent=b"", words=(), count=0, rng=None):
    """One request through the mover.

    ``sent`` is what the frame holds, ``words`` what is read, ``count`` how many bytes must come.
    Returns what came, what was loaded, the requests to read, and the cycles.
    """
    dut = WordMover()
    finished = []
    cycles = [0]
    loads = []
    requests = []
    got = []

    async def bench(ctx):
        ctx.set(dut.head, head)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        while not finished:
            if ctx.get(dut.done):
                finished.append(True)
            advance = ctx.get(dut.advance)
            is_next = ctx.get(dut.next)
            cycles[0] += 1
            await ctx.tick()
            if is_next:
                now = plain(ctx.get(dut.head))
                assert advance
                ctx.set(dut.head, now | {"address": now["address"] + 1, "count": now["count"] - 1})
        for _ in range(20):
            assert not (ctx.get(dut.i_load.valid) or ctx.get(dut.i_read.valid)
                        or ctx.get(dut.o.valid) or ctx.get(dut.i.ready))
            await ctx.tick()

    async def load(ctx):
        for _ in range(head["count"] if head["command"] == Command.WRITE else 0):
            loads.extend(await get_n(ctx, dut.i_load, 1, rng=rng))

    async def read(ctx):
        for word in words:
            requests.extend(await get_n(ctx, dut.i_read, 1, rng=rng))
            await put_all(ctx, dut.o_read, [word], rng=rng)

    async def take(ctx):
        got.extend(await get_n(ctx, dut.o, count, rng=rng))

    async def feed(ctx):
        await put_all(ctx, dut.i, sent, rng=rng)
    simulate(dut, bench, load, read, take, feed)
    return bytes(got), loads, requests, cycles[0]


STALLS = pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
WIDTHS = pytest.mark.parametrize("word_bytes", [1, 2, 4, 8])


@WIDTHS
@pytest.mark.parametrize("command", [Command.WRITE, Command.READ])
def test_cycles_at_full_rate(command, word_bytes, rng):
    head = BASE | {"command": command, "word_bytes": word_bytes}
    sent = rng.bytes(5 * word_bytes) if command == Command.WRITE else b""
    words = [7] * 5 if command == Command.READ else []
    *_, cycles = move(head, sent=sent, words=words, count=len(words) * word_bytes)
    cycles_per_word = {Command.WRITE: 8 + 1 + 4, Command.READ: 1 + 1 + word_bytes + 4}
    assert cycles == 5 * cycles_per_word[command]


@STALLS
@WIDTHS
def test_write(word_bytes, stalled, rng):
    head = BASE | {"command": Command.WRITE, "word_bytes": word_bytes}
    sent = rng.bytes(5 * word_bytes)
    _, loads, _, _ = move(head, sent=sent, rng=rng if stalled else None)
    assert loads == [{"target": Target.ACT_B, "pe": 0xA5F0, "address": 0x1FFFE + number,
                      "data": int.from_bytes(sent[number * word_bytes:][:word_bytes], "little")}
                     for number in range(5)]


@STALLS
@WIDTHS
def test_read(word_bytes, stalled, rng):
    head = BASE | {"command": Command.READ, "word_bytes": word_bytes}
    words = [int.from_bytes(rng.bytes(8), "little") for _ in range(5)]
    got, _, requests, _ = move(head, words=words, count=5 * word_bytes,
                               rng=rng if stalled else None)
    assert got == b"".join(word.to_bytes(8, "little")[:word_bytes] for word in words)
    assert requests == [{"target": Target.ACT_B, "pe": 0xA5F0, "address": 0x1FFFE + number}
                        for number in range(5)]
