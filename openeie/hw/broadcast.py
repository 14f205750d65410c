# SPDX-License-Identifier: Apache-2.0
"""Broadcast: one item to every PE's queue at once, or to none (EIE, section IV)."""
from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .structs import Item, ScanRow

__all__ = ["Broadcast"]


class Broadcast(wiring.Component):
    """A register that waits until all queues have room, then writes them all in one cycle.

    Latency 1, one item a cycle: the register takes the next item in the cycle in which it is
    emptied. The output is not a stream, since ``push`` depends on every queue.

    The queues are spread over the chip, so whether all have room is kept in a register. It looks
    at the queues one cycle ago and adds what was pushed since; so a place that a queue frees is
    used ``Timing.refill`` cycles later.

    Parameters
    ----------
    pes : number of queues that it feeds.

    Members
    -------
    i : stream of :class:`Item`.
    item, push : to the queues; all of them take ``item`` in a cycle in which ``push`` is high.
    ready, ready_two : one bit per queue: room for one item, room for two.
    blocked : an item waits because some queue is full.
    i_acts, acts : in arrays with pools, the whole row that ``i`` and ``item`` came from: each PE
        takes its own activation from it in a channel-wise layer.
    """
    latency = 1

    def __init__(self, config: ArrayConfig, pes: int):
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        item_valid = Signal()
        room = Signal()
        m.d.sync += room.eq(Mux(self.push, self.ready_two.all(), self.ready.all()))
        m.d.comb += [
            self.push.eq(item_valid & room),
            self.blocked.eq(item_valid & ~room),
            self.i.ready.eq(~item_valid | self.push),
        ]
        with m.If(self.i.ready):
            m.d.sync += item_valid.eq(self.i.valid)
            m.d.sync += self.item.eq(self.i.payload)
            if self._config.pool:
                m.d.sync += self.acts.eq(self.i_acts)
        return m
