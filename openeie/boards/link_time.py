# SPDX-License-Identifier: Apache-2.0
"""How long a board's link takes for one start: inputs, start, outputs."""
import numpy as np

from ..core.array.link_frames import (CRC_BYTES, REQUEST_HEADER, RESPONSE_HEADER, Command, Identity,
                                      Reply, Request, Response)
from ..core.compile.program import Program
from ..sim.rtl.drive import read_outputs
from .board import Board
from .channel import Channel
from .driver import Device

__all__ = ["link_seconds"]

_BITS_A_BYTE = 10               # with start and stop bit
_COBS = 2                       # bytes that COBS adds to a frame, its end included


class _CountedChannel(Channel):
    """Answers at once, with zeros, and counts what would have gone over the wire."""
    def __init__(self) -> None:         # of a channel, only what the driver calls is needed
        self.retry, self.bytes = 0.0, 0

    def request(self, request: Request) -> Response:
        """The answer; a READ's words are all 0."""
        size = request.count * request.word_bytes if request.command is Command.READ else 0
        self.bytes += REQUEST_HEADER.size + len(request.data) + CRC_BYTES + _COBS
        self.bytes += RESPONSE_HEADER.size + size + CRC_BYTES + _COBS
        return Response(sequence=0, command=request.command, reply=Reply.OK, data=bytes(size))

    def exchange(self, requests: list[Request], window: int) -> list[Response | None]:
        """The answers to all of them."""
        return [self.request(request) for request in requests]


class _CountedDevice(Device):
    """The driver as it is, on a wire that only counts."""
    def __init__(self, board: Board, program: Program):
        self.config = program.config
        self.identity = Identity(design=0, board=board.name, clock_hz=board.clock_out_hz,
                                 config=program.config)
        self.wire = self._channel = _CountedChannel()


def link_seconds(board: Board, program: Program, x: np.ndarray) -> float:
    """Time on the wire of one start of ``program`` with inputs x [vectors, n]: what the driver
    sends to load them and to start, one look whether it has ended, the outputs, and every answer.

    It is the number of bytes both ways at the board's baud rate. The host's own time is not in
    it, and an answer that overlaps with the next request counts in full.
    """
    device = _CountedDevice(board, program)
    device.load(program.input_records(x))
    device.start(0, len(program.tiles), 0)
    read_outputs(device, program, len(program.tiles) - 1)
    return device.wire.bytes * _BITS_A_BYTE / board.baud
