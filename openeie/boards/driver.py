# SPDX-License-Identifier: Apache-2.0
"""The array on a board, with the methods of the simulated one, :mod:`openeie.sim.rtl.rtl`."""
import time
from collections.abc import Iterable, Iterator
from types import TracebackType

import numpy as np

from ..core.array.config import ArrayConfig
from ..core.array.link_frames import (CREDITS, MAX_DATA, PROTOCOL, WORD_BYTES, Command, Identity,
                                      Request, Response)
from ..core.array.load_port import Control, Fault, Status, Target, load_crc
from ..core.errors import ArrayFault, LinkError
from .channel import Channel
from .identity import design_digest

__all__ = ["Device"]

_TIMEOUT = 1.8          # seconds without progress until the link counts as lost
_ACTS = (Target.ACT_A, Target.ACT_B)


class Device:
    """An array on a board; use it as a context manager.

    Every request is executed once or not at all. Requests and responses that are lost or damaged
    on the line are sent again (docs/link.md, "Exactly once").

    Parameters
    ----------
    url, baud, timeout : see :class:`Channel`.
    board : name of the board that must answer; its gateware must then be this version's. None
        accepts any board and version.
    expect : configuration that the bitstream must have; None accepts any.

    Raises
    ------
    LinkError : the port does not exist or does not answer, or the board speaks another version of
        the link, or is another board, version or configuration than asked for.
    """
    def __init__(self, url: str, baud: int = 1_000_000, *, board: str | None = None,
                 expect: ArrayConfig | None = None, timeout: float = _TIMEOUT) -> None:
        self._board = board
        self._expect = expect
        self._channel = Channel(url, baud, timeout)
        try:
            self.identity = self.identify()
        except BaseException:
            self._channel.close()
            raise
        self.config = self.identity.config

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the port; the array keeps its state."""
        self._channel.close()

    def reconnect(self) -> None:
        """Open the port again after a lost link; the array keeps its memories."""
        self._channel.reopen()
        if self.identify() != self.identity:
            raise LinkError(f"another bitstream than before answers at {self._channel.url}; start "
                            f"again")

    @property
    def is_current(self) -> bool:
        """True if the bitstream's gateware is this version's."""
        return self.identity.design == design_digest()

    # Link ----------------------------------------------------------------------------------
    def identify(self) -> Identity:
        """Read and check the board's identity; also synchronises the sequence numbers."""
        words = self._identity_words(2)
        if words[0] == PROTOCOL:
            words = self._identity_words(min(words[1], MAX_DATA // 4))
        identity = Identity.from_words(words)

        if self._board is not None and identity.board != self._board:
            raise LinkError(f"the board at {self._channel.url} is {identity.board}, not "
                            f"{self._board}; name the right port or board")

        if self._expect is not None and identity.config != self._expect:
            ours = self._expect.to_dict()
            theirs = identity.config.to_dict()
            name = next(name for name in ours if ours[name] != theirs[name])
            raise LinkError(f"the bitstream on {identity.board} has {name} = {theirs[name]!r}, "
                            f"not {ours[name]!r}: it was built for another configuration; build "
                            f"and program the board again")

        if self._board is not None and identity.design != design_digest():
            raise LinkError(f"the bitstream on {identity.board} has the gateware "
                            f"{identity.design:016x}, this version's is {design_digest():016x}; "
                            f"build and program the board again")
        return identity

    def _identity_words(self, count: int) -> list[int]:
        request = Request(sequence=0, command=Command.IDENTIFY, word_bytes=4, count=count)
        return _words_of(self._channel.measure(request), request).astype(int).tolist()

    # Array ---------------------------------------------------------------------------------
    @property
    def fault(self) -> Fault:
        """Current error status of the array."""
        return Fault(self._state() & 0xFF)

    def _state(self) -> int:
        return int(self.read(Target.CONTROL, 0, Status.STATE, 1)[0])

    def reset(self) -> None:
        """Reset the array; its memories keep their contents."""
        self._channel.request(Request(sequence=0, command=Command.RESET))

    def write(self, records: np.ndarray) -> None:
        """Write load records (:data:`openeie.core.array.load_port.LOAD_RECORD`)."""
        requests = list(self._requests(self._masked(records)))
        if requests:
            self._channel.exchange(requests, CREDITS)

    def command(self, command: Control, data: int = 0) -> None:
        """Write one command word."""
        self._channel.request(Request(
            sequence=0, command=Command.WRITE, target=Target.CONTROL, word_bytes=8,
            address=command, count=1, data=data.to_bytes(8, "little")))

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """Read ``count`` words from ``address`` on, int64 [count]; activations are signed."""
        size = self.config.act_width // 8 if target in _ACTS else 8
        parts = []
        for first in range(0, count, MAX_DATA // size):
            request = Request(sequence=0, command=Command.READ, target=target, word_bytes=size,
                              pe=pe, address=address + first,
                              count=min(MAX_DATA // size, count - first))
            parts.append(_words_of(self._channel.request(request), request))
        return np.concatenate(parts).astype(np.int64)

    def _masked(self, records: np.ndarray) -> np.ndarray:
        """Records with words cut to their widths, since the link fills up words with zeros."""
        records = records.copy()
        for targets, width in ((_ACTS, self.config.act_width), ((Target.CODEBOOK,), 16)):
            here = np.isin(records["target"], targets)
            records["data"][here] &= np.uint64((1 << width) - 1)
        return records

    @staticmethod
    def _requests(records: np.ndarray) -> Iterator[Request]:
        """WRITE requests for runs of successive addresses, with the fewest bytes a word."""
        along = (np.diff(records["address"].astype(np.int64)) == 1) \
            & (np.diff(records["pe"].astype(np.int64)) == 0) \
            & (np.diff(records["target"].astype(np.int64)) == 0)
        for group in np.split(records, np.flatnonzero(~along) + 1):
            if not len(group):
                continue

            need = max(1, -(-int(group["data"].max()).bit_length() // 8))
            size = next(size for size in WORD_BYTES if size >= need)
            for first in range(0, len(group), MAX_DATA // size):
                part = group[first:first + MAX_DATA // size]
                yield Request(sequence=0, command=Command.WRITE, target=int(part["target"][0]),
                              word_bytes=size, pe=int(part["pe"][0]),
                              address=int(part["address"][0]), count=len(part),
                              data=part["data"].astype(f"<u{size}").tobytes())

    def load(self, records: np.ndarray | Iterable) -> None:
        """Write load records and have the array check their CRC.

        Raises
        ------
        ArrayFault : the array reports a fault.
        """
        records = self._masked(np.asarray(records))
        self.command(Control.CLEAR)                 # ends a load that was interrupted
        self.write(records)
        self.command(Control.CHECK, load_crc(records))
        self.check_fault()

    def check_fault(self) -> None:
        """Raise :class:`ArrayFault` if the array reports one."""
        state = self._state()
        fault = Fault(state & 0xFF)
        if fault is Fault.NONE:
            return

        place = int(self.read(Target.CONTROL, 0, Status.PLACE, 1)[0])
        where = f" in layer {state >> 16} at PE {place}" if fault is Fault.WATCHDOG else ""
        raise ArrayFault(f"the array reports {fault.name}{where}; load the program and run it "
                         f"again")

    def start(self, first: int, count: int, limit: int) -> None:
        """Run ``count`` layers from layer ``first`` on, and wait for their end.

        Raises
        ------
        ArrayFault : the array reports a fault, or needs far more than ``limit`` cycles.
        """
        self.command(Control.START, first | count << 16)
        end = time.monotonic() + limit / self.identity.clock_hz * 2 + 100 * self._channel.retry
        while self._state() >> 8 & 1:
            if time.monotonic() > end:
                raise ArrayFault(f"the array is still busy after {limit} cycles; reset it")
        self.check_fault()


def _words_of(answer: Response, request: Request) -> np.ndarray:
    """The words in the answer to a READ (signed) or an IDENTIFY (unsigned)."""
    if len(answer.data) != request.count * request.word_bytes:
        raise LinkError(f"the board answered {len(answer.data)} bytes to {request.command.name} of "
                        f"{request.count * request.word_bytes}; build and program it again")

    kind = "u" if request.command is Command.IDENTIFY else "i"
    return np.frombuffer(answer.data, f"<{kind}{request.word_bytes}")
