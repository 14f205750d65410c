# SPDX-License-Identifier: Apache-2.0
"""The array: the scan, and clusters of processing elements, each with its lnzd and broadcast."""
from collections.abc import Callable
from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..core.array.config import ArrayConfig
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
    """Runs one layer at a time, from ``scan_start`` until ``done``; ``docs/timing.md`` has when.

    Parameters
    ----------
    pe : makes one processing element from the configuration. A simulator that compiles one PE for
        all of them passes its own.

    Members
    -------
    reset : back to the state after power-up, memories excepted.
    layer : constant from ``scan_start`` to ``done``.
    layer_start, clear, clear_index, running : see :class:`PE`.
    scan_start : pulse, begins the scan.
    done : one bit per PE: its last vector is written back.
    full : one bit per PE: its queue has no room, so it holds up the broadcast.
    wipe, wipe_row : clear an accumulator row in every PE.
    load_en, load : a write to the memories of one PE, or of all.
    read, data : a read of an activation or a counter, while nothing runs. ``data`` has 64 bits and
        follows ``read``, which must stay, by ``read_latency`` cycles. Two of them are there for the
        end of a run to arrive.
    """
    read_latency = 6

    def __init__(self, config: ArrayConfig, *, pe: Callable[[ArrayConfig], wiring.Component] = PE):
        self._config = config
        self._pe = pe
        super().__init__({
            "layer": In(LayerFields(config)),
            "reset": In(1),
            "layer_start": In(1),
            "running": In(1),
            "clear": In(1),
            "clear_index": In(3),
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        scan = Scan(config)
        reset = Signal()
        m.d.sync += reset.eq(self.reset)
        m.submodules.scan = ResetInserter(reset)(scan)
        m.d.comb += scan.scan_start.eq(self.scan_start)
        m.d.comb += scan.layer.eq(self.layer)

        pes = [self._pe(config) for _ in range(config.pes)]
        for number, pe in enumerate(pes):
            m.submodules[f"pe{number}"] = pe
            self._connect_pe(m, number, pe, scan)
        size = config.cluster_pes
        clusters = [pes[first:first + size] for first in range(0, config.pes, size)]
        self._broadcasts(m, scan, reset, clusters)
        if config.clusters > 1:
            self._exchanges(m, clusters)
        self._read(m, pes)
        return m

    def _connect_pe(self, m: Module, number: int, pe: PE, scan: Scan) -> None:
        """What a PE shares with the scan, the host and the sequencer."""
        scan_b = self.layer.number[0]               # layers alternate between the memories
        if self._config.conv:
            scan_b = scan.address[self._config.act_address_width]
        is_loaded = (self.load.pe == number) | (self.load.pe == BROADCAST_PE)
        m.d.comb += [
            scan.acts[number].eq(pe.act),
            self.full[number].eq(~pe.i.ready),
            pe.read_en.eq(Mux(self.running, scan.en, 1)),
            pe.read_b.eq(Mux(self.running, scan_b, self.read.target == Target.ACT_B)),
            pe.read_address.eq(Mux(self.running, scan.address, self.read.address)),
            pe.count_address.eq(self.read.address),
            self.done[number].eq(pe.done),
            pe.load_en.eq(self.load_en & is_loaded),
            pe.load.eq(self.load),
        ]
        for name in ("reset", "layer_start", "running", "clear", "clear_index", "wipe",
                     "wipe_row"):
            m.d.comb += getattr(pe, name).eq(getattr(self, name))

    def _broadcasts(self, m: Module, scan: Scan, reset: Value, clusters: list[list[PE]]) -> None:
        """Each cluster's lnzd and broadcast. Without ``clustered`` all PEs listen to the first."""
        config = self._config
        layer = self.layer
        clustered = layer.clustered if config.clusters > 1 else Const(1)
        lnzds = []
        broadcasts = []
        for number, pes in enumerate(clusters):
            suffix = str(number) if config.clusters > 1 else ""
            # Pairs (PE, masked): a listener that is masked does not get the items, so its queue
            # counts as having room. The first broadcast can reach the PEs of all clusters.
            listeners = [(pe, Const(0)) for pe in pes]
            if number == 0:
                for others in clusters[1:]:
                    listeners += [(pe, clustered) for pe in others]
            lnzd = Lnzd(config)
            broadcast = Broadcast(config, len(listeners))
            m.submodules[f"lnzd{suffix}"] = ResetInserter(reset)(lnzd)
            m.submodules[f"broadcast{suffix}"] = ResetInserter(reset)(broadcast)
            connect(m, lnzd.o, broadcast.i)
            m.d.comb += lnzd.i.valid.eq(scan.o.valid & (scan.o.p.cluster == number))
            m.d.comb += lnzd.i.payload.eq(scan.o.payload)
            for k, (pe, masked) in enumerate(listeners):
                m.d.comb += broadcast.ready[k].eq(pe.i.ready | masked)
                m.d.comb += broadcast.ready_two[k].eq(pe.ready_two | masked)
            lnzds.append(lnzd)
            broadcasts.append(broadcast)
        ready = Cat(lnzd.i.ready for lnzd in lnzds)
        m.d.comb += scan.o.ready.eq(ready.bit_select(scan.o.p.cluster, 1))
        if config.pool:
            m.d.comb += lnzds[0].local.eq(layer.local)
            m.d.comb += broadcasts[0].i_acts.eq(lnzds[0].acts)
        for number, pes in enumerate(clusters):
            self._feed(m, number, pes, clustered, broadcasts)

    def _feed(self, m: Module, number: int, pes: list[PE], clustered: Value,
              broadcasts: list[Broadcast]) -> None:
        """The items that the PEs of a cluster get, and what they are told of the layer."""
        config = self._config
        first = broadcasts[0]
        own = broadcasts[number]
        valid, item, blocked = first.push, first.item, first.blocked
        if number:
            valid = Mux(clustered, own.push, valid)
            blocked = Mux(clustered, own.blocked, blocked)
            item = Mux(clustered, own.item, item)
        layer = self.layer
        if config.clusters > 1:
            layer = Signal.like(self.layer, name=f"layer_{number}")
            vectors = self.layer.cluster_vectors + (self.layer.cluster_more > number)
            dst_origin = self.layer.dst_origin + self.layer.cluster_step * number
            m.d.comb += [
                layer.eq(self.layer),
                layer.vectors.eq(vectors),
                layer.dst_origin.eq(dst_origin),
            ]
        blocked = self._delayed(m, blocked, number)
        for k, pe in enumerate(pes, number * config.cluster_pes):
            m.d.comb += pe.i.valid.eq(valid)
            m.d.comb += pe.i.payload.eq(item)
            if config.pool:
                item_act = Item(config)(item).act
                m.d.comb += pe.i.p.act.eq(Mux(self.layer.local, first.acts[k], item_act))
            m.d.comb += pe.blocked.eq(blocked)
            m.d.comb += pe.layer.eq(layer)

    @staticmethod
    def _delayed(m: Module, blocked: Value, number: int) -> Value:
        """``blocked`` as late as an item that is broadcast now arrives in an idle decode stage."""
        latency = Timing.queue + Timing.pointers + Timing.entries + Timing.decode
        for stage in range(latency - PE.control_latency):
            later = Signal(name=f"blocked_{number}_{stage + 1}")
            m.d.sync += later.eq(blocked)
            blocked = later
        return blocked

    def _exchanges(self, m: Module, clusters: list[list[PE]]) -> None:
        """PEs with the same place in their clusters write into each other's memories."""
        for place, pes in enumerate(zip(*clusters, strict=True)):
            m.submodules[f"exchange{place}"] = exchange = Exchange(self._config)
            m.d.comb += exchange.clustered.eq(self.layer.clustered)
            for number, pe in enumerate(pes):
                m.d.comb += [
                    exchange.i_valid[number].eq(pe.result_en),
                    exchange.i[number].eq(pe.result),
                    pe.write_en.eq(exchange.o_valid[number]),
                    pe.write.eq(exchange.o[number]),
                ]

    def _read(self, m: Module, pes: list[PE]) -> None:
        """The word that the addressed PE's memories returned.

        The PEs are spread over the chip, and the host can wait: there are registers behind the
        memories and at both ends of the way.
        """
        words = []
        for number, pe in enumerate(pes):
            act = Signal.like(pe.act, name="act")
            count = Signal.like(pe.count, name="count")
            word = Signal(64, name=f"word_{number}")
            buffer = Signal(64, name=f"word_buffer_{number}")
            m.d.sync += [act.eq(pe.act), count.eq(pe.count), buffer.eq(word)]
            with m.If(self.read.pe == number):
                with m.Switch(self.read.target):
                    with m.Case(Target.ACT_A, Target.ACT_B):
                        m.d.comb += word.eq(act)
                    with m.Case(Target.COUNTER):
                        m.d.comb += word.eq(count)
            words.append(buffer)
        # All words but the addressed PE's are 0.
        while len(words) > 1:
            pairs = [words[k:k + 2] for k in range(0, len(words), 2)]
            words = [reduce(or_, pair) for pair in pairs]
        m.d.sync += self.data.eq(words[0])
