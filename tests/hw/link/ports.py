# SPDX-License-Identifier: Apache-2.0
"""Shared by the link's tests: what stands behind the link, what it ought to answer, the lines."""
from cobs import cobs
from openeie.core.array.link_frames import Request, Response
from openeie.core.array.load_port import Control, Target
from support.link_reference import stored

from ..bench import plain


class Ports:
    """The accelerator's ports as a process: loads take two cycles, START and reset make busy."""
    def __init__(self, dut, *, run_cycles=0, wipe_cycles=30, read_cycles=4):
        self.dut = dut
        self.run_cycles = run_cycles
        self.wipe_cycles = wipe_cycles
        self.read_cycles = read_cycles
        self.words = {}
        self.writes = []
        self.reads = []
        self.resets = 0

    def read(self, target, pe, address):
        return self.words.get((target, pe, address), stored(target, pe, address))

    async def process(self, ctx):
        load = self.dut.i_load
        read = self.dut.i_read
        o = self.dut.o_read
        second = busy = start = was_reset = 0
        answer = None
        wait = 0
        async for _, _, lv, lr, lp, rv, rr, rp, orr, ov, reset in ctx.tick().sample(
                load.valid, load.ready, load.payload, read.valid, read.ready, read.payload,
                o.ready, o.valid, self.dut.reset):
            if lv and lr:
                word = plain(lp)
                self.writes.append(word)
                self.words[word["target"], word["pe"], word["address"]] = word["data"]
                if word["target"] == Target.CONTROL and word["address"] == Control.START:
                    start = 3
            if lv and not busy:
                second ^= 1
            if rv and rr:
                request = plain(rp)
                self.reads.append(request)
                answer = self.read(**request)
                wait = self.read_cycles
            if ov and orr:
                ctx.set(o.valid, 0)
                answer = None
            elif answer is not None:
                wait -= 1
                if wait == 0:
                    ctx.set(o.valid, 1)
                    ctx.set(o.payload, answer)
            busy = max(0, busy - 1)
            start = max(0, start - 1)
            if start == 1:
                busy = self.run_cycles
            if reset:
                busy = self.wipe_cycles
                self.resets += not was_reset
            was_reset = reset
            ctx.set(self.dut.busy, busy > 0)
            ctx.set(load.ready, second and not busy)
            ctx.set(read.ready, rv and not rr and answer is None
                    and (not busy or rp.target == Target.CONTROL))


def request(sequence, command, **fields):
    """A frame before COBS; ``data`` of a WRITE are its words."""
    words = fields.pop("words", None)
    size = fields.get("word_bytes", 8)
    if words is not None:
        fields |= {"count": len(words),
                   "data": b"".join(word.to_bytes(size, "little") for word in words)}
    return Request(sequence=sequence, command=command, **fields).pack()


def encoded(*frames):
    return b"".join(cobs.encode(frame) + b"\0" for frame in frames)


def decoded(raw):
    """Frames of a stream of bytes; whole ones only."""
    assert raw.endswith(b"\0") or not raw
    return [cobs.decode(part) for part in raw.split(b"\0") if part]


def replies(frames):
    return [Response.unpack(frame).reply for frame in frames]


async def send_bytes(ctx, line, raw, divisor, *, stop=1):
    """Put bytes on a line, 8N1."""
    for byte in raw:
        for bit in [0, *(byte >> index & 1 for index in range(8)), stop]:
            ctx.set(line, bit)
            await ctx.tick().repeat(divisor)
    ctx.set(line, 1)


async def receive_byte(ctx, line, divisor):
    """Wait for a byte on a line and take it, as far as the middle of its stop bit."""
    while ctx.get(line):
        await ctx.tick()
    await ctx.tick().repeat(divisor // 2)
    byte = 0
    for index in range(9):
        await ctx.tick().repeat(divisor)
        byte |= ctx.get(line) << index
    assert byte >> 8, "the stop bit must be high"
    return byte & 0xFF
