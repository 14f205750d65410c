# SPDX-License-Identifier: Apache-2.0
"""Time that one launch takes on a board's link: inputs, start command, outputs."""
import numpy as np

from ..core.array.link_frames import (CRC_BYTES, REQUEST_HEADER, RESPONSE_HEADER, Command, Identity,
                                      Reply, Request, Response)
from ..core.compile.program import Program
from ..sim.rtl.drive import read_outputs
from .board import Board
from .channel import Channel
from .driver import Device

__all__ = ["link_seconds"]

_BITS_A_BYTE = 10               # 8, a start bit and a stop bit
_COBS = 2                       # bytes that COBS adds to a frame, with the end marker


class _CountedChannel(Channel):
    """Answers at once, with zeros, and counts the bytes of both directions."""
    # The driver needs no more of a channel than this, so the constructor opens no port.
    def __init__(self) -> None:
        self.retry = 0.0
        self.bytes = 0

    def request(self, request: Request) -> Response:
        """An OK response; the words of a READ are 0."""
        size = request.count * request.word_bytes if request.command is Command.READ else 0
        self.bytes += REQUEST_HEADER.size + len(request.data) + CRC_BYTES + _COBS
        self.bytes += RESPONSE_HEADER.size + size + CRC_BYTES + _COBS
        return Response(sequence=0, command=request.command, reply=Reply.OK, data=bytes(size))

    def exchange(self, requests: list[Request], window: int) -> list[Response | None]:
        """A response to each request."""
        return [self.request(request) for request in requests]


class _CountedDevice(Device):
    """The driver, unchanged, on a channel that only counts."""
    def __init__(self, board: Board, program: Program) -> None:
        self.config = program.config
        self.identity = Identity(design=0, board=board.name, clock_hz=board.clock_out_hz,
                                 config=program.config)
        self.wire = self._channel = _CountedChannel()


def link_seconds(board: Board, program: Program, x: np.ndarray) -> float:
    """Time on the wire of one launch of ``program`` with inputs x, int64 [vectors, n], in seconds.

    Counted are the bytes of both directions at the board's baud rate: loading the inputs, the
    start command, one poll for its end, reading the outputs, and all responses. The host's own
    time is not included, and a response that overlaps with the next request counts in full.
    """
    device = _CountedDevice(board, program)
    device.load(program.input_records(x))
    device.start(0, len(program.tiles), 0)
    read_outputs(device, program, len(program.tiles) - 1)
    return device.wire.bytes * _BITS_A_BYTE / board.baud
