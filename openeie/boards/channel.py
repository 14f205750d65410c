# SPDX-License-Identifier: Apache-2.0
"""Requests and responses over a port that can lose, change and repeat bytes (docs/link.md)."""
import random
import time

from ..core.array.link_frames import Command, Reply, Request, Response
from ..core.errors import ArrayFault, LinkError
from .transport import Port

__all__ = ["Channel"]

#: Seconds until a request is sent again, before the round trip has been measured.
_FIRST_RETRY = 0.25
_LEAST_RETRY = 0.03
#: Duration of the longest exchange, in round trips of the IDENTIFY that is measured.
_LONGEST = 6
#: Most round trips to measure; the first one without a retry counts.
_TRIALS = 4
#: Step of the sequence number past all responses that may still be on their way.
_JUMP = 16


class Channel:
    """Sends requests so that each is executed once or not at all; lost ones are sent again.

    Parameters
    ----------
    url, baud : the port, see :class:`Port`.
    timeout : seconds without progress until a :class:`LinkError`. A simulated board may be so slow
        that three of its longest exchanges take longer; the timeout is then raised to that.

    Attributes
    ----------
    retry : seconds after which an unanswered request is sent again.
    answered : number of requests answered so far.
    """
    def __init__(self, url: str, baud: int, timeout: float) -> None:
        self.url = url
        self.retry = _FIRST_RETRY
        self.answered = 0
        self._baud = baud
        self._timeout = timeout
        self._patience = timeout
        self._tries = 0
        # Random, so that a late answer to an earlier user of the port is not taken for ours.
        self._sequence = random.randrange(256)
        self._synchronised = False
        self._port = Port(url, baud)

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def reopen(self) -> None:
        """Open the port again."""
        self._port.close()
        self._synchronised = False
        self.retry = _FIRST_RETRY
        self._patience = self._timeout
        self._port = Port(self.url, self._baud)

    def measure(self, request: Request) -> Response:
        """Send an IDENTIFY until one needs no retry, and set all times by its round trip."""
        for _ in range(_TRIALS):
            begun = time.monotonic()
            answer = self.request(request)
            seconds = time.monotonic() - begun
            if self._tries == 0:
                break
            self.retry = max(_FIRST_RETRY, 2 * seconds)

        self.retry = max(_LEAST_RETRY, _LONGEST * seconds)
        self._patience = max(self._timeout, 3 * self.retry)
        return answer

    def request(self, request: Request) -> Response:
        """Send one request; returns its answer, which is OK.

        Raises
        ------
        LinkError : there is no answer in time, or the board refuses the request.
        ArrayFault : the array is busy.
        """
        answer = self.exchange([request], 1)[0]
        assert answer is not None
        return answer

    def exchange(self, requests: list[Request], window: int) -> list[Response | None]:
        """Send requests in order, with at most ``window`` of them unanswered; all answers are OK.

        With a window above 1, an answer may be None: it was lost, but a later one shows that the
        request was executed.

        Raises
        ------
        LinkError : there is no answer in time, or the board refuses a request.
        ArrayFault : the array is busy.
        """
        if not self._synchronised and requests[0].command is not Command.IDENTIFY:
            self.request(Request(sequence=0, command=Command.IDENTIFY, word_bytes=4, count=1))
        numbers = [(self._sequence + 1 + k) % 256 for k in range(len(requests))]
        frames = [Request(**vars(request) | {"sequence": number}).pack()
                  for number, request in zip(numbers, requests, strict=True)]
        self._sequence = numbers[-1]
        self._synchronised = False
        self._tries = 0

        answers: list[Response | None] = [None] * len(requests)
        oldest = 0              # first request without an answer
        sent = 0                # requests sent since the last time-out
        ahead = window          # after a time-out, the oldest request goes alone
        obeyed = False          # a SEQUENCE was followed, and nothing else happened since
        wait = self.retry       # doubled by each time-out, so that a slow board is not flooded
        progress = missed = time.monotonic()
        while oldest < len(requests):
            if time.monotonic() - progress >= self._patience:
                self._give_up(requests[oldest])

            while sent < min(oldest + ahead, len(requests)):
                self._port.send(frames[sent])
                sent += 1
                missed = time.monotonic() + wait

            answer = self._answer(min(missed, progress + self._patience))
            if answer is None:
                if time.monotonic() >= missed:
                    self._tries += 1
                    sent = oldest
                    obeyed = False
                    ahead = 1
                    wait = max(wait, min(2 * wait, self._patience / 6))
                    self._port.send(b"")            # an empty frame ends a torn one
                continue

            place = next((k for k in range(oldest, sent) if (answer.sequence, answer.command)
                          == (numbers[k], requests[k].command)), None)
            if place is None:
                continue                            # for a request answered before

            if answer.reply is Reply.SEQUENCE:
                reached = self._reached(answer, [*numbers, (numbers[-1] + 1) % 256], oldest, sent)
                if reached == oldest and not obeyed:
                    sent = oldest
                    obeyed = True
                if reached == oldest or (window == 1 and reached > oldest):
                    continue
                place = reached - 1                 # the answers up to here are lost
            elif answer.reply is not Reply.OK:
                self._refuse(requests[place], answer)
            else:
                answers[place] = answer

            oldest = place + 1
            obeyed = False
            ahead = window
            wait = self.retry
            progress = time.monotonic()

        self.answered += len(requests)
        self._synchronised = True
        return answers

    def _answer(self, deadline: float) -> Response | None:
        """The next undamaged response; None if there is none by ``deadline``."""
        while (frame := self._port.receive(deadline)) is not None:
            try:
                return Response.unpack(frame)
            except LinkError:
                continue                            # damaged
        return None

    def _reached(self, answer: Response, numbers: list[int], oldest: int, sent: int) -> int:
        """Index of the request that the board expects next, from its SEQUENCE ``answer``."""
        for place in range(oldest, sent + 1):
            if answer.data[:1] == bytes([numbers[place]]):
                return place
        raise LinkError(f"the board at {self.url} expects request {answer.data[:1].hex()}, not "
                        f"{answer.sequence:02x}: it was reset, or another program uses it; "
                        f"connect again")

    def _give_up(self, request: Request) -> None:
        self._jump()
        raise LinkError(f"no answer from port {self.url} to {request.command.name} in "
                        f"{self._patience:.2g} s and {self._tries + 1} tries; check that the board "
                        f"is powered and programmed, and that its speed is {self._baud} bit/s")

    def _refuse(self, request: Request, answer: Response) -> None:
        """Raise the error for a request that the board refused."""
        self._jump()        # nothing was done: the board still waits for this sequence number
        if answer.reply is Reply.BUSY:
            raise ArrayFault(f"the array is busy and takes no {request.command.name}; wait until "
                             f"it is idle, or reset it")
        raise LinkError(f"the board at port {self.url} refuses {request.command.name} of "
                        f"{request.count} words at target {request.target}, PE {request.pe}, "
                        f"address {request.address}; docs/link.md says what each target allows")

    def _jump(self) -> None:
        """Skip sequence numbers, so that no late answer matches the next request."""
        self._sequence = (self._sequence + _JUMP) % 256
