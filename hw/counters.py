# SPDX-License-Identifier: Apache-2.0
"""Seven exclusive counters of a PE in one small memory (docs/timing.md)."""
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..core.counters import COUNTERS
from ..core.timing import Timing

__all__ = ["Counters"]

COUNTER_WIDTH = 32


class Counters(wiring.Component):
    """Adds one to one counter of the layer in hand in every cycle of ``running``.

    Because exactly one counter moves a cycle, a memory and a single adder do for all of them.
    What D holds is examined when it happens; whether an entry was a filler is known ``latency``
    cycles later, so counting runs that much behind. ``clear`` sets counter ``clear_index`` to
    zero, ``starved`` to the cycles of the descriptor fetch, which precede ``running``.

    Members
    -------
    entry, empty, token, pending, finished : from the entry reader.
    blocked : the broadcast was held up when it could have fed this cycle of D.
    filler : the entry that D held ``latency`` cycles ago is a filler.
    address, data : read port, combinational; address = layer << 3 | counter. Only while nothing
        is counted or cleared.
    """
    latency = 3

    def __init__(self, config):
        self._config = config
        super().__init__({
            "entry": In(1), "empty": In(1), "token": In(1), "pending": In(1), "finished": In(1),
            "blocked": In(1), "filler": In(1),
            "layer": In(config.layer_width),
            "running": In(1),
            "clear": In(1),
            "clear_index": In(3),
            "address": In(config.layer_width + 3),
            "data": Out(COUNTER_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        number = {name: index for index, name in enumerate(COUNTERS)}
        m.submodules.counts = counts = memory.Memory(
            shape=COUNTER_WIDTH, depth=config.max_layers << 3, init=[])
        write, read = counts.write_port(), counts.read_port(domain="comb")

        kind = Signal(3)
        with m.If(self.entry):
            m.d.comb += kind.eq(number["busy"])
        with m.Elif(self.empty):
            m.d.comb += kind.eq(number["empty_column"])
        with m.Elif(self.token | self.pending):
            m.d.comb += kind.eq(number["writeback"])
        with m.Elif(self.finished):
            m.d.comb += kind.eq(number["drain"])
        with m.Elif(self.blocked):
            m.d.comb += kind.eq(number["blocked"])
        with m.Else():
            m.d.comb += kind.eq(number["starved"])

        delayed = kind
        for stage in range(self.latency):
            delayed, before = Signal(3, name=f"kind_{stage + 1}"), delayed
            m.d.sync += delayed.eq(before)
        index = Mux(self.filler, number["filler"], delayed)

        fetch = Timing(config).fetch
        with m.If(self.clear):
            m.d.comb += [
                write.addr.eq(Cat(self.clear_index, self.layer)),
                write.data.eq(Mux(self.clear_index == number["starved"], fetch, 0)),
            ]
        with m.Else():
            m.d.comb += [write.addr.eq(Cat(index, self.layer)), write.data.eq(read.data + 1)]
        m.d.comb += [
            write.en.eq(self.clear | self.running),
            read.addr.eq(Mux(self.running, Cat(index, self.layer), self.address)),
            self.data.eq(read.data),
        ]
        return m
