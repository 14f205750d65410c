# SPDX-License-Identifier: Apache-2.0
"""Accumulators in one or two banks, with the bypass of EIE's section IV."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .ram import block_memory
from .structs import Addend

__all__ = ["Accumulators"]


class Accumulators(wiring.Component):
    """Adds products into rows of one bank while the writeback reads and clears the other.

    A product's row is read in the cycle it arrives and held in a register from the next one on;
    the sum is written at the end of the one after that (latency 3); one product a cycle. A
    product for one of the two rows on their way takes that sum instead of the memory's word.
    ``read_row`` of bank ``read_bank`` returns its sum in the next cycle; ``clear`` leaves zero
    there. With two banks, the two sides never use the same one; with one, never the same time.
    ``wipe`` clears ``wipe_row`` in all banks: after a reset, nothing is known of a memory.

    Members
    -------
    i_valid, i : :class:`Addend`.
    maximum : keep the largest product instead of the sum. Products are activations then, and are
        moved up by half their range, so that a cleared row is below all of them.
    read_en, read_bank, read_row, clear : writeback side.
    acc : the sum read, one cycle later.
    wipe, wipe_row : clear a row in all banks.
    """
    latency = 3

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i_valid": In(1),
            "i": In(Addend(config)),
            "maximum": In(1),
            "read_en": In(1),
            "read_bank": In(1),
            "read_row": In(config.row_width),
            "clear": In(1),
            "acc": Out(signed(config.acc_width)),
            "wipe": In(1),
            "wipe_row": In(config.row_width),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        word = signed(config.acc_width)
        fetched_valid, fetched = Signal(), Signal(Addend(config))  # its row is being fetched
        adding, product, old = Signal(), Signal(Addend(config)), Signal(word)
        total, last_total = Signal(word), Signal(word)
        in_sum, in_last = Signal(), Signal()        # fetched's row: being added, added before

        def same_row(a, b):
            return (a.row == b.row) & (a.bank == b.bank)
        reads = [self._bank(m, bank, adding, product, total)
                 for bank in range(config.acc_banks)]
        word_of = (lambda bank: Mux(bank, reads[1], reads[0])) if len(reads) == 2 \
            else (lambda bank: reads[0])
        # Nothing is added in the cycle in which a single bank's row is cleared, and nothing to
        # nothing is the zero to write.
        idle = ~fetched_valid if config.acc_banks == 1 else 0
        m.d.sync += [
            fetched_valid.eq(self.i_valid), fetched.eq(self.i),
            in_sum.eq(fetched_valid & same_row(fetched, self.i)),
            in_last.eq(adding & same_row(product, self.i)),
            adding.eq(fetched_valid), product.eq(fetched), last_total.eq(total),
            old.eq(Mux(in_sum, total, Mux(in_last, last_total, word_of(fetched.bank)))),
        ]
        with m.If(idle):
            m.d.sync += [old.eq(0), product.value.eq(0)]
        read_bank = Signal()
        m.d.sync += read_bank.eq(self.read_bank)
        m.d.comb += [total.eq(old + product.value), self.acc.eq(word_of(read_bank))]
        if config.pool:
            sign = config.act_width - 1
            moved = Cat(product.value[:sign], ~product.value[sign])
            with m.If(self.maximum & adding):
                m.d.comb += total.eq(Mux(old > moved, old, moved))
        return m

    def _bank(self, m, bank, adding, product, total):
        """One bank's memory and who uses its ports; returns the word read."""
        config = self._config
        m.submodules[f"bank{bank}"] = mem = block_memory(
            signed(config.acc_width), config.acc_depth)
        write, read = mem.write_port(), mem.read_port()

        def ours(number):
            return number == bank if config.acc_banks == 2 else Const(1)
        reading = self.read_en & ours(self.read_bank)
        m.d.comb += read.addr.eq(Mux(reading, self.read_row, self.i.row))
        with m.If(self.wipe):
            m.d.comb += [write.en.eq(1), write.addr.eq(self.wipe_row)]
        with m.Elif(reading):
            m.d.comb += [write.en.eq(self.clear), write.addr.eq(self.read_row)]
        with m.Else():
            m.d.comb += [write.en.eq(adding & ours(product.bank)), write.addr.eq(product.row)]
        clears = self.wipe | reading if config.acc_banks == 2 else 0
        m.d.comb += write.data.eq(Mux(clears, 0, total))
        return read.data
