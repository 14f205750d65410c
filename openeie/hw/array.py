# SPDX-License-Identifier: Apache-2.0
"""The array: scan, and clusters of processing elements, each with its lnzd and broadcast."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..core.array.load_port import BROADCAST_PE, Target
from ..core.array.timing import Timing
from .broadcast import Broadcast
from .exchange import Exchange
from .lnzd import Lnzd
from .pe import PE
from .scan import Scan
from .structs import Item, LayerFields, LoadWord, ReadRequest

__all__ = ["PEArray"]


class PEArray(wiring.Component):
    """Runs one layer at a time: from ``scan_start`` until ``done``, see docs/timing.md.

    Parameters
    ----------
    pe : what makes a processing element from the configuration; a simulator that compiles one
        PE for all of them passes its own.

    Members
    -------
    reset : back to the state after power-up, memories excepted.
    layer : constant from ``scan_start`` to ``done``.
    layer_start, clear, clear_index, running : see :class:`PE`.
    scan_start : pulse, begins the scan.
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
            "layer": In(LayerFields(config)),
            "reset": In(1),
            "layer_start": In(1), "running": In(1), "clear": In(1), "clear_index": In(3),
            "scan_start": In(1),
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
        scan, reset = Scan(config), Signal()
        m.d.sync += reset.eq(self.reset)
        m.submodules.scan = ResetInserter(reset)(scan)
        m.d.comb += [scan.scan_start.eq(self.scan_start), scan.layer.eq(self.layer)]
        pes = [self._pe(config) for _ in range(config.pes)]
        for number, pe in enumerate(pes):
            m.submodules[f"pe{number}"] = pe
            m.d.comb += [
                scan.acts[number].eq(pe.act),
                self.full[number].eq(~pe.i.ready),
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
                  for name in ("reset", "layer_start", "running", "clear", "clear_index", "wipe",
                               "wipe_row")),
            ]
        size = config.cluster_pes
        clusters = [pes[first:first + size] for first in range(0, config.pes, size)]
        self._broadcasts(m, scan, reset, clusters)
        if config.clusters > 1:
            self._exchanges(m, clusters)
        self._read(m, pes)
        return m

    def _broadcasts(self, m, scan, reset, clusters):
        """Each cluster's lnzd and broadcast; without ``clustered`` all PEs listen to the first."""
        config, layer = self._config, self.layer
        clustered = layer.clustered if config.clusters > 1 else Const(1)
        lnzds, broadcasts = [], []
        for number, pes in enumerate(clusters):
            suffix = str(number) if config.clusters > 1 else ""
            lnzd = Lnzd(config)
            # The first one's other listeners have room for what they do not get.
            listeners = [(pe, 0) for pe in pes]
            if number == 0:
                listeners += [(pe, clustered) for others in clusters[1:] for pe in others]
            broadcast = Broadcast(config, len(listeners))
            m.submodules[f"lnzd{suffix}"] = ResetInserter(reset)(lnzd)
            m.submodules[f"broadcast{suffix}"] = ResetInserter(reset)(broadcast)
            connect(m, lnzd.o, broadcast.i)
            m.d.comb += [
                lnzd.i.valid.eq(scan.o.valid & (scan.o.p.cluster == number)),
                lnzd.i.payload.eq(scan.o.payload),
                *(broadcast.ready[k].eq(pe.i.ready | masked)
                  for k, (pe, masked) in enumerate(listeners)),
                *(broadcast.ready_two[k].eq(pe.ready_two | masked)
                  for k, (pe, masked) in enumerate(listeners)),
            ]
            lnzds.append(lnzd)
            broadcasts.append(broadcast)
        m.d.comb += scan.o.ready.eq(Cat(lnzd.i.ready for lnzd in lnzds).bit_select(
            scan.o.p.cluster, 1))
        if config.pool:
            m.d.comb += [lnzds[0].local.eq(layer.local), broadcasts[0].i_acts.eq(lnzds[0].acts)]
        for number, pes in enumerate(clusters):
            self._feed(m, number, pes, clustered, broadcasts)

    def _feed(self, m, number, pes, clustered, broadcasts):
        """What the PEs of a cluster get, and what they are told of the layer."""
        config, first, own = self._config, broadcasts[0], broadcasts[number]
        valid, item, blocked, layer = first.push, first.item, first.blocked, self.layer
        if number:
            valid = Mux(clustered, own.push, valid)
            blocked = Mux(clustered, own.blocked, blocked)
            item = Mux(clustered, own.item, item)
        if config.clusters > 1:
            layer = Signal.like(self.layer, name=f"layer_{number}")
            m.d.comb += [
                layer.eq(self.layer),
                layer.vectors.eq(self.layer.cluster_vectors
                                 + (self.layer.cluster_more > number)),
                layer.dst_origin.eq(self.layer.dst_origin + self.layer.cluster_step * number),
            ]
        # An idle decode stage is explained by the broadcast this many cycles ago.
        for stage in range(Timing.queue + Timing.pointers + Timing.entries + Timing.decode
                           - PE.control_latency):
            blocked, before = Signal(name=f"blocked_{number}_{stage + 1}"), blocked
            m.d.sync += blocked.eq(before)
        for k, pe in enumerate(pes, number * config.cluster_pes):
            m.d.comb += [
                pe.i.valid.eq(valid),
                pe.i.payload.eq(item),
                *([pe.i.p.act.eq(Mux(self.layer.local, first.acts[k], Item(config)(item).act))]
                  if config.pool else []),
                pe.blocked.eq(blocked),
                pe.layer.eq(layer),
            ]

    def _exchanges(self, m, clusters):
        """PEs that have one place in their clusters write into each other's memories."""
        for place, pes in enumerate(zip(*clusters)):
            m.submodules[f"exchange{place}"] = exchange = Exchange(self._config)
            m.d.comb += exchange.clustered.eq(self.layer.clustered)
            for number, pe in enumerate(pes):
                m.d.comb += [
                    exchange.i_valid[number].eq(pe.result_en), exchange.i[number].eq(pe.result),
                    pe.write_en.eq(exchange.o_valid[number]), pe.write.eq(exchange.o[number])]

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
            buffer = Signal(64, name=f"word_buffer_{number}")
            m.d.sync += buffer.eq(word)
            words.append(buffer)
        while len(words) > 1:
            words = [words[k] | words[k + 1] if k + 1 < len(words) else words[k]
                     for k in range(0, len(words), 2)]
        m.d.sync += self.data.eq(words[0])
