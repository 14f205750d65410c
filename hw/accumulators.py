# SPDX-License-Identifier: Apache-2.0
"""Accumulators in two banks, with the bypass of EIE's section IV."""
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Product

__all__ = ["Accumulators"]


class Accumulators(wiring.Component):
    """Adds products into rows of one bank while the writeback reads and clears the other.

    A product's row is read in the cycle it arrives, the sum is written at the end of the next
    (latency 2); one product a cycle. A product for the row being written takes the sum from the
    adder instead of the memory. The writeback's ``read_row`` of bank ``read_bank`` returns its
    sum in the next cycle and leaves zero behind; the two sides never use the same bank.
    ``wipe`` clears ``wipe_row`` in both banks: after a reset, nothing is known of a memory.

    Members
    -------
    i_valid, i : :class:`Product`.
    read_en, read_bank, read_row : writeback side.
    acc : the sum read, one cycle later.
    wipe, wipe_row : clear a row in both banks.
    """
    latency = 2

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i_valid": In(1),
            "i": In(Product(config)),
            "read_en": In(1),
            "read_bank": In(1),
            "read_row": In(config.row_width),
            "acc": Out(signed(config.acc_width)),
            "wipe": In(1),
            "wipe_row": In(config.row_width),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        adding, product = Signal(), Signal(Product(config))
        cleared, clear_bank, clear_row = Signal(), Signal(), Signal(config.row_width)
        bypass, last_sum = Signal(), Signal(signed(config.acc_width))
        total = Signal(signed(config.acc_width))
        m.d.sync += [
            adding.eq(self.i_valid),
            product.eq(self.i),
            cleared.eq(self.read_en),
            clear_bank.eq(self.read_bank),
            clear_row.eq(self.read_row),
            bypass.eq(adding & (product.row == self.i.row) & (product.bank == self.i.bank)),
            last_sum.eq(total),
        ]
        reads = []
        for bank in range(2):
            m.submodules[f"bank{bank}"] = mem = memory.Memory(
                shape=signed(config.acc_width), depth=config.acc_depth, init=[])
            write, read = mem.write_port(), mem.read_port()
            ours = product.bank == bank
            m.d.comb += read.addr.eq(Mux(self.read_en & (self.read_bank == bank),
                                         self.read_row, self.i.row))
            with m.If(self.wipe):
                m.d.comb += [write.en.eq(1), write.addr.eq(self.wipe_row)]
            with m.Elif(cleared & (clear_bank == bank)):
                m.d.comb += [write.en.eq(1), write.addr.eq(clear_row)]
            with m.Elif(adding & ours):
                m.d.comb += [write.en.eq(1), write.addr.eq(product.row), write.data.eq(total)]
            reads.append(read.data)
        m.d.comb += [
            total.eq(Mux(bypass, last_sum, Mux(product.bank, reads[1], reads[0]))
                     + product.value),
            self.acc.eq(Mux(clear_bank, reads[1], reads[0])),
        ]
        return m
