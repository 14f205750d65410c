# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.link_frames import Command, Reply
from openeie.core.array.load_port import Target
from openeie.hw.link.check import RequestCheck
from support.link_reference import Reference, with_crc

from ..bench import trace


def test_worked_example():
    """A READ of one 8-byte word of memory A, with sequence number 7.

    It is executed if 7 is expected, and repeated if 8 is. With any other number, while the array is
    busy, and with a count of 0, the reply says why not. A frame's length counts itself, so it is
    1 + 11 bytes of header + 4 of CRC. Each verdict is there after three cycles.
    """
    head = {"length": 16, "sequence": 7, "command": Command.READ, "target": Target.ACT_A,
            "word_bytes": 8, "count": 1}
    cases = [
        ({"head": head, "expected": 7, "counting": 1}, 0, Reply.OK),
        ({"head": head, "expected": 8, "counting": 1}, 1, Reply.SEQUENCE),
        ({"head": head, "expected": 9, "counting": 1}, 0, Reply.SEQUENCE),
        ({"head": head, "expected": 7, "counting": 1, "busy": 1}, 0, Reply.BUSY),
        ({"head": head | {"count": 0}, "expected": 7, "counting": 1}, 0, Reply.REFUSED),
    ]
    steps = [step for step, _, _ in cases for _ in range(3)]
    rows = trace(RequestCheck(), [*steps, {}], "again", "verdict")[3::3]
    assert [row["again"] for row in rows] == [again for _, again, _ in cases]
    assert [Reply(row["verdict"]) for row in rows] == [reply for _, _, reply in cases]


def head_of(frame):
    number = int.from_bytes(frame[6:10], "little")
    return {"length": len(frame) + 1, "sequence": frame[0], "command": frame[1],
            "target": frame[2], "word_bytes": frame[3], "pe": frame[4] | frame[5] << 8,
            "address": number, "count": frame[10]}


def frame_of(sequence=7, command=Command.READ, target=Target.ACT_A, word_bytes=8, count=1, size=0):
    return with_crc(bytes([sequence, command, target, word_bytes, 0, 0, 0, 0, 0, 0, count])
                    + bytes(size))


def check(cases):
    """Compare with the reference; each case is a frame, and what else the check looks at."""
    steps = []
    wanted = []
    for frame, expected, counting, busy in cases:
        steps += [{"head": head_of(frame), "expected": expected, "counting": counting,
                   "busy": busy}] * RequestCheck.latency
        reference = Reference()
        reference.expected = expected
        reference.last = b"again" if counting else None
        answer = reference.answer(frame, busy)
        wanted.append(None if answer == b"again" else Reply(answer[2]))
    rows = trace(RequestCheck(), [*steps, {}], "again", "verdict")
    got = [None if row["again"] else Reply(row["verdict"])
           for row in rows[RequestCheck.latency::RequestCheck.latency]]
    different = [(case, *replies) for case, *replies in zip(cases, got, wanted)
                 if replies[0] != replies[1]]
    assert not different
    return wanted


def test_every_command_target_and_word_size():
    cases = [(frame_of(command=command, target=target, word_bytes=word_bytes, count=count,
                       size=count * word_bytes if command == Command.WRITE else 0),
              7, 1, busy)
             for command in [*range(6), 0x81, 255] for target in [*range(17), 128, 255]
             for word_bytes in [1, 8] for count in [1, 2] for busy in [0, 1]]
    cases += [(frame_of(word_bytes=word_bytes), 7, 1, 0) for word_bytes in range(256)]
    assert set(check(cases)) == {Reply.OK, Reply.BUSY, Reply.REFUSED}


@pytest.mark.slow
@pytest.mark.parametrize("command", [Command.IDENTIFY, Command.READ, Command.WRITE])
def test_how_much_data_a_frame_may_have(command):
    """232 bytes and not one word more, and in a WRITE exactly as many as it says."""
    cases = []
    for word_bytes in (1, 2, 4, 8):
        for count in range(256):
            exact = count * word_bytes
            for size in {0, exact} | ({exact - 1, exact + 1, exact % 256} - {-1}):
                if size <= 239:
                    cases.append((frame_of(command=command, word_bytes=word_bytes, count=count,
                                           size=size), 7, 1, 0))
    assert set(check(cases)) == {Reply.OK, Reply.REFUSED}


def test_sequence_numbers_come_first():
    cases = [(frame_of(sequence=sequence, command=command, count=count), expected, counting, busy)
             for command in range(1, 6) for count in [0, 1] for busy in [0, 1]
             for counting in [0, 1] for expected in [0, 1, 200, 255]
             for sequence in [0, 1, 2, 199, 200, 201, 254, 255]]
    assert set(check(cases)) == {None, *Reply}
