# SPDX-License-Identifier: Apache-2.0
"""A board's array behind its link: the same calls as the simulated one (:mod:`openeie.sim.rtl`)."""
import time
from collections.abc import Iterable, Iterator
from types import TracebackType

import numpy as np

from ..core.config import ArrayConfig
from ..core.counters import COUNTERS
from ..core.errors import ArrayFault, LinkError
from ..core.link import (CREDITS, MAX_DATA, WORD_BYTES, Command, Identity, Reply, Request,
                         Response)
from ..core.program import Control, Fault, Status, Target, load_crc
from .transport import Port

__all__ = ["Device"]

_TIMEOUT = 1.8          # seconds without progress after which the link counts as lost
_FIRST_RETRY = 0.25     # seconds until an answer is missed, before anything was measured
_LEAST_RETRY = 0.03
_ACTS = (Target.ACT_A, Target.ACT_B)


class Device:
    """An array on a board; use it as a context manager.

    Every request is executed once or not at all, whatever the line does to it: requests and
    responses that get lost or damaged are sent again (docs/link.md, "Exactly once").

    Parameters
    ----------
    url, baud : the port, see :class:`Port`.
    expect : the configuration that the bitstream must have; None takes any.
    timeout : seconds without any progress until a :class:`LinkError`; longer only for a board so
        slow, being simulated, that a short answer takes a twentieth of it.

    Raises
    ------
    LinkError : no such port, no answer, another link version, another configuration.
    """
    def __init__(self, url: str, baud: int = 1_000_000, *, expect: ArrayConfig | None = None,
                 timeout: float = _TIMEOUT):
        self._url, self._baud, self._timeout = url, baud, timeout
        self._expect = expect
        self._sequence, self._retry, self._patience = 0, _FIRST_RETRY, timeout
        self._port = Port(url, baud)
        try:
            self.identity = self.identify()
        except BaseException:
            self._port.close()
            raise
        self.config = self.identity.config

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the port; the array keeps what it has."""
        self._port.close()

    def reconnect(self) -> None:
        """Open the port again after a lost link; the array's memories are as they were."""
        self._port.close()
        self._port, self._retry = Port(self._url, self._baud), _FIRST_RETRY
        if self.identify() != self.identity:
            raise LinkError(f"another bitstream answers at {self._url} than before; start anew")

    # Link ----------------------------------------------------------------------------------
    def identify(self) -> Identity:
        """Ask the board what it is; also brings both sides' sequence numbers together."""
        begun = time.monotonic()
        head = self._words(Command.IDENTIFY, 0, 2)
        # What a round trip took, several times over, so that a slow (simulated) board has time.
        self._retry = max(_LEAST_RETRY, 10 * (time.monotonic() - begun))
        self._patience = max(self._timeout, 4 * self._retry)
        identity = Identity.from_words(
            self._words(Command.IDENTIFY, 0, min(head[1], MAX_DATA // 4)) if head[0] == 1 else head)
        if self._expect is not None and identity.config != self._expect:
            ours, theirs = self._expect.to_dict(), identity.config.to_dict()
            name = next(name for name in ours if ours[name] != theirs[name])
            raise LinkError(f"the bitstream on {identity.board} has {name} = {theirs[name]!r}, "
                            f"not {ours[name]!r}: it was built for another configuration; build "
                            f"and program the board anew")
        return identity

    def _words(self, command: Command, address: int, count: int) -> list[int]:
        answer = self._request(Request(sequence=0, command=command, word_bytes=4,
                                       address=address, count=count))
        return np.frombuffer(answer.data, "<u4").tolist()

    def _request(self, request: Request) -> Response:
        return self._exchange([request], 1)[0]

    def _exchange(self, requests: list[Request], window: int) -> list[Response | None]:
        """Send requests in order, at most ``window`` ahead of their answers.

        With a window above one, an answer may be None: a later one shows that the request was
        executed, though its own answer was lost.
        """
        numbered = []
        for request in requests:
            self._sequence = (self._sequence + 1) % 256
            numbered.append((self._sequence, Request(**vars(request) | {
                "sequence": self._sequence}).pack()))
        answers: list[Response | None] = [None] * len(requests)
        oldest = sent = tries = 0
        progress = missed = time.monotonic()
        while oldest < len(requests):
            while sent < min(oldest + window, len(requests)):
                self._port.send(numbered[sent][1])
                sent, missed = sent + 1, time.monotonic() + self._retry
            answer = self._answer(min(missed, progress + self._patience))
            if answer is None:
                if time.monotonic() - progress >= self._patience:
                    raise LinkError(
                        f"no answer from port {self._url} to {requests[oldest].command.name} in "
                        f"{self._patience:.2g} s, {tries + 1} tries; is the board powered and "
                        f"programmed, and the speed {self._baud} bit/s right?")
                if time.monotonic() >= missed:
                    tries, sent = tries + 1, oldest
                    self._port.send(b"")            # an empty frame ends a torn one
                continue
            place = next((k for k in range(oldest, sent)
                          if numbered[k][0] == answer.sequence), None)
            if place is None:
                continue                            # of a request answered before
            if answer.reply is Reply.SEQUENCE:
                sent = oldest
                if window == 1:
                    raise LinkError(f"the board at {self._url} expects request "
                                    f"{answer.data[0]}, not {answer.sequence}: it was reset, or "
                                    f"another program uses it; connect anew")
                time.sleep(0)
                continue
            answers[place] = answer
            oldest, tries, progress = place + 1, 0, time.monotonic()
        return answers

    def _answer(self, deadline: float) -> Response | None:
        while (frame := self._port.receive(deadline)) is not None:
            try:
                return Response.unpack(frame)
            except LinkError:
                continue                            # damaged
        return None

    def _checked(self, request: Request, answer: Response | None) -> bytes:
        if answer is None or answer.reply is Reply.OK:
            return b"" if answer is None else answer.data
        if answer.reply is Reply.BUSY:
            raise ArrayFault(f"the array is busy and takes no {request.command.name}; wait for it "
                             f"or reset it")
        raise LinkError(f"the board refuses {request.command.name} of {request.count} words at "
                        f"target {request.target}, address {request.address}")

    # Array ---------------------------------------------------------------------------------
    @property
    def fault(self) -> Fault:
        """The array's own error status."""
        return Fault(self._state() & 0xFF)

    def _state(self) -> int:
        return int(self.read(Target.CONTROL, 0, Status.STATE, 1)[0])

    def reset(self) -> None:
        """Reset the array; its memories keep their contents."""
        request = Request(sequence=0, command=Command.RESET)
        self._checked(request, self._request(request))

    def write(self, records: np.ndarray) -> None:
        """Write load records (:data:`openeie.core.program.LOAD_RECORD`)."""
        requests = list(self._requests(self._masked(records)))
        for request, answer in zip(requests, self._exchange(requests, CREDITS)):
            self._checked(request, answer)

    def command(self, command: Control, data: int = 0) -> None:
        """Write one command word."""
        request = Request(sequence=0, command=Command.WRITE, target=Target.CONTROL, word_bytes=8,
                          address=command, count=1, data=data.to_bytes(8, "little"))
        self._checked(request, self._request(request))

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """``count`` words from ``address`` on, int64; activations are signed."""
        size = self.config.act_width // 8 if target in _ACTS else 8
        parts = []
        for first in range(0, count, MAX_DATA // size):
            request = Request(sequence=0, command=Command.READ, target=target, word_bytes=size,
                              pe=pe, address=address + first,
                              count=min(MAX_DATA // size, count - first))
            data = self._checked(request, self._request(request))
            if len(data) != request.count * size:
                raise LinkError(f"the board answered {len(data)} bytes to a READ of "
                                f"{request.count * size}; build and program it anew")
            parts.append(np.frombuffer(data, f"<i{size}"))
        return np.concatenate(parts).astype(np.int64)

    def _masked(self, records: np.ndarray) -> np.ndarray:
        """Records as the array will see them: the link extends words with zeros."""
        records = records.copy()
        for targets, width in ((_ACTS, self.config.act_width), ((Target.CODEBOOK,), 16)):
            here = np.isin(records["target"], targets)
            records["data"][here] &= np.uint64((1 << width) - 1)
        return records

    @staticmethod
    def _requests(records: np.ndarray) -> Iterator[Request]:
        """WRITE requests of successive addresses, each word in the fewest bytes."""
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
        """Write records and have their CRC checked by the array."""
        records = self._masked(np.asarray(records))
        self.command(Control.CLEAR)                 # forget what a broken load has left
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
        raise ArrayFault(f"the array reports {fault.name}{where}; load the program again and "
                         f"repeat")

    def start(self, first: int, count: int, limit: int) -> None:
        """Run ``count`` layers from layer ``first`` on; at most ``limit`` cycles."""
        self.command(Control.START, first | count << 16)
        end = time.monotonic() + limit / self.identity.clock_hz * 2 + 100 * self._retry
        while self._state() >> 8 & 1:
            if time.monotonic() > end:
                raise ArrayFault(f"the array is still busy after {limit} cycles; reset it")
        self.check_fault()

    def outputs(self, layer: int, rows: int, vectors: int, outputs: int) -> np.ndarray:
        """What ``layer`` wrote, int64 [vectors, outputs]."""
        target = Target.ACT_A if layer % 2 else Target.ACT_B
        words = np.stack([self.read(target, pe, 0, vectors * rows)
                          for pe in range(self.config.pes)])
        return words.T.reshape(vectors, rows * self.config.pes)[:, :outputs]

    def counters(self, layer: int) -> tuple[int, np.ndarray]:
        """Cycles of ``layer`` in the last run, and its counters, int64 [PEs, 7]."""
        cycles = int(self.read(Target.CYCLES, 0, layer, 1)[0])
        return cycles, np.stack([self.read(Target.COUNTER, pe, layer << 3, len(COUNTERS))
                                 for pe in range(self.config.pes)])
