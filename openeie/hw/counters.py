# SPDX-License-Identifier: Apache-2.0
"""A PE's performance counters in one small memory (``docs/timing.md``)."""
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..core.array.counters import COUNTERS, SATURATED
from ..core.array.timing import Timing
from .ram import block_memory

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Seven counters of cycles, of which exactly one moves in each cycle of ``running``; and one of
    saturated outputs.

    Because one of the seven moves at a time, a memory and a single adder do for all of them. What
    the entry reader decodes is examined when it happens; whether an entry was a filler is known
    ``latency`` cycles later, so counting runs that much behind.

    A count takes four cycles: the counter is named, read from memory, kept in a register, and
    written one higher. If a counter is still on its way, the new count comes from there and not
    from the memory.

    The eighth counter may move in the same cycle as one of the seven. It is a register, which
    goes into the memory behind the seven once the layer has ended and no clearing takes the write
    port: three cycles after ``running``, or after the next layer's clearing.

    Members
    -------
    entry, empty, token, pending, finished : from the entry reader.
    blocked : the broadcast was held up when it could have fed this cycle of the entry reader.
    filler : the entry that was decoded ``latency`` cycles ago is a filler.
    saturated : an output that is written back has been saturated; any time in ``running``.
    layer : number of the layer that is counted.
    running : the layer runs.
    clear, clear_index : set that counter to zero; ``starved`` instead to the cycles of the
        descriptor fetch, which come before ``running``.
    address, data : read port, latency 1; the address is ``layer << 3 | counter``. Only while
        nothing is counted or cleared.
    """
    latency = 4

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "entry": In(1),
            "empty": In(1),
            "token": In(1),
            "pending": In(1),
            "finished": In(1),
            "blocked": In(1),
            "filler": In(1),
            "saturated": In(1),
            "layer": In(config.layer_width),
            "running": In(1),
            "clear": In(1),
            "clear_index": In(3),
            "address": In(config.layer_width + 3),
            "data": Out(config.counter_width),
        })

    def elaborate(self, platform: object) -> Module:
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
            later = Signal(3, name=f"kind_{stage + 1}")
            m.d.sync += later.eq(delayed)
            delayed = later
        counter = Mux(self.filler, number["filler"], delayed)
        index = Mux(self.clear, self.clear_index, counter)
        self._count(m, Cat(index, self.layer), self.clear_index == number["starved"])
        return m

    def _count(self, m: Module, address: Value, is_starved: Value) -> None:
        """Name, read, keep, write: each stage knows its address, and if it clears or counts."""
        config = self._config
        m.submodules.counts = counts = block_memory(
            config.counter_width, config.max_layers << 3)
        write = counts.write_port()
        read = counts.read_port()
        # Addresses of the counters that are read, that are fetched, and that are written.
        read_address = Signal.like(read.addr)
        fetched_address = Signal.like(read.addr)
        write_address = Signal.like(read.addr)
        # Bit k: the stage k + 1 cycles after the naming is at work.
        counting = Signal(3)
        clearing = Signal(3)
        starved = Signal(3)
        old = Signal(config.counter_width)
        new = Signal(config.counter_width)
        last = Signal(config.counter_width)
        # The counter that is read is being written, or was written a cycle earlier.
        in_new = Signal()
        in_last = Signal()
        cleared = Mux(starved[2], Timing(config).fetch, 0)
        m.d.comb += [
            read.addr.eq(Mux(counting[0] | clearing[0], read_address, self.address)),
            self.data.eq(read.data),
            new.eq(old + 1),
            write.en.eq(counting[2] | clearing[2]),
            write.addr.eq(write_address),
            write.data.eq(Mux(clearing[2], cleared, new)),
        ]
        m.d.sync += [
            read_address.eq(address),
            fetched_address.eq(read_address),
            write_address.eq(fetched_address),
            counting.eq(Cat(self.running, counting)),
            clearing.eq(Cat(self.clear, clearing)),
            starved.eq(Cat(is_starved, starved)),
            in_new.eq(counting[1] & (fetched_address == read_address)),
            in_last.eq(counting[2] & (write_address == read_address)),
            last.eq(new),
            old.eq(Mux(in_new, new, Mux(in_last, last, read.data))),
        ]
        self._count_saturated(m, write, counting[2], clearing[2])

    def _count_saturated(self, m: Module, write: memory.WritePort, is_counting: Value,
                         is_clearing: Value) -> None:
        """Count in a register, and store it once the layer it belongs to has ended."""
        saturated_count = Signal.like(write.data)
        layer = Signal.like(self.layer)
        unstored = Signal()
        with m.If(self.saturated):
            m.d.sync += saturated_count.eq(saturated_count + 1)
        with m.If(is_counting):
            m.d.sync += unstored.eq(1)
            m.d.sync += layer.eq(write.addr >> 3)
        with m.Elif(unstored & ~is_clearing):
            m.d.comb += [
                write.en.eq(1),
                write.addr.eq(Cat(Const(SATURATED, 3), layer)),
                write.data.eq(saturated_count),
            ]
            m.d.sync += [unstored.eq(0), saturated_count.eq(0)]
