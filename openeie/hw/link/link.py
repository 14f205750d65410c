# SPDX-License-Identifier: Apache-2.0
"""The host link: a UART in front of the accelerator's ports (``docs/link.md``)."""
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..structs import LoadWord, ReadRequest
from .execute import Executor
from .identity import IdentityMemory
from .receive import Receiver
from .respond import Responder
from .uart import UartReceiver, UartTransmitter

__all__ = ["Link"]


class Link(wiring.Component):
    """Executes the requests that come over a UART, and answers them.

    A frame is executed when its last bit is there and the response before it is sent; then its own
    response follows. Receiving, executing and sending overlap, and receiving and sending go on at
    the line's full rate. Nothing that a host sends can stop the link.

    Parameters
    ----------
    identity : words of ``Identity`` in ``core/array/link_frames.py``, 32 bits each.
    divisor : clock cycles per bit of the UART, at least 4.

    Members
    -------
    rx, tx : the UART's lines; high when idle.
    i_load, i_read, o_read, busy : to and from the ports of the same names of :class:`Accelerator`.
    reset : resets the accelerator, but not the link; ``busy`` must follow within 15 cycles.
    active : a request is executed, or a response sent.
    error : the last frame was bad, or there was no place for it.
    """
    def __init__(self, identity: list[int], *, divisor: int):
        self._identity = identity
        self._divisor = divisor
        super().__init__({
            "rx": In(1, init=1),
            "tx": Out(1, init=1),
            "i_load": Out(stream.Signature(LoadWord())),
            "i_read": Out(stream.Signature(ReadRequest())),
            "o_read": In(stream.Signature(64)),
            "busy": In(1),
            "reset": Out(1),
            "active": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.uart_receiver = uart_receiver = UartReceiver(divisor=self._divisor)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(divisor=self._divisor)
        m.submodules.receiver = receiver = Receiver()
        m.submodules.executor = executor = Executor()
        m.submodules.identity = identity = IdentityMemory(self._identity)
        m.submodules.responder = responder = Responder()

        connect(m, uart_receiver.o, receiver.i)
        connect(m, receiver.o, executor.i)
        connect(m, executor.o, responder.i)
        connect(m, responder.o, uart_transmitter.i)
        for name in ("i_load", "i_read", "o_read"):
            connect(m, getattr(executor, name), flipped(getattr(self, name)))
        m.d.comb += [
            uart_receiver.rx.eq(self.rx),
            receiver.drop.eq(executor.drop),
            identity.address.eq(executor.address),
            identity.byte.eq(executor.byte),
            executor.identity.eq(identity.data),
            responder.response_start.eq(executor.response_start),
            responder.aside.eq(executor.aside),
            responder.send.eq(executor.send),
            responder.again.eq(executor.again),
            executor.sending.eq(responder.busy),
            executor.busy.eq(self.busy),
            self.tx.eq(uart_transmitter.tx),
            self.reset.eq(executor.reset),
            self.active.eq(executor.active | responder.busy),
            self.error.eq(receiver.error),
        ]
        return m
