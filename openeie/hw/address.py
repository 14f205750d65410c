# SPDX-License-Identifier: Apache-2.0
"""Row address: adds up the runs of a column (EIE's address accumulator)."""
from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .structs import FetchedEntry, Operand

__all__ = ["RowAddress"]


class RowAddress(wiring.Component):
    """Turns relative runs into rows: ``row = (0 if first else last row + 1) + run``.

    Latency 1, one entry a cycle. A filler (longest run, weight 0) bridges a gap that is longer
    than one run can say. It moves the row on and is marked for the counters; it is accumulated
    like any entry, as a zero.

    Members
    -------
    i_valid, i : :class:`FetchedEntry` with its final run and weight.
    o_valid, o : :class:`Operand`.
    filler : ``o`` is a filler.
    """
    latency = 1

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "i_valid": In(1),
            "i": In(FetchedEntry(config)),
            "o_valid": Out(1),
            "o": Out(Operand(config)),
            "filler": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal.like(self.o.row)
        next_row = Signal.like(self.o.row)          # the row of a next entry with run 0
        m.d.comb += row.eq(Mux(self.i.first, 0, next_row) + self.i.run)
        with m.If(self.i_valid):
            m.d.sync += next_row.eq(row + 1)
        is_filler = (self.i.run == self._config.max_run) & (self.i.weight == 0)
        m.d.sync += [
            self.o_valid.eq(self.i_valid),
            self.filler.eq(self.i_valid & is_filler),
            self.o.act.eq(self.i.act),
            self.o.weight.eq(self.i.weight),
            self.o.row.eq(row),
            self.o.bank.eq(self.i.bank),
        ]
        return m
