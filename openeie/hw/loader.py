# SPDX-License-Identifier: Apache-2.0
"""Load port: writes memories, checks their CRC, takes commands."""
from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..core.array.load_port import Control, Fault, Target
from .structs import LoadWord

__all__ = ["Loader"]


class Loader(wiring.Component):
    """Turns load words into writes, and CONTROL words into commands.

    Throughput: one word in ``cycles`` cycles, because its CRC record (16 bytes, ``LOAD_RECORD`` of
    ``core/array/load_port.py``) passes through the CRC 16 bits at a time. Nothing is taken while
    ``busy``.

    A CHECK covers the writes since the CHECK, CLEAR or reset before it. A START is followed by
    ``program_start`` only if the last CHECK agreed and no write, CLEAR or reset came after it;
    otherwise ``fault`` says why not, until CLEAR.

    Members
    -------
    i : stream of :class:`LoadWord`.
    busy : a program runs.
    stopped : pulse, the watchdog ended a program.
    write, word : one write, for one cycle; a CONTROL word is never passed on.
    program_start, first, count : run ``count`` layers from layer ``first`` on, 16 bits each.
    fault : why the array refused a program or stopped it.
    """
    cycles = 8

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(LoadWord())),
            "busy": In(1),
            "stopped": In(1),
            "write": Out(1),
            "word": Out(LoadWord()),
            "program_start": Out(1),
            "first": Out(16),
            "count": Out(16),
            "fault": Out(Fault),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=16).create()
        word = self.i.payload
        is_control = word.target == Target.CONTROL
        record = Cat(word.target, Const(0, 12), word.pe, word.address, word.data)
        step = Signal(range(self.cycles))           # which 16 bits of the record
        checked = Signal()
        # Known by a command's last cycle.
        matches = Signal()
        is_beyond = Signal()
        end = (self.first + self.count)[:17]

        m.d.comb += [
            self.i.ready.eq((step == self.cycles - 1) & ~self.busy),
            self.first.eq(word.data[:16]),
            self.count.eq(word.data[16:]),
        ]
        m.d.sync += [
            crc.data.eq(record.word_select(step, 16)),
            crc.valid.eq(self.i.valid & ~self.busy & ~is_control),
            self.write.eq(0),
            self.word.eq(word),
            matches.eq(crc.crc == word.data[:32]),
            is_beyond.eq((self.count == 0) | (end > self._config.max_layers)),
        ]
        with m.If(self.i.valid & ~self.busy):
            m.d.sync += step.eq(step + 1)
        with m.If(self.i.valid & self.i.ready):
            with m.If(~is_control):
                m.d.sync += self.write.eq(1)
                m.d.sync += checked.eq(0)
            with m.Else():
                self._command(m, word, crc, checked, matches, is_beyond)
        with m.If(self.stopped):
            m.d.sync += self.fault.eq(Fault.WATCHDOG)
        return m

    def _command(self, m: Module, word: data.View, crc: wiring.Component, checked: Signal,
                 matches: Value, is_beyond: Value) -> None:
        """Execute a CONTROL word."""
        with m.Switch(word.address):
            with m.Case(Control.CHECK):
                m.d.comb += crc.start.eq(1)
                with m.If(matches):
                    m.d.sync += checked.eq(1)
                with m.Else():
                    m.d.sync += checked.eq(0)
                    m.d.sync += self.fault.eq(Fault.BAD_CRC)
            with m.Case(Control.START):
                with m.If(self.fault == Fault.NONE):
                    with m.If(~checked):
                        m.d.sync += self.fault.eq(Fault.UNCHECKED)
                    with m.Elif(is_beyond):
                        m.d.sync += self.fault.eq(Fault.BAD_LAYERS)
                    with m.Else():
                        m.d.comb += self.program_start.eq(1)
            with m.Case(Control.CLEAR):
                m.d.comb += crc.start.eq(1)
                m.d.sync += checked.eq(0)
                m.d.sync += self.fault.eq(Fault.NONE)
