# SPDX-License-Identifier: Apache-2.0
"""The frames of the host link, the contract between gateware and driver (``docs/link.md``)."""
import enum
import struct
import zlib
from dataclasses import dataclass, fields

from ..errors import LinkError
from .config import ENCODINGS, OPERATIONS, ArrayConfig
from .limits import NAMES

__all__ = ["Command", "Reply", "Request", "Response", "MAX_FRAME", "MAX_DATA", "REQUEST_HEADER",
           "RESPONSE_HEADER", "CRC_BYTES", "CREDITS", "WORD_BYTES", "PROTOCOL", "Identity"]

#: Version of the protocol. It is the first word of the identity, so that gateware of another
#: version is recognised.
PROTOCOL = 1
#: Largest frame before COBS, in bytes: one COBS block.
MAX_FRAME = 254
#: seq, command, target, word bytes, PE, address, number of words.
REQUEST_HEADER = struct.Struct("<BBBBHIB")
#: seq, command | 0x80, reply.
RESPONSE_HEADER = struct.Struct("<BBB")
CRC_BYTES = 4
#: Most bytes of data in a frame.
MAX_DATA = 232
#: Requests that may be outstanding: the gateware buffers one while it executes another.
CREDITS = 2
#: Permitted sizes of a word in a frame, in bytes.
WORD_BYTES = (1, 2, 4, 8)


class Command(enum.IntEnum):
    """What a request asks for."""
    IDENTIFY = 1    # read words of the identity; accepts any sequence number, restarts the count
    WRITE = 2       # write `count` words from `address` on
    READ = 3        # read `count` words from `address` on
    RESET = 4       # reset the array; accepts any sequence number, restarts the count


class Reply(enum.IntEnum):
    """How a request ended; after all but OK, nothing was done."""
    OK = 0
    BUSY = 1        # the array is running a program, and only CONTROL can be read
    REFUSED = 2     # unknown command or target, or header and length contradict each other
    SEQUENCE = 3    # unexpected sequence number; the data of the response is the expected one


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request frame.

    Attributes
    ----------
    sequence : counts requests, modulo 256.
    command : what to do.
    target : the memory, a :class:`openeie.core.array.load_port.Target`.
    word_bytes : size of each word of ``data``, one of :data:`WORD_BYTES`.
    pe : the PE whose memory it is, or all of them.
    address : of the first word.
    count : number of words.
    data : the words to write, little-endian; empty unless ``command`` is WRITE.
    """
    sequence: int
    command: Command
    target: int = 0
    word_bytes: int = 8
    pe: int = 0
    address: int = 0
    count: int = 0
    data: bytes = b""

    def pack(self) -> bytes:
        """The frame, CRC included, before COBS."""
        body = REQUEST_HEADER.pack(self.sequence, self.command, self.target, self.word_bytes,
                                   self.pe, self.address, self.count) + self.data
        return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


@dataclass(frozen=True, kw_only=True)
class Response:
    """One response frame: the request's ``sequence`` and ``command``, the outcome, and the words
    read (little-endian)."""
    sequence: int
    command: Command
    reply: Reply
    data: bytes

    @classmethod
    def unpack(cls, frame: bytes) -> "Response":
        """Check a frame, already decoded from COBS, and split it.

        Raises
        ------
        LinkError : too short, wrong CRC, or not a response.
        """
        if len(frame) < RESPONSE_HEADER.size + CRC_BYTES:
            raise LinkError(f"a response has at least {RESPONSE_HEADER.size + CRC_BYTES} bytes, "
                            f"this one has {len(frame)}")
        body = frame[:-CRC_BYTES]
        crc = int.from_bytes(frame[-CRC_BYTES:], "little")
        if zlib.crc32(body) != crc:
            raise LinkError(f"the response's CRC-32 is {zlib.crc32(body):#010x}, "
                            f"but it says {crc:#010x}")
        sequence, command, reply = RESPONSE_HEADER.unpack_from(body)
        try:
            return cls(sequence=sequence, command=Command(command ^ 0x80), reply=Reply(reply),
                       data=body[RESPONSE_HEADER.size:])
        except ValueError as error:
            raise LinkError(f"not a response: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a bitstream says about itself, in 32-bit words, the whole configuration included.

    Attributes
    ----------
    design : first 64 bits of the digest of the gateware's sources.
    board : the board's name, at most 16 ASCII characters.
    clock_hz : frequency of the array's clock, Hz.
    config : the array's configuration.
    """
    design: int
    board: str
    clock_hz: int
    config: ArrayConfig

    #: Words before the configuration: protocol, number of words, design (2), board (4), clock.
    _HEAD = 9

    def words(self) -> list[int]:
        """The identity as the gateware holds it, 32-bit words."""
        values = [getattr(self.config, name) for name in _config_names()]
        encodings = sum(1 << ENCODINGS.index(name) for name in self.config.encodings)
        operations = sum(1 << OPERATIONS.index(name) for name in self.config.operations)
        names = encodings | operations << 8
        board = self.board.encode("ascii").ljust(16, b"\0")
        return [PROTOCOL, self._HEAD + len(values) + 1,
                self.design & 0xFFFFFFFF, self.design >> 32,
                *struct.unpack("<4I", board), self.clock_hz, *values, names]

    @classmethod
    def from_words(cls, words: list[int]) -> "Identity":
        """The identity in 32-bit words, as :meth:`words` gives them.

        Raises
        ------
        LinkError : another protocol version, or words that do not describe an array.
        """
        names = _config_names()
        version = words[0] if words else "none"
        if version != PROTOCOL:
            raise LinkError(f"the bitstream speaks version {version} of the link, this program "
                            f"speaks {PROTOCOL}; build and program the board anew")
        if len(words) != cls._HEAD + len(names) + 1 or words[1] != len(words):
            raise LinkError(f"the bitstream's identity has {len(words)} words, not "
                            f"{cls._HEAD + len(names) + 1}: it was built by another version; "
                            f"build and program the board anew")
        values = dict(zip(names, words[cls._HEAD:-1], strict=True))
        encodings = _names_in(words[-1], ENCODINGS)
        operations = _names_in(words[-1] >> 8, OPERATIONS)
        try:
            board = struct.pack("<4I", *words[4:8]).rstrip(b"\0").decode("ascii")
            return cls(design=words[2] | words[3] << 32, board=board, clock_hz=words[8],
                       config=ArrayConfig(**values, encodings=encodings, operations=operations))
        except (ValueError, TypeError) as error:
            raise LinkError(f"the bitstream's identity describes no array: {error}; build and "
                            f"program the board anew") from error


def _config_names() -> list[str]:
    """The configuration's integer fields, in the order of the identity's words."""
    return [field.name for field in fields(ArrayConfig) if field.name not in NAMES]


def _names_in(bits: int, known: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``known`` whose bit is set, bit 0 for the first."""
    return tuple(name for bit, name in enumerate(known) if bits >> bit & 1)
