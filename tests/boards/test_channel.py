# SPDX-License-Identifier: Apache-2.0
"""The host's side of the link against the protocol in Python, on a line that does as told."""
import time
from collections import deque

import pytest
from openeie.boards import board, channel
from openeie.boards.driver import Device
from openeie.boards.identity import identity
from openeie.core.array.config import preset
from openeie.core.array.link_frames import CREDITS, Command, Identity, Reply, Request
from openeie.core.array.load_port import Target
from openeie.core.errors import ArrayFault, LinkError
from support.link_reference import Reference, respond

IDENTITY = identity(board("icebreaker"), preset("TINY"))


class FakePort:
    """A perfect line to a :class:`Reference`; ``fate`` may change what a frame meets there."""
    reference: Reference
    fate = staticmethod(lambda number, frame: "answer")
    sent = 0
    busy = False

    def __init__(self, url, baud):
        self.answers = deque()

    def close(self):
        pass

    def send(self, frame):
        cls = type(self)
        if not frame:
            return
        cls.sent += 1
        fate = cls.fate(cls.sent, frame)
        if fate == "lose":
            return
        answer = self.reference.answer(frame, busy=cls.busy)
        if fate == "answer":
            self.answers.append(answer)
        elif isinstance(fate, bytes):
            self.answers.append(fate)

    def receive(self, deadline):
        if self.answers:
            return self.answers.popleft()
        time.sleep(max(0.0, deadline - time.monotonic()))
        return None


@pytest.fixture
def port(monkeypatch):
    """The class of the channel's port, to be told what to do."""
    class Port(FakePort):
        reference = Reference(IDENTITY.words())
    monkeypatch.setattr(channel, "Port", Port)
    return Port


def write(address, *words):
    return Request(sequence=0, command=Command.WRITE, target=Target.ACT_A, word_bytes=2,
                   address=address, count=len(words),
                   data=b"".join(word.to_bytes(2, "little") for word in words))


def written(port):
    return [(entry["address"], entry["data"]) for entry in port.reference.writes]


def test_in_order_and_once(port):
    with Device("fake") as device:
        device._channel.exchange([write(k, k + 7) for k in range(600)], CREDITS)
    assert written(port) == [(k, k + 7) for k in range(600)]


@pytest.mark.parametrize("fate", ["lose", "mute"])
@pytest.mark.parametrize("every", [2, 3, 5])
def test_losses_are_made_good(port, fate, every):
    """Lost requests and lost answers: each is executed once, in order."""
    with Device("fake") as device:
        port.fate = lambda number, frame: fate if number % every == 0 else "answer"
        device._channel.exchange([write(k, k) for k in range(60)], CREDITS)
        assert port.sent < 60 * 8
    assert written(port) == [(k, k) for k in range(60)]


@pytest.mark.parametrize("losses", [1, 2, 3])
def test_a_lost_identity_does_not_slow_the_link_down(port, losses):
    port.fate = lambda number, frame: "lose" if number <= losses else "answer"
    with Device("fake") as device:
        port.fate = lambda number, frame: "lose"
        begun = time.monotonic()
        with pytest.raises(LinkError, match="no answer from port fake to READ in 1.8 s"):
            device.read(Target.ACT_A, 0, 0, 1)
        assert time.monotonic() - begun < 2
        port.fate = FakePort.fate
        device.read(Target.ACT_A, 0, 0, 1)


def test_a_refusal_is_told_at_once_and_harms_nothing(port):
    with Device("fake") as device:
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(LinkError, match="refuses READ of 1 words at target 2, PE "):
                device.read(Target.ENTRY, 0, 0, 1)
            with pytest.raises(LinkError, match="refuses WRITE of 1 words at target 200"):
                device._channel.exchange([
                    write(0, 1), Request(**vars(write(1, 2)) | {"target": 200}), write(2, 3)],
                    CREDITS)
            device._channel.exchange([write(9, 4), write(10, 5)], CREDITS)
        assert time.monotonic() - begun < 1
    assert written(port) == 3 * [(0, 1), (9, 4), (10, 5)]


def test_busy_is_told_at_once_and_harms_nothing(port):
    with Device("fake") as device:
        port.busy = True
        with pytest.raises(ArrayFault, match="the array is busy and takes no WRITE"):
            device._channel.exchange([write(k, k) for k in range(9)], CREDITS)
        port.busy = False
        device._channel.exchange([write(0, 7)], CREDITS)
    assert written(port) == [(0, 7)]


def test_a_reset_board_is_noticed(port):
    with Device("fake") as device:
        port.reference = Reference(IDENTITY.words())
        port.reference.expected = (device._channel._sequence + 100) % 256
        for window in (1, CREDITS):
            with pytest.raises(LinkError, match="it was reset, or another program uses it"):
                device._channel._synchronised = True
                device._channel.exchange([write(0, 1)], window)
        device._channel.exchange([write(0, 7)], 1)
    assert written(port) == [(0, 7)]


def test_out_of_step_for_ever_ends_in_time(port):
    """A board that keeps asking for the same request, whatever it gets."""
    with Device("fake") as device:
        first = (device._channel._sequence + 1) % 256
        port.fate = lambda number, frame: respond(frame[0], frame[1], Reply.SEQUENCE,
                                                  bytes([first]))
        begun = time.monotonic()
        with pytest.raises(LinkError, match="no answer"):
            device._channel.exchange([write(0, 1), write(1, 2)], CREDITS)
        assert time.monotonic() - begun < 2 and port.sent < 1000


def test_answers_of_other_commands_do_not_count(port):
    with Device("fake") as device:
        others = iter([Command.READ, Command.WRITE, Command.RESET])
        port.fate = lambda number, frame: respond(frame[0], command, Reply.OK, bytes(8)) \
            if (command := next(others, None)) else "answer"
        assert device.identify() == IDENTITY
        assert next(others, None) is None


@pytest.mark.parametrize("reply, data, message", [
    (Reply.REFUSED, b"", "refuses IDENTIFY of 2 words"),
    (Reply.OK, b"\1\0", "answered 2 bytes to IDENTIFY of 8"),
])
def test_an_identity_that_is_none(port, reply, data, message):
    port.fate = lambda number, frame: respond(frame[0], frame[1], reply, data)
    with pytest.raises(LinkError, match=message):
        Device("fake")


def test_the_wrong_board_and_older_gateware_are_named(port):
    with pytest.raises(LinkError, match="the board at fake is icebreaker, not hx8k"):
        Device("fake", board="hx8k")
    older = Identity(**vars(IDENTITY) | {"design": 0xABC})
    port.reference = Reference(older.words())
    with pytest.raises(LinkError, match="has the gateware 0000000000000abc, this version's is"):
        Device("fake", board="icebreaker")
    with Device("fake") as device:
        assert not device.is_current
    port.reference = Reference([2, *older.words()[1:]])
    with pytest.raises(LinkError, match="speaks version 2 of the link, this program speaks 1"):
        Device("fake")
