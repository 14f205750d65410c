# SPDX-License-Identifier: Apache-2.0
"""Accumulators in one or two banks, with the bypass of EIE's section IV."""
from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .ram import block_memory
from .structs import Addend

__all__ = ["Accumulators"]


class Accumulators(wiring.Component):
    """Adds products into rows of one bank while the writeback reads and clears the other.

    Throughput: one product a cycle. Latency 3: the memory is read in the cycle in which a product
    arrives, the old sum is in a register one cycle later, and the new sum is in memory at the end
    of the next. A product for one of the two rows that are on their way takes that sum instead of
    the word from memory (the bypass), so two products for the same row may follow each other.

    A read by the writeback answers in the next cycle. With two banks, the two sides never use the
    same bank; with one bank, they never use it at the same time.

    Members
    -------
    i_valid, i : :class:`Addend`.
    maximum : keep the largest product instead of the sum, for max pools. A product then is an
        activation; it is moved up by half its range, so that a cleared row is below all of them.
    read_en, read_bank, read_row : read one sum.
    clear : write zero there in the same cycle.
    acc : the sum that was asked for in the previous cycle, signed, ``acc_width`` bits.
    wipe, wipe_row : clear a row in all banks. After a reset, nothing is known of a memory.
    """
    latency = 3

    def __init__(self, config: ArrayConfig):
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        word = signed(config.acc_width)
        # A product passes through two registers: `fetched` while its sum is read from memory,
        # `product` while it is added.
        fetched_valid = Signal()
        fetched = Signal(Addend(config))
        product_valid = Signal()
        product = Signal(Addend(config))
        old = Signal(word)
        total = Signal(word)
        last_total = Signal(word)
        # The row of `fetched` is being added to, or was added to a cycle earlier.
        in_total = Signal()
        in_last = Signal()

        def same_row(a: data.View, b: data.View) -> Value:
            return (a.row == b.row) & (a.bank == b.bank)

        words = [self._bank(m, bank, product_valid, product, total)
                 for bank in range(config.acc_banks)]

        def word_of(bank: Value) -> Value:
            return words[0] if len(words) == 1 else Mux(bank, words[1], words[0])

        m.d.sync += [
            fetched_valid.eq(self.i_valid),
            fetched.eq(self.i),
            in_total.eq(fetched_valid & same_row(fetched, self.i)),
            in_last.eq(product_valid & same_row(product, self.i)),
            product_valid.eq(fetched_valid),
            product.eq(fetched),
            last_total.eq(total),
            old.eq(Mux(in_total, total, Mux(in_last, last_total, word_of(fetched.bank)))),
        ]
        if config.acc_banks == 1:
            # Nothing is added in the cycle in which a row of the only bank is cleared. Then 0 + 0
            # is the zero that the clearing writes.
            with m.If(~fetched_valid):
                m.d.sync += old.eq(0)
                m.d.sync += product.value.eq(0)
        read_bank = Signal()
        m.d.sync += read_bank.eq(self.read_bank)
        m.d.comb += total.eq(old + product.value)
        m.d.comb += self.acc.eq(word_of(read_bank))
        if config.pool:
            sign = config.act_width - 1
            moved = Cat(product.value[:sign], ~product.value[sign])
            with m.If(self.maximum & product_valid):
                m.d.comb += total.eq(Mux(old > moved, old, moved))
        return m

    def _bank(self, m: Module, bank: int, product_valid: Value, product: data.View,
              total: Value) -> Value:
        """One bank's memory, and who uses its two ports; returns the word read."""
        config = self._config
        m.submodules[f"bank{bank}"] = memory = block_memory(
            signed(config.acc_width), config.acc_depth)
        write = memory.write_port()
        read = memory.read_port()
        two_banks = config.acc_banks == 2

        def is_ours(number: Value) -> Value:
            return number == bank if two_banks else Const(1)

        reading = self.read_en & is_ours(self.read_bank)
        m.d.comb += read.addr.eq(Mux(reading, self.read_row, self.i.row))
        with m.If(self.wipe):
            m.d.comb += write.en.eq(1)
            m.d.comb += write.addr.eq(self.wipe_row)
        with m.Elif(reading):
            m.d.comb += write.en.eq(self.clear)
            m.d.comb += write.addr.eq(self.read_row)
        with m.Else():
            m.d.comb += write.en.eq(product_valid & is_ours(product.bank))
            m.d.comb += write.addr.eq(product.row)
        clears = self.wipe | reading if two_banks else 0
        m.d.comb += write.data.eq(Mux(clears, 0, total))
        return read.data
