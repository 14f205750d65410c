# SPDX-License-Identifier: Apache-2.0
"""Walks the distributed source activations, one row (an activation of every PE) a cycle."""
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.fixed import int_range
from .layouts import Layer, Row
from .window import WindowWalk

__all__ = ["Scan"]


class Scan(wiring.Component):
    """Reads ``vectors`` x ``src_rows`` rows from the PEs' source memories, in the layer's order:
    one after the other, or, in an array with convolutions, position after position of a window
    (:mod:`openeie.core.walk`). Beside the map it takes zeros.

    ``address`` and ``en`` go to the synchronous read port of every PE's source memory; ``acts``
    is what the ports return one cycle later and hold while ``en`` is low. Latency: the first row
    is read in the cycle after ``start`` and offered two cycles after that (3); one row a cycle.
    Two registers behind the memories let ``en`` know nothing of ``o.ready`` but what it was: it
    goes to every PE.

    Members
    -------
    start : pulse; ``layer`` must be constant from then on.
    acts : the PEs' activations, PE 0 first.
    o : stream of :class:`Row`; ``last`` marks the last row of a vector.
    """
    latency = 3

    def __init__(self, config):
        self._config = config
        super().__init__({
            "start": In(1),
            "layer": In(Layer(config)),
            "address": Out(config.act_address_width + config.conv),
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
        last, step = Signal(), Signal()
        window = WindowWalk(config) if config.conv else None

        m.d.comb += [
            last.eq(row == layer.src_rows - 1),
            step.eq(self.en & active),
        ]
        with m.If(self.start):
            m.d.sync += [active.eq(1), row.eq(0), vector.eq(0), column.eq(layer.pointer_base)]
        with m.Elif(step):
            with m.If(last):
                m.d.sync += [row.eq(0), vector.eq(vector + 1), column.eq(layer.pointer_base),
                             active.eq(vector != layer.vectors - 1)]
            with m.Else():
                m.d.sync += [row.eq(row + 1), column.eq(column + config.pes)]
                if config.pool:             # one column for all PEs' own activations of a row
                    with m.If(layer.local):
                        m.d.sync += column.eq(Mux(window.pixel_ends, layer.pointer_base,
                                                  column + 1))
        if config.conv:
            m.submodules.window = window
            m.d.comb += [window.layer.eq(layer), window.start.eq(self.start), window.step.eq(step),
                         window.last.eq(last), self.address.eq(window.address)]
            inside = window.inside
        else:
            with m.If(self.start):
                m.d.sync += self.address.eq(0)
            with m.Elif(step):
                m.d.sync += self.address.eq(self.address + 1)
            inside = Const(1)
        self._buffer(m, active, column, last, inside)
        return m

    def _buffer(self, m, active, column, last, inside):
        """Rows on their way: in the memories' outputs, in ``second``, in ``o``."""
        fetched, second_valid = Signal(), Signal()
        beside = Mux(self.layer.maximum, int_range(self._config.act_width)[0], 0) \
            if self._config.pool else 0
        row, second = Signal(Row(self._config)), Signal(Row(self._config))
        fetched_column, fetched_last, fetched_inside = Signal.like(column), Signal(), Signal()
        m.d.comb += [
            self.en.eq(~fetched | ~second_valid),
            *(row.acts[k].eq(Mux(fetched_inside, self.acts[k], beside) if self._config.conv
                             else self.acts[k]) for k in range(self._config.pes)),
            row.column.eq(fetched_column), row.last.eq(fetched_last),
        ]
        with m.If(self.en):
            m.d.sync += [fetched.eq(active), fetched_column.eq(column), fetched_last.eq(last),
                         fetched_inside.eq(inside)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(fetched | second_valid),
                self.o.payload.eq(Mux(second_valid, second, row)),
                second_valid.eq(0),
            ]
        with m.Elif(~second_valid):
            m.d.sync += second_valid.eq(fetched)
        with m.If(~second_valid):
            m.d.sync += second.eq(row)
