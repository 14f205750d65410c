# SPDX-License-Identifier: Apache-2.0
"""Walks the distributed source activations, one row (an activation of every PE) a cycle."""
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Layer, Row

__all__ = ["Scan"]


class Scan(wiring.Component):
    """Reads ``vectors`` x ``src_rows`` rows from the PEs' source memories, in order.

    ``address`` and ``en`` go to the synchronous read port of every PE's source memory; ``acts``
    is what the ports return one cycle later and hold while ``en`` is low. Latency: the first row
    is read in the cycle after ``start`` and offered in the one after that (2); one row a cycle.

    Members
    -------
    start : pulse; ``layer`` must be constant from then on.
    acts : the PEs' activations, PE 0 first.
    o : stream of :class:`Row`; ``last`` marks the last row of a vector.
    """
    latency = 2

    def __init__(self, config):
        self._config = config
        super().__init__({
            "start": In(1),
            "layer": In(Layer(config)),
            "address": Out(config.act_address_width),
            "en": Out(1),
            "acts": In(data.ArrayLayout(signed(config.act_width), config.pes)),
            "o": Out(stream.Signature(Row(config))),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        active = Signal()
        row = Signal.like(layer.src_rows)           # inside the vector
        vector = Signal.like(layer.vectors)
        column = Signal(config.column_address_width)
        last = Signal()

        m.d.comb += [
            last.eq(row == layer.src_rows - 1),
            self.en.eq(~self.o.valid | self.o.ready),
            self.o.p.acts.eq(self.acts),
        ]
        with m.If(self.en):
            m.d.sync += [
                self.o.valid.eq(active),
                self.o.p.column.eq(column),
                self.o.p.last.eq(last),
            ]
        with m.If(self.start):
            m.d.sync += [active.eq(1), row.eq(0), vector.eq(0), self.address.eq(0),
                         column.eq(layer.pointer_base)]
        with m.Elif(self.en & active):
            m.d.sync += self.address.eq(self.address + 1)
            with m.If(last):
                m.d.sync += [row.eq(0), vector.eq(vector + 1), column.eq(layer.pointer_base),
                             active.eq(vector != layer.vectors - 1)]
            with m.Else():
                m.d.sync += [row.eq(row + 1), column.eq(column + config.pes)]
        return m
