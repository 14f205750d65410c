# SPDX-License-Identifier: Apache-2.0
"""Broadcast: one item to every PE's queue at once, or to none (EIE, section IV)."""
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .structs import Item, ScanRow

__all__ = ["Broadcast"]


class Broadcast(wiring.Component):
    """A register that waits until all queues have room, then writes them all in one cycle.

    Latency 1, one item a cycle: the register takes the next item in the cycle it is emptied.
    Not a stream on the far side, since ``push`` depends on every queue. Whether all have room is
    a register, because they are spread over the chip: it looks at the queues a cycle ago and
    adds what was pushed since, so a place that is freed is used ``Timing.refill`` cycles later.

    Parameters
    ----------
    pes : queues that it feeds.

    Members
    -------
    i : stream of :class:`Item`.
    item, push : to the queues; all of them take ``item`` in a cycle in which ``push`` is high.
    ready, ready_two : from the queues: room for one item, room for two.
    blocked : an item waits because some queue is full.
    i_acts, acts : the row that ``i`` comes from, and ``item`` came from: each PE's own activation.
    """
    latency = 1

    def __init__(self, config, pes):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Item(config))),
            "item": Out(Item(config)),
            "push": Out(1),
            "ready": In(pes),
            "ready_two": In(pes),
            "blocked": Out(1),
            "i_acts": In(ScanRow(config)["acts"].shape),
            "acts": Out(ScanRow(config)["acts"].shape),
        })

    def elaborate(self, platform):
        m = Module()
        occupied, room = Signal(), Signal()
        m.d.sync += room.eq(Mux(self.push, self.ready_two.all(), self.ready.all()))
        m.d.comb += [
            self.push.eq(occupied & room),
            self.blocked.eq(occupied & ~room),
            self.i.ready.eq(~occupied | self.push),
        ]
        with m.If(self.i.ready):
            m.d.sync += [occupied.eq(self.i.valid), self.item.eq(self.i.payload)]
            if self._config.pool:
                m.d.sync += self.acts.eq(self.i_acts)
        return m
