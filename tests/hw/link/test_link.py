# SPDX-License-Identifier: Apache-2.0
"""The whole link, from its lines to the accelerator's ports and back."""
import numpy as np
import pytest
from amaranth import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import connect
from openeie.core.array.config import preset
from openeie.core.array.link_frames import Command, Identity, Reply, Response
from openeie.core.array.load_port import Control, Fault, Status, Target
from openeie.hw.accelerator import Accelerator
from openeie.hw.link.link import Link
from support.link_reference import IDENTITY, Reference, with_crc

from ..bench import simulate
from .ports import Ports, decoded, encoded, receive_byte, replies, request, send_bytes

pytestmark = pytest.mark.slow

DIVISOR = 4
READ = request(0, Command.READ, target=Target.ACT_A, pe=1, address=250, word_bytes=2, count=9)


class Host:
    """Sends bytes, and collects what comes back until the link is idle."""
    def __init__(self, dut=None, *, identity=IDENTITY, **ports):
        self.dut = Link(identity, divisor=DIVISOR) if dut is None else dut
        self.ports = Ports(self.dut, **ports) if dut is None else None
        self.raw = b""
        self.error = None

    def run(self, *sent, limit=100_000):
        """Send each part, and wait for quiet after it; returns the frames that came."""
        idle = [False]

        async def drive(ctx):
            for raw in sent:
                await send_bytes(ctx, self.dut.rx, raw, DIVISOR)
                quiet = 0
                while quiet < 100:
                    await ctx.tick()
                    quiet = 0 if ctx.get(self.dut.active) or not ctx.get(self.dut.tx) else quiet + 1
            self.error = ctx.get(self.dut.error)
            idle[0] = True

        async def listen(ctx):
            while not idle[0]:
                if ctx.get(self.dut.tx):
                    await ctx.tick()
                else:
                    self.raw += bytes([await receive_byte(ctx, self.dut.tx, DIVISOR)])
        simulate(self.dut, drive, listen, limit=limit,
                 processes=[self.ports.process] if self.ports else [])
        return decoded(self.raw)


def test_worked_example():
    """What stands on the two lines when a host reads the 8-byte word at address 5 of memory A.

    The request is READ number 0, the response OK with the word, least significant byte first. Each
    has its CRC, is encoded with COBS, which leaves no zeros in it, and ends with a zero.
    """
    host = Host()
    host.ports.words[Target.ACT_A, 0, 5] = 0x1122_3344_5566_7788
    host.run(bytes.fromhex("01 04 03 07 08 01 02 05 01 01 06 01 75 c3 d3 88 00"))
    assert host.raw.hex(" ") == "01 02 83 0d 88 77 66 55 44 33 22 11 a9 2d a3 1e 00"
    assert host.error == 0


def answers(*frames, reference=None):
    reference = Reference() if reference is None else reference
    return [reference.answer(frame) for frame in frames]


def test_every_command_and_the_repetition_of_a_response():
    frames = [request(200, Command.IDENTIFY, word_bytes=4, count=29),
              request(201, Command.WRITE, target=Target.ENTRY, pe=3, address=0xFFFE,
                      words=[0, 1, (1 << 64) - 1, 0x0102_0304_0506_0708]),
              request(202, Command.WRITE, target=Target.ACT_A, pe=1, address=252, word_bytes=2,
                      words=[0, 0xFF00, 0x1234]),
              request(203, Command.READ, target=Target.ACT_A, pe=1, address=250, word_bytes=2,
                      count=9)]
    frames += [frames[-1], request(205, Command.READ, count=1), frames[-1],
               request(204, Command.READ, target=Target.ENTRY, count=1),
               request(17, Command.RESET), request(18, Command.READ, word_bytes=1, count=232)]
    host = Host()
    reference = Reference()
    wanted = answers(*frames, reference=reference)
    assert host.run(*(encoded(frame) for frame in frames)) == wanted
    assert replies(wanted) == [Reply.OK] * 5 + [Reply.SEQUENCE, Reply.OK, Reply.REFUSED,
                                                Reply.OK, Reply.OK]
    assert host.ports.writes == reference.writes and host.ports.resets == 1
    assert len(host.ports.reads) == 9 + 232, "a repeated request must not read again"


def test_two_frames_back_to_back_and_a_zero_between():
    frames = [request(number, Command.WRITE, target=Target.POINTER, words=[number, 7])
              for number in range(2)]
    read = request(2, Command.READ, count=1)
    host = Host()
    reference = Reference()
    wanted = answers(*frames, read, reference=reference)
    assert host.run(encoded(*frames), b"\0\0" + encoded(read)) == wanted
    assert host.ports.writes == reference.writes


def test_a_third_frame_ahead_is_dropped_whole():
    """While a reset is going on, its frame and the next fill both places."""
    frames = [request(0, Command.RESET), request(1, Command.READ, count=1),
              request(2, Command.READ, count=1), request(3, Command.READ, count=1)]
    host = Host(wipe_cycles=4000)
    got = host.run(encoded(*frames[:3]), encoded(frames[3]))
    assert replies(got) == [Reply.OK, Reply.OK, Reply.SEQUENCE]
    assert Response.unpack(got[2]).data == b"\2", "the third was not executed"


def test_busy_and_then_not():
    start = request(0, Command.WRITE, target=Target.CONTROL, address=Control.START, words=[1 << 16])
    write = request(1, Command.WRITE, target=Target.ACT_A, words=[1, 2])
    status = request(1, Command.READ, target=Target.CONTROL, count=1)
    host = Host(run_cycles=9000)
    got = host.run(encoded(start, write), encoded(write), encoded(status),
                   b"\0" * 200 + encoded(request(2, Command.WRITE, target=Target.ACT_A, words=[3])))
    assert replies(got) == [Reply.OK, Reply.BUSY, Reply.BUSY, Reply.OK, Reply.OK]
    assert [word["data"] for word in host.ports.writes] == [1 << 16, 3]


def damaged(rng, frame, kind):
    raw = encoded(frame)
    bad = bytearray(frame)
    if kind == "bad CRC":
        bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
        return encoded(bad)
    return {"overlong": encoded(with_crc(rng.bytes(252))), "short": encoded(frame[:9]),
            "torn": raw[:len(raw) // 2] + b"\0", "cut": raw[len(raw) // 2:],
            "rubbish": rng.bytes(90) + b"\0"}[kind]


@pytest.mark.parametrize("kind", ["bad CRC", "overlong", "short", "torn", "cut", "rubbish"])
def test_a_bad_frame_is_dropped_without_an_answer(kind, rng):
    host = Host()
    bad = damaged(rng, request(0, Command.WRITE, target=Target.ACT_A, words=[1, 2, 3]), kind)
    assert host.run(bad) == [] and host.error == 1 and not host.ports.writes
    host = Host()
    assert host.run(bad + encoded(READ), encoded(READ)) == answers(READ, READ)
    assert host.error == 0


def test_random_bytes_and_then_a_good_frame(rng):
    identify = request(99, Command.IDENTIFY, word_bytes=4, count=3)
    for _ in range(4):
        raw = bytes(rng.choice([0, 1, 2, 15, 255, *rng.integers(256, size=5)], 120).tolist())
        host = Host()
        assert host.run(raw + b"\0" + encoded(identify))[-1:] == answers(identify)
        assert not host.ports.writes and not host.ports.resets


@pytest.mark.parametrize("body", [
    [0, 2, 7, 8, *[0] * 6, 0], [0, 2, 7, 8, *[0] * 6, 2, 9], [5, 3, 7, 8, *[0] * 6, 1],
    [0, 0, 7, 8, *[0] * 6, 1]], ids=["count", "length", "sequence", "command"])
def test_a_good_crc_does_not_make_a_good_request(body):
    frame = with_crc(body)
    host = Host()
    wanted = answers(frame, READ)
    assert host.run(encoded(frame, READ)) == wanted and wanted[1][2] == Reply.OK


class Board(wiring.Component):
    """Link and array, as a board connects them."""
    def __init__(self, identity, config):
        self._identity = identity
        self._config = config
        super().__init__({"rx": wiring.In(1, init=1), "tx": wiring.Out(1),
                          "active": wiring.Out(1), "error": wiring.Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = Link(self._identity, divisor=DIVISOR)
        accelerator = Accelerator(self._config)
        m.submodules.accelerator = ResetInserter(link.reset)(accelerator)
        for name in ("i_load", "i_read", "o_read"):
            connect(m, getattr(link, name), getattr(accelerator, name))
        m.d.comb += [link.busy.eq(accelerator.busy), link.rx.eq(self.rx), self.tx.eq(link.tx),
                     self.active.eq(link.active), self.error.eq(link.error)]
        return m


def test_the_real_array_behind_the_link(rng):
    config = preset("TINY").replace(pes=2)
    identity = Identity(design=0x0123_4567_89AB_CDEF, board="none", clock_hz=1_000_000,
                        config=config)
    words = identity.words()
    acts = rng.integers(-100, 100, 6).astype(np.int16)
    start = request(3, Command.WRITE, target=Target.CONTROL, address=Control.START, words=[1 << 16])
    status = {"target": Target.CONTROL, "address": Status.STATE, "word_bytes": 4, "count": 1}
    frames = [request(0, Command.IDENTIFY, word_bytes=4, count=len(words)),
              request(1, Command.WRITE, target=Target.ACT_A, pe=1, address=2, word_bytes=2,
                      words=acts.view(np.uint16).tolist()),
              request(2, Command.READ, target=Target.ACT_A, pe=1, address=2, word_bytes=2, count=6),
              start, request(4, Command.READ, **status), request(5, Command.RESET),
              request(6, Command.READ, **status),
              request(7, Command.READ, target=Target.CONTROL, address=Status.CONFIG, count=1),
              request(8, Command.READ, target=Target.ACT_A, pe=1, address=7, word_bytes=2, count=1)]
    got = Host(Board(words, config)).run(*(encoded(frame) for frame in frames))
    assert replies(got) == [Reply.OK] * len(frames)
    data = [Response.unpack(frame).data for frame in got]
    assert Identity.from_words(np.frombuffer(data[0], np.uint32).tolist()) == identity
    assert np.array_equal(np.frombuffer(data[2], np.int16), acts)
    assert data[4][0] == Fault.UNCHECKED and data[6][0] == Fault.NONE
    assert data[7][::-1].hex() == config.digest[:16]
    assert np.frombuffer(data[8], np.int16).tolist() == [acts[5]]
