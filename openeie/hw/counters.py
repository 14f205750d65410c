# SPDX-License-Identifier: Apache-2.0
"""A PE's counters in one small memory: seven exclusive ones, and saturated outputs
(docs/timing.md)."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.counters import COUNTERS, SATURATED
from ..core.array.timing import Timing
from .ram import block_memory

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Adds one to one counter of the layer in hand in every cycle of ``running``.

    Because exactly one counter moves a cycle, a memory and a single adder do for all of them.
    What D holds is examined when it happens; whether an entry was a filler is known ``latency``
    cycles later, so counting runs that much behind. ``clear`` sets counter ``clear_index`` to
    zero, ``starved`` to the cycles of the descriptor fetch, which precede ``running``.
    A counter is named, read, held in a register, and written one higher in four successive
    cycles; a counter that is on its way comes from there and not from the memory.

    An eighth counter, of outputs that saturated, may move in the same cycle. It is a register,
    which goes into the memory behind the seven when the layer has ended, as soon as no clearing
    takes the write port: three cycles after ``running``, or after the next layer's clearing.

    Members
    -------
    entry, empty, token, pending, finished : from the entry reader.
    blocked : the broadcast was held up when it could have fed this cycle of D.
    filler : the entry that D held ``latency`` cycles ago is a filler.
    saturated : an output that is written back has been saturated; any time in ``running``.
    address, data : read port, one cycle; address = layer << 3 | counter. Only while nothing
        is counted or cleared.
    """
    latency = 4

    def __init__(self, config):
        self._config = config
        super().__init__({
            "entry": In(1), "empty": In(1), "token": In(1), "pending": In(1), "finished": In(1),
            "blocked": In(1), "filler": In(1), "saturated": In(1),
            "layer": In(config.layer_width),
            "running": In(1),
            "clear": In(1),
            "clear_index": In(3),
            "address": In(config.layer_width + 3),
            "data": Out(config.counter_width),
        })

    def elaborate(self, platform):
        m = Module()
        number = {name: index for index, name in enumerate(COUNTERS)}
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
        index = Mux(self.clear, self.clear_index,
                    Mux(self.filler, number["filler"], delayed))
        self._count(m, Cat(index, self.layer), self.clear_index == number["starved"])
        return m

    def _count(self, m, address, is_starved):
        """Name, read, hold, write: each stage knows its address, and if it clears or counts."""
        config = self._config
        m.submodules.counts = counts = block_memory(
            config.counter_width, config.max_layers << 3)
        write, read = counts.write_port(), counts.read_port()
        request, fetched, counted = (Signal.like(read.addr, name=name)
                                    for name in ("request", "fetched", "counted"))
        counting, clearing, starved = Signal(3), Signal(3), Signal(3)
        old, new, last = (Signal(config.counter_width, name=name)
                          for name in ("old", "new", "last"))
        in_new, in_last = Signal(), Signal()
        m.d.comb += [
            read.addr.eq(Mux(counting[0] | clearing[0], request, self.address)),
            self.data.eq(read.data),
            new.eq(old + 1),
            write.en.eq(counting[2] | clearing[2]),
            write.addr.eq(counted),
            write.data.eq(Mux(clearing[2], Mux(starved[2], Timing(config).fetch, 0), new)),
        ]
        m.d.sync += [
            request.eq(address), fetched.eq(request), counted.eq(fetched),
            counting.eq(Cat(self.running, counting)), clearing.eq(Cat(self.clear, clearing)),
            starved.eq(Cat(is_starved, starved)),
            in_new.eq(counting[1] & (fetched == request)),
            in_last.eq(counting[2] & (counted == request)),
            last.eq(new),
            old.eq(Mux(in_new, new, Mux(in_last, last, read.data))),
        ]
        self._count_saturated(m, write, counting[2], clearing[2])

    def _count_saturated(self, m, write, is_counting, is_clearing):
        """Count in a register, and store it once the layer it belongs to has ended."""
        count, layer = Signal.like(write.data, name="saturated_count"), Signal.like(self.layer)
        unstored = Signal()
        with m.If(self.saturated):
            m.d.sync += count.eq(count + 1)
        with m.If(is_counting):
            m.d.sync += [unstored.eq(1), layer.eq(write.addr >> 3)]
        with m.Elif(unstored & ~is_clearing):
            m.d.comb += [write.en.eq(1), write.addr.eq(Cat(Const(SATURATED, 3), layer)),
                         write.data.eq(count)]
            m.d.sync += [unstored.eq(0), count.eq(0)]
