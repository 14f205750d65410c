# SPDX-License-Identifier: Apache-2.0
"""Frames in, responses out; around the executor stand Python models of its neighbours."""
import pytest
from openeie.core.array.link_frames import Command, Reply
from openeie.core.array.load_port import Control, Target
from openeie.hw.link.execute import Executor
from openeie.hw.link.identity import IdentityMemory
from support.link_reference import IDENTITY, READABLE, Reference, with_crc

from ..bench import simulate
from .ports import Ports, replies, request


class Neighbours:
    """Receiver, identity and responder: offers frames, collects what is answered."""
    def __init__(self, frames, *, between=None, sending=5, **ports):
        self.dut = Executor()
        self.ports = Ports(self.dut, **ports)
        self.frames = list(frames)
        self.between = between or {}
        self.sending = sending
        self.answers = []
        self.busy_when = []

    def run(self, limit=60_000):
        simulate(self.dut, self.receiver, self.responder,
                 processes=[self.ports.process, self.identity], limit=limit)
        return self.answers

    async def receiver(self, ctx):
        dut = self.dut
        for number, frame in enumerate(self.frames):
            await ctx.tick().repeat(self.between.get(number, 3))
            assert not ctx.get(dut.active)
            self.busy_when.append(bool(ctx.get(dut.busy)))
            rest = bytes([len(frame) + 1]) + frame + bytes(300)
            ctx.set(dut.i.valid, 1)
            while not ctx.get(dut.drop):
                ctx.set(dut.i.payload, rest[0])
                ready = ctx.get(dut.i.ready)
                await ctx.tick()
                rest = rest[ready:]
            ctx.set(dut.i.valid, 0)
            await ctx.tick()
            assert not ctx.get(dut.drop)

    async def identity(self, ctx):
        shown = [0] * IdentityMemory.latency
        async for _, _, address, byte in ctx.tick().sample(self.dut.address, self.dut.byte):
            word = IDENTITY[address] if address < len(IDENTITY) else 0
            shown.append(word.to_bytes(8, "little")[byte])
            ctx.set(self.dut.identity, shown[-IdentityMemory.latency])

    async def responder(self, ctx):
        dut = self.dut
        body = b""
        kept = None
        aside = 0
        ctx.set(dut.o.ready, 1)
        while len(self.answers) < len(self.frames):
            if ctx.get(dut.response_start):
                body = b""
                aside = ctx.get(dut.aside)
            if ctx.get(dut.o.valid):
                body += bytes([ctx.get(dut.o.payload)])
            send = ctx.get(dut.send)
            again = ctx.get(dut.again)
            if send:
                kept = kept if aside else body
                self.answers.append(with_crc(body))
            if again:
                self.answers.append(with_crc(kept))
            await ctx.tick()
            if send or again:
                ctx.set(dut.sending, 1)
                for _ in range(self.sending):
                    assert not (ctx.get(dut.response_start) or ctx.get(dut.o.valid))
                    await ctx.tick()
                ctx.set(dut.sending, 0)


def test_worked_example():
    """A READ of the 8-byte word at address 5 of memory A, which has 0x1122334455667788.

    The request is number 0, which is what a link expects after a reset; the response has number,
    command + 0x80, OK, and the word's bytes, least significant first. (The CRC at the end of both
    is the receiver's and the responder's business.)
    """
    frame = bytes.fromhex("00 03 07 08 00 00 05 00 00 00 01 75 c3 d3 88")
    neighbours = Neighbours([frame])
    neighbours.ports.words[Target.ACT_A, 0, 5] = 0x1122_3344_5566_7788
    (answer,) = neighbours.run()
    assert answer[:-4].hex(" ") == "00 83 00 88 77 66 55 44 33 22 11"
    assert neighbours.ports.reads == [{"target": Target.ACT_A, "pe": 0, "address": 5}]


def draw_request(rng, expected):
    """Any request: mostly sensible ones, mostly with the right number."""
    sequence = (expected + int(rng.choice([0, -1, 1, 100], p=[.6, .25, .1, .05]))) % 256
    command = int(rng.choice([*Command, 0, 9], p=[.1, .4, .4, .04, .03, .03]))
    word_bytes = int(rng.choice([1, 2, 4, 8, 3], p=[.24, .24, .24, .24, .04]))
    words = [int.from_bytes(rng.bytes(8), "little") % (1 << 8 * word_bytes)
             for _ in range(int(rng.integers(0, 7)))]
    fields = {"words": words} if command == Command.WRITE else {"count": len(words)}
    return request(sequence, command, word_bytes=word_bytes, pe=int(rng.integers(3)),
                   target=int(rng.choice([*READABLE, 3, 12])), **fields,
                   address=int(rng.choice([0, 3, 254, 0xFFFE, 0xFF_FFFD, 0xFFFF_FFFE])))


def test_random_requests_agree_with_the_reference(rng):
    reference = Reference()
    frames = []
    wanted = []
    for _ in range(120):
        frames.append(draw_request(rng, reference.expected))
        wanted.append(reference.answer(frames[-1]))
    neighbours = Neighbours(frames)
    assert neighbours.run() == wanted
    assert neighbours.ports.writes == reference.writes
    assert set(replies([answer for answer in wanted if answer[1] & 0x7F in list(Command)])) == {
        Reply.OK, Reply.REFUSED, Reply.SEQUENCE}
    assert neighbours.ports.resets > 0


def test_while_a_program_runs_only_control_can_be_read():
    start = request(0, Command.WRITE, target=Target.CONTROL, address=Control.START, words=[1 << 16])
    frames = [start,
              request(1, Command.READ, target=Target.CONTROL, count=3),
              request(2, Command.READ, target=Target.ACT_B, count=1),
              request(2, Command.WRITE, target=Target.ACT_A, words=[5]),
              request(2, Command.WRITE, target=Target.CONTROL, address=Control.CLEAR, words=[0]),
              request(1, Command.READ, target=Target.CONTROL, count=3),     # the same once more
              request(2, Command.IDENTIFY, count=2),
              request(3, Command.READ, target=Target.COUNTER, count=1),
              request(3, Command.READ, target=Target.COUNTER, count=1)]
    neighbours = Neighbours(frames, run_cycles=1000, between={8: 1000})
    reference = Reference()
    wanted = [reference.answer(frame, busy=0 < number < 8) for number, frame in enumerate(frames)]
    assert neighbours.run() == wanted
    assert neighbours.busy_when == [False, *[True] * 7, False]
    assert replies(wanted) == [Reply.OK, Reply.OK, Reply.BUSY, Reply.BUSY, Reply.BUSY, Reply.OK,
                               Reply.OK, Reply.BUSY, Reply.OK]


@pytest.mark.parametrize("read_cycles", [1, 40])
def test_the_next_request_sees_that_a_start_made_the_array_busy(read_cycles):
    frames = [request(0, Command.WRITE, target=Target.CONTROL, address=Control.START, words=[1]),
              request(1, Command.WRITE, target=Target.ACT_A, words=[1, 2])]
    neighbours = Neighbours(frames, run_cycles=500, between={1: 1}, sending=0,
                            read_cycles=read_cycles)
    assert replies(neighbours.run()) == [Reply.OK, Reply.BUSY]
    assert len(neighbours.ports.writes) == 1


def test_a_reset_is_answered_when_the_array_is_ready():
    frames = [request(9, Command.RESET), request(10, Command.READ, target=Target.ACT_A, count=2)]
    neighbours = Neighbours(frames, wipe_cycles=700)
    assert replies(neighbours.run()) == [Reply.OK, Reply.OK]
    assert neighbours.busy_when == [False, False] and neighbours.ports.resets == 1


def test_a_reset_stops_a_program():
    frames = [request(0, Command.WRITE, target=Target.CONTROL, address=Control.START, words=[1]),
              request(1, Command.RESET), request(2, Command.WRITE, target=Target.ACT_A, words=[1])]
    neighbours = Neighbours(frames, run_cycles=50_000)
    assert replies(neighbours.run()) == [Reply.OK, Reply.OK, Reply.OK]


def test_nothing_is_repeated_before_anything_was_executed():
    frames = [request(255, Command.READ, count=1), request(255, Command.READ, count=1)]
    reference = Reference()
    wanted = [reference.answer(frame) for frame in frames]
    assert Neighbours(frames).run() == wanted and replies(wanted) == [Reply.SEQUENCE] * 2


def test_a_refusal_leaves_count_and_kept_response_alone():
    done = request(4, Command.IDENTIFY, word_bytes=4, count=7)
    frames = [request(3, Command.IDENTIFY, word_bytes=4, count=7),
              request(4, Command.READ, target=Target.ACT_A, count=3),
              request(5, Command.READ, target=Target.ENTRY, count=1),       # refused
              request(9, Command.READ, target=Target.ACT_A, count=1),       # out of sequence
              request(4, Command.READ, target=Target.ACT_A, count=3),       # kept
              request(5, Command.READ, target=Target.ACT_A, count=1), done]
    reference = Reference()
    wanted = [reference.answer(frame) for frame in frames]
    assert Neighbours(frames).run() == wanted
    assert wanted[4] == wanted[1] and wanted[3][3] == 5
    assert replies(wanted) == [Reply.OK, Reply.OK, Reply.REFUSED, Reply.SEQUENCE, Reply.OK,
                               Reply.OK, Reply.OK]
