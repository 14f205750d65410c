# SPDX-License-Identifier: Apache-2.0
"""Column pointers in even and odd banks: both ends of a column in one cycle (EIE, section IV)."""
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .ram import block_memory
from .structs import Column, Item

__all__ = ["Pointers"]


class Pointers(wiring.Component):
    """Looks up ``p[j]`` and ``p[j + 1]`` of an item's column.

    Latency 1, one item a cycle; a stalled output holds the memories' read registers.

    Members
    -------
    i : stream of :class:`Item`. A token's column is meaningless.
    o : stream of :class:`Column`.
    load_en, load_address, load_data : write port.
    """
    latency = 1

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Item(config))),
            "o": Out(stream.Signature(Column(config))),
            "load_en": In(1),
            "load_address": In(config.column_address_width),
            "load_data": In(config.pointer_width),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        column, odd = self.i.p.column, Signal()
        advance = ~self.o.valid | self.o.ready
        reads = []
        for bank in range(2):
            m.submodules[f"bank{bank}"] = mem = block_memory(
                config.pointer_width, config.pointer_depth // 2)
            write, read = mem.write_port(), mem.read_port()
            m.d.comb += [
                write.en.eq(self.load_en & (self.load_address[0] == bank)),
                write.addr.eq(self.load_address[1:]),
                write.data.eq(self.load_data),
                read.en.eq(advance),
                # Pair (j, j + 1): the even bank serves the even one of the two.
                read.addr.eq((column + 1)[1:] if bank == 0 else column[1:]),
            ]
            reads.append(read.data)
        m.d.comb += [
            self.i.ready.eq(advance),
            self.o.p.start.eq(Mux(odd, reads[1], reads[0])),
            self.o.p.end.eq(Mux(odd, reads[0], reads[1])),
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                self.o.p.act.eq(self.i.p.act),
                self.o.p.token.eq(self.i.p.token),
                odd.eq(column[0]),
            ]
        return m
