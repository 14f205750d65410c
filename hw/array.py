# SPDX-License-Identifier: Apache-2.0
"""The array: scan, lnzd, broadcast and N processing elements."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..core.program import BROADCAST_PE, Target
from ..core.timing import Timing
from .broadcast import Broadcast
from .layouts import Layer, LoadWord, ReadRequest
from .lnzd import Lnzd
from .pe import PE
from .scan import Scan

__all__ = ["Array"]


class Array(wiring.Component):
    """Runs one layer at a time: from ``start`` until ``done``, see docs/timing.md.

    Parameters
    ----------
    pe : what makes a processing element from the configuration; a simulator that compiles one
        PE for all of them passes its own.

    Members
    -------
    reset : back to the state after power-up, memories excepted.
    layer : constant from ``start`` to ``done``.
    begin, clear, clear_index, running : see :class:`PE`.
    start : pulse, begins the scan.
    done : one bit per PE, its last vector is written back.
    full : one bit per PE, its queue holds the broadcast up.
    wipe, wipe_row : clear an accumulator row everywhere.
    load_en, load : a write to the memories of one PE, or of all.
    read, data : a read of an activation or a counter, while nothing runs; ``data`` follows
        ``read``, which stays, by ``read_latency`` cycles; two of them are for the end of a run
        to arrive.
    """
    read_latency = 6

    def __init__(self, config, *, pe=PE):
        self._config, self._pe = config, pe
        super().__init__({
            "layer": In(Layer(config)),
            "reset": In(1),
            "begin": In(1), "running": In(1), "clear": In(1), "clear_index": In(3),
            "start": In(1),
            "done": Out(config.pes),
            "full": Out(config.pes),
            "wipe": In(1),
            "wipe_row": In(config.row_width),
            "load_en": In(1),
            "load": In(LoadWord()),
            "read": In(ReadRequest()),
            "data": Out(64),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        scan, lnzd, broadcast = Scan(config), Lnzd(config), Broadcast(config)
        reset = Signal()
        m.d.sync += reset.eq(self.reset)
        m.submodules.scan = ResetInserter(reset)(scan)
        m.submodules.lnzd = ResetInserter(reset)(lnzd)
        m.submodules.broadcast = ResetInserter(reset)(broadcast)
        connect(m, scan.o, lnzd.i)
        connect(m, lnzd.o, broadcast.i)
        if config.pool:
            m.d.comb += [lnzd.local.eq(self.layer.local), broadcast.i_acts.eq(lnzd.acts)]
        m.d.comb += [scan.start.eq(self.start), scan.layer.eq(self.layer),
                     self.full.eq(~broadcast.ready)]

        # An idle decode stage is explained by the broadcast this many cycles ago.
        blocked = broadcast.blocked
        for stage in range(Timing.queue + Timing.pointers + Timing.entries + Timing.decode
                           - PE.control_latency):
            blocked, before = Signal(name=f"blocked_{stage + 1}"), blocked
            m.d.sync += blocked.eq(before)

        pes = [self._pe(config) for _ in range(config.pes)]
        for number, pe in enumerate(pes):
            m.submodules[f"pe{number}"] = pe
            m.d.comb += [
                pe.i.valid.eq(broadcast.push),
                pe.i.payload.eq(broadcast.item),
                *([pe.i.p.act.eq(Mux(self.layer.local, broadcast.acts[number],
                                     broadcast.item.act))] if config.pool else []),
                broadcast.ready[number].eq(pe.i.ready),
                broadcast.spare[number].eq(pe.spare),
                pe.blocked.eq(blocked),
                scan.acts[number].eq(pe.act),
                pe.read_en.eq(Mux(self.running, scan.en, 1)),
                pe.read_b.eq(Mux(self.running, scan.address[config.act_address_width]
                                 if config.conv else self.layer.number[0],
                                 self.read.target == Target.ACT_B)),
                pe.read_address.eq(Mux(self.running, scan.address, self.read.address)),
                pe.count_address.eq(self.read.address),
                self.done[number].eq(pe.done),
                pe.load_en.eq(self.load_en & ((self.load.pe == number)
                                              | (self.load.pe == BROADCAST_PE))),
                pe.load.eq(self.load),
                *(getattr(pe, name).eq(getattr(self, name))
                  for name in ("layer", "reset", "begin", "running", "clear", "clear_index", "wipe",
                               "wipe_row")),
            ]
        self._read(m, pes)
        return m

    def _read(self, m, pes):
        """What the addressed PE's memories returned. The PEs are spread over the chip, and nobody
        is in a hurry: registers behind the memories and at both ends of the way."""
        target = self.read.target
        words = []
        for number, pe in enumerate(pes):
            word = Signal(64, name=f"word_{number}")
            act, count = Signal.like(pe.act, name="act"), Signal.like(pe.count, name="count")
            m.d.sync += [act.eq(pe.act), count.eq(pe.count)]
            with m.If(self.read.pe == number):
                with m.Switch(target):
                    with m.Case(Target.ACT_A, Target.ACT_B):
                        m.d.comb += word.eq(act)
                    with m.Case(Target.COUNTER):
                        m.d.comb += word.eq(count)
            held = Signal(64, name=f"held_{number}")
            m.d.sync += held.eq(word)
            words.append(held)
        while len(words) > 1:
            words = [words[k] | words[k + 1] if k + 1 < len(words) else words[k]
                     for k in range(0, len(words), 2)]
        m.d.sync += self.data.eq(words[0])
