# SPDX-License-Identifier: Apache-2.0
"""Shared by the link's tests: what stands behind the link, what it ought to answer, the lines."""
import zlib

from cobs import cobs
from openeie.core.link import MAX_DATA, Command, Reply, Request, Response
from openeie.core.program import Control, Target

from ..bench import plain

READABLE = (Target.CONTROL, Target.ACT_A, Target.ACT_B, Target.COUNTER, Target.CYCLES)
IDENTITY = [0x0101_0000 * n + 0x0302 + n for n in range(27)]


def stored(target, pe, address):
    """What a word holds that was never written: different everywhere, with zeros among it."""
    return zlib.crc32(f"{target} {pe} {address}".encode()) << 20 & 0xFFFF_FFFF_FFFF_00FF


class Ports:
    """The accelerator's ports as a process: loads take two cycles, START and reset make busy."""
    def __init__(self, dut, *, run_cycles=0, wipe_cycles=30, read_cycles=4):
        self.dut, self.run_cycles, self.wipe_cycles = dut, run_cycles, wipe_cycles
        self.read_cycles = read_cycles
        self.words, self.writes, self.reads, self.resets = {}, [], [], 0

    def read(self, target, pe, address):
        return self.words.get((target, pe, address), stored(target, pe, address))

    async def process(self, ctx):
        load, read, o = self.dut.i_load, self.dut.i_read, self.dut.o_read
        second = busy = start = was_reset = 0
        answer, wait = None, 0
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
                answer, wait = self.read(**request), self.read_cycles
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


class Reference:
    """The protocol in Python: what a link answers to each good frame."""
    def __init__(self, identity=IDENTITY):
        self.identity = identity
        self.words, self.writes, self.expected, self.last = {}, [], 0, None

    def refused(self, frame):
        sequence, command, target, word_bytes = frame[:4]
        count, data = frame[10], frame[11:-4]
        if command == Command.RESET:
            return bool(data)
        if word_bytes not in (1, 2, 4, 8) or not 0 < count * word_bytes <= MAX_DATA:
            return True
        if command == Command.WRITE:
            return (len(data) != count * word_bytes or target > Target.ACT_B
                    or (target == Target.CONTROL and count != 1))
        if command == Command.READ:
            return bool(data) or target not in READABLE
        return command != Command.IDENTIFY or bool(data)

    def answer(self, frame, busy=False):
        """The response, packed; ``frame`` has its CRC."""
        sequence, command, target, word_bytes = frame[:4]
        is_any = command in (Command.IDENTIFY, Command.RESET)
        if not is_any and sequence != self.expected:
            if self.last is not None and sequence == (self.expected - 1) % 256:
                return self.last
            return respond(sequence, command, Reply.SEQUENCE, bytes([self.expected]))
        if self.refused(frame):
            return respond(sequence, command, Reply.REFUSED)
        if busy and (command == Command.WRITE
                     or (command == Command.READ and target != Target.CONTROL)):
            return respond(sequence, command, Reply.BUSY)
        self.expected = (sequence + 1) % 256
        self.last = respond(sequence, command, Reply.OK, self.execute(frame))
        return self.last

    def execute(self, frame):
        _, command, target, word_bytes = frame[:4]
        pe, address = int.from_bytes(frame[4:6], "little"), int.from_bytes(frame[6:10], "little")
        count, data, out = frame[10], frame[11:-4], b""
        for number in range(count if command != Command.RESET else 0):
            where = (address + number) % (1 << 32)
            if command == Command.WRITE:
                word = int.from_bytes(data[number * word_bytes:][:word_bytes], "little")
                self.words[target, pe, where] = word
                self.writes.append({"target": target, "pe": pe, "address": where, "data": word})
            else:
                if command == Command.READ:
                    word = self.words.get((target, pe, where), stored(target, pe, where))
                else:
                    word = self.identity[where] if where < len(self.identity) else 0
                out += word.to_bytes(8, "little")[:word_bytes]
        return out


def with_crc(body):
    return bytes(body) + zlib.crc32(bytes(body)).to_bytes(4, "little")


def respond(sequence, command, reply, data=b""):
    return with_crc(bytes([sequence, command ^ 0x80, reply]) + data)


def request(sequence, command, **fields):
    """A frame before COBS; ``data`` of a WRITE are its words."""
    words, size = fields.pop("words", None), fields.get("word_bytes", 8)
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
