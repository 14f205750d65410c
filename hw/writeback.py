# SPDX-License-Identifier: Apache-2.0
"""Writeback: bias, scale, round, saturate, ReLU (docs/numerics.md)."""
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..core.fixed import MAX_SHIFT, MULTIPLIER_BITS, int_range
from .layouts import Channel, Layer

__all__ = ["Writeback"]


class Writeback(wiring.Component):
    """Writes one vector's rows back: ``dst_rows`` of them, one a cycle.

    The first row is read in the cycle after ``start``; a row read in cycle c is written to the
    destination memory at the end of cycle c + ``latency``. Destination addresses count through
    the vectors of a layer. Nothing stalls.

    Members
    -------
    begin : pulse before each layer; ``layer`` must be constant while rows are written.
    start, start_bank : a token has reached the accumulators of that bank.
    read_en, read_bank, read_row : to the accumulators.
    acc : the accumulator read in the previous cycle.
    released : the last row of the bank is being read.
    done : all vectors of the layer have been written.
    write_en, write_address, act : to the destination memory.
    load_en, load_address, load_data : write port of the channel memory.
    """
    latency = 4

    def __init__(self, config):
        self._config = config
        super().__init__({
            "layer": In(Layer(config)),
            "begin": In(1),
            "start": In(1),
            "start_bank": In(1),
            "read_en": Out(1),
            "read_bank": Out(1),
            "read_row": Out(config.row_width),
            "acc": In(signed(config.acc_width)),
            "released": Out(1),
            "done": Out(1),
            "write_en": Out(1),
            "write_address": Out(config.act_address_width),
            "act": Out(signed(config.act_width)),
            "load_en": In(1),
            "load_address": In(config.channel_address_width),
            "load_data": In(Channel()),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        m.submodules.channels = channels = memory.Memory(
            shape=Channel(), depth=config.channel_depth, init=[])
        write, read = channels.write_port(), channels.read_port()
        m.d.comb += [
            write.en.eq(self.load_en), write.addr.eq(self.load_address),
            write.data.eq(self.load_data),
            read.addr.eq(layer.channel_base + self.read_row),
            self.released.eq(self.read_en & (self.read_row == layer.dst_rows - 1)),
        ]
        with m.If(self.start):
            m.d.sync += [self.read_en.eq(1), self.read_row.eq(0),
                         self.read_bank.eq(self.start_bank)]
        with m.Elif(self.released):
            m.d.sync += self.read_en.eq(0)
        with m.Else():
            m.d.sync += self.read_row.eq(self.read_row + 1)

        self._requantise(m, read.data)
        self._finish(m)
        return m

    def _requantise(self, m, channel):
        """Stages 1 to 4: ``acc`` and its channel's parameters in, ``act`` out."""
        config = self._config
        biased = Signal(signed(config.acc_width))
        multiplier, shift = Signal(MULTIPLIER_BITS), Signal(range(MAX_SHIFT + 1))
        m.d.sync += [biased.eq(self.acc + channel.bias),            # 1
                     multiplier.eq(channel.multiplier), shift.eq(channel.shift)]

        product = Signal(signed(config.acc_width + MULTIPLIER_BITS))
        product_shift = Signal.like(shift)
        m.d.sync += [product.eq(biased * multiplier), product_shift.eq(shift)]      # 2

        # Half of the last place kept: shifting one bit less, adding 1, then dropping that bit.
        doubled = Signal(signed(len(product) + 1))
        rounded = Signal(signed(len(product) + 1))
        m.d.comb += doubled.eq(product << 1)
        m.d.sync += rounded.eq(((doubled >> product_shift) + 1) >> 1)               # 3

        low, high = int_range(config.act_width)
        with m.If(rounded > high):                                                  # 4
            m.d.comb += self.act.eq(high)
        with m.Elif((rounded < 0) & self.layer.relu):
            m.d.comb += self.act.eq(0)
        with m.Elif(rounded < low):
            m.d.comb += self.act.eq(low)
        with m.Else():
            m.d.comb += self.act.eq(rounded)

    def _finish(self, m):
        """Carry the row's valid bit to the write, and count vectors and addresses there."""
        valid, last = Signal(self.latency), Signal(self.latency)
        vector = Signal.like(self.layer.vectors)
        m.d.sync += [valid.eq(Cat(self.read_en, valid)), last.eq(Cat(self.released, last))]
        m.d.comb += self.write_en.eq(valid[-1])
        with m.If(self.write_en):
            m.d.sync += self.write_address.eq(self.write_address + 1)
        with m.If(last[-1]):
            m.d.sync += [vector.eq(vector + 1),
                         self.done.eq(vector == self.layer.vectors - 1)]
        with m.If(self.begin):
            m.d.sync += [self.write_address.eq(0), vector.eq(0), self.done.eq(0)]
