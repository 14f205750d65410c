# SPDX-License-Identifier: Apache-2.0
"""The host link's protocol in Python: what a link answers to each good frame."""
import zlib

from openeie.core.array.link_frames import MAX_DATA, Command, Reply
from openeie.core.array.load_port import Target

READABLE = (Target.CONTROL, Target.ACT_A, Target.ACT_B, Target.COUNTER, Target.CYCLES)
IDENTITY = [0x0101_0000 * n + 0x0302 + n for n in range(27)]


def stored(target, pe, address):
    """What a word holds that was never written: different everywhere, with zeros among it."""
    return zlib.crc32(f"{target} {pe} {address}".encode()) << 20 & 0xFFFF_FFFF_FFFF_00FF


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
