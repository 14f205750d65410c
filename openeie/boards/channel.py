# SPDX-License-Identifier: Apache-2.0
"""Requests and responses over a port that loses, changes and repeats bytes (docs/link.md)."""
import random
import time

from ..core.array.link_frames import Command, Reply, Request, Response
from ..core.errors import ArrayFault, LinkError
from .transport import Port

__all__ = ["Channel"]

_FIRST_RETRY = 0.25     # seconds until an answer is missed, before anything was measured
_LEAST_RETRY = 0.03
#: The longest exchange, two full frames each way, against the identity that is measured.
_LONGEST = 6
_TRIALS = 4             # round trips to measure, until one goes undisturbed
_JUMP = 16              # of the sequence number, past all that may still be under way


class Channel:
    """Every request is executed once or not at all; what gets lost is sent again.

    Parameters
    ----------
    url, baud : the port, see :class:`Port`.
    timeout : seconds without any progress until a :class:`LinkError`; longer only for a board so
        slow, being simulated, that three of its longest exchanges take more.

    Attributes
    ----------
    retry : seconds after which an unanswered request is sent again.
    answered : requests so far that were answered.
    """
    def __init__(self, url: str, baud: int, timeout: float):
        self.url, self._baud, self._timeout = url, baud, timeout
        # Late answers to whoever used the port before are not to be taken for ours.
        self._sequence, self._synchronised = random.randrange(256), False
        self.retry, self._patience, self.answered, self._tries = _FIRST_RETRY, timeout, 0, 0
        self._port = Port(url, baud)

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def reopen(self) -> None:
        """Open the port again."""
        self._port.close()
        self._synchronised, self.retry, self._patience = False, _FIRST_RETRY, self._timeout
        self._port = Port(self.url, self._baud)

    def measure(self, request: Request) -> Response:
        """Send an IDENTIFY until it goes undisturbed, and take times from that."""
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
        """The answer to one request, which is OK.

        Raises
        ------
        LinkError : no answer in time, or refused. ArrayFault : the array is busy.
        """
        answer = self.exchange([request], 1)[0]
        assert answer is not None
        return answer

    def exchange(self, requests: list[Request], window: int) -> list[Response | None]:
        """Send requests in order, at most ``window`` ahead of their answers, which are all OK.

        With a window above one, an answer may be None: a later one shows that the request was
        executed, though its own answer was lost.

        Raises
        ------
        LinkError : no answer in time, or refused. ArrayFault : the array is busy.
        """
        if not self._synchronised and requests[0].command is not Command.IDENTIFY:
            self.request(Request(sequence=0, command=Command.IDENTIFY, word_bytes=4, count=1))
        numbers = [(self._sequence + 1 + k) % 256 for k in range(len(requests))]
        frames = [Request(**vars(request) | {"sequence": number}).pack()
                  for number, request in zip(numbers, requests, strict=True)]
        self._sequence, self._synchronised = numbers[-1], False
        answers: list[Response | None] = [None] * len(requests)
        oldest = sent = self._tries = 0
        obeyed = False          # a SEQUENCE has been, since something else happened
        ahead = window          # after a time-out, the oldest request goes alone
        wait = self.retry       # doubled by each time-out: a slow board must not be flooded
        progress = missed = time.monotonic()
        while oldest < len(requests):
            if time.monotonic() - progress >= self._patience:
                self._give_up(requests[oldest])
            while sent < min(oldest + ahead, len(requests)):
                self._port.send(frames[sent])
                sent, missed = sent + 1, time.monotonic() + wait
            answer = self._answer(min(missed, progress + self._patience))
            if answer is None:
                if time.monotonic() >= missed:
                    self._tries, sent, obeyed, ahead = self._tries + 1, oldest, False, 1
                    wait = max(wait, min(2 * wait, self._patience / 6))
                    self._port.send(b"")            # an empty frame ends a torn one
                continue
            place = next((k for k in range(oldest, sent) if (answer.sequence, answer.command)
                          == (numbers[k], requests[k].command)), None)
            if place is None:
                continue                            # of a request answered before
            if answer.reply is Reply.SEQUENCE:
                reached = self._reached(answer, [*numbers, (numbers[-1] + 1) % 256], oldest, sent)
                if reached == oldest and not obeyed:
                    sent, obeyed = oldest, True
                if reached == oldest or (window == 1 and reached > oldest):
                    continue
                place = reached - 1                 # the answers up to here are lost
            elif answer.reply is not Reply.OK:
                self._refuse(requests[place], answer)
            else:
                answers[place] = answer
            oldest, obeyed, ahead, progress = place + 1, False, window, time.monotonic()
            wait = self.retry
        self.answered += len(requests)
        self._synchronised = True
        return answers

    def _answer(self, deadline: float) -> Response | None:
        """The next whole response until ``deadline``."""
        while (frame := self._port.receive(deadline)) is not None:
            try:
                return Response.unpack(frame)
            except LinkError:
                continue                            # damaged
        return None

    def _reached(self, answer: Response, numbers: list[int], oldest: int, sent: int) -> int:
        """How far the board has come, as it says itself."""
        for place in range(oldest, sent + 1):
            if answer.data[:1] == bytes([numbers[place]]):
                return place
        raise LinkError(f"the board at {self.url} expects request {answer.data[:1].hex()}, not "
                        f"{answer.sequence:02x}: it was reset, or another program uses it; "
                        f"connect anew")

    def _give_up(self, request: Request) -> None:
        self._jump()
        raise LinkError(f"no answer from port {self.url} to {request.command.name} in "
                        f"{self._patience:.2g} s, {self._tries + 1} tries; is the board powered "
                        f"and programmed, and the speed {self._baud} bit/s right?")

    def _refuse(self, request: Request, answer: Response) -> None:
        """Nothing was done: the board still waits for this request's number."""
        self._jump()
        if answer.reply is Reply.BUSY:
            raise ArrayFault(f"the array is busy and takes no {request.command.name}; wait for it "
                             f"or reset it")
        raise LinkError(f"the board refuses {request.command.name} of {request.count} words at "
                        f"target {request.target}, address {request.address}")

    def _jump(self) -> None:
        """Number the next request so that nothing under way can be taken for its answer."""
        self._sequence = (self._sequence + _JUMP) % 256
