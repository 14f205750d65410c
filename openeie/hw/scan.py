# SPDX-License-Identifier: Apache-2.0
"""Walks the distributed source activations, one row (an activation of every PE) a cycle."""
from amaranth import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..core.numbers.fixed import int_range
from .address_walk import AddressWalk
from .structs import LayerFields, ScanRow

__all__ = ["Scan"]


class Scan(wiring.Component):
    """Reads ``vectors`` x ``src_rows`` rows from the PEs' source memories, in the layer's order.

    A linear layer's rows follow one another. In an array with convolutions they are those of a
    window, position after position (:mod:`openeie.core.network.address_walk`); padding is read as
    zeros, or in a max pool as the least activation. In a ``clustered`` layer, cluster q of C takes
    the positions q, q + C, ...: C positions at a time, one row of each in turn.

    Throughput: one row a cycle. Latency: the first row is read in the cycle after ``scan_start``,
    or one later in an array with convolutions, since a window's address is a sum. It is offered
    two cycles after that (:meth:`latency`).

    Two registers behind the memories keep ``o.ready`` away from ``en``, which goes to every PE.

    Members
    -------
    scan_start : pulse.
    layer : constant from ``scan_start`` on.
    address, en : to the synchronous read port of every PE's source memory. With convolutions the
        top bit of the address selects memory A or B.
    acts : the activations, PE 0 first, that the ports return one cycle later and hold while ``en``
        is low.
    o : stream of :class:`ScanRow`; ``last`` marks the last row of a vector.
    """
    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from ``scan_start`` to the first row in ``o``."""
        return 3 + config.conv

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "scan_start": In(1),
            "layer": In(LayerFields(config)),
            "address": Out(config.act_address_width + config.conv),
            "en": Out(1),
            "acts": In(data.ArrayLayout(signed(config.act_width), config.pes)),
            "o": Out(stream.Signature(ScanRow(config))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        layer = self.layer
        active = Signal()
        row = Signal.like(layer.src_rows)           # inside the vector
        left = Signal.like(layer.vectors)           # vectors from this one on
        column = Signal(config.column_address_width)
        is_last = Signal()
        step = Signal()
        walk = AddressWalk(config) if config.conv else None
        m.d.comb += is_last.eq(row == layer.src_rows - 1)
        m.d.comb += step.eq(self.en & active)
        cluster, active_clusters, last_cluster = self._turns(m, left, step)

        with m.If(self.scan_start):
            m.d.sync += [
                active.eq(1),
                row.eq(0),
                left.eq(layer.vectors),
                column.eq(layer.pointer_base),
            ]
        with m.Elif(step & last_cluster):
            with m.If(is_last):
                m.d.sync += [
                    row.eq(0),
                    left.eq(left - active_clusters),
                    column.eq(layer.pointer_base),
                    active.eq(left != active_clusters),
                ]
            with m.Else():
                m.d.sync += row.eq(row + 1)
                m.d.sync += column.eq(column + config.pes)
                if config.pool:             # one column for all PEs' own activations of a row
                    with m.If(layer.local):
                        repeats = walk.pixel_ends & layer.repeat
                        m.d.sync += column.eq(Mux(repeats, layer.pointer_base, column + 1))

        request = Signal(data.StructLayout({
            "valid": 1, "inside": 1, "column": len(column), "last": 1, "cluster": len(cluster)}))
        m.d.comb += [
            request.valid.eq(active),
            request.column.eq(column),
            request.last.eq(is_last),
            request.cluster.eq(cluster),
        ]
        if config.conv:
            m.submodules.walk = walk
            m.d.comb += [
                walk.layer.eq(layer),
                walk.scan_start.eq(self.scan_start),
                walk.step.eq(step),
                walk.last.eq(is_last),
                walk.last_cluster.eq(last_cluster),
                walk.cluster.eq(cluster),
                request.inside.eq(walk.inside),
            ]
            registered = Signal.like(request)
            with m.If(self.en):
                m.d.sync += registered.eq(request)
                m.d.sync += self.address.eq(walk.address)
            request = registered
        else:
            m.d.comb += request.inside.eq(1)
            with m.If(self.scan_start):
                m.d.sync += self.address.eq(0)
            with m.Elif(step):
                m.d.sync += self.address.eq(self.address + 1)
        self._buffer(m, request)
        return m

    def _turns(self, m: Module, left: Value, step: Value) -> tuple[Value, Value, Value]:
        """Whose turn it is, how many clusters have a position, and whether it is the last's."""
        clusters = self._config.clusters
        if clusters == 1:
            return Const(0, 0), Const(1), Const(1)
        cluster = Signal(self._config.cluster_width)
        active_clusters = Signal(range(clusters + 1))
        with_position = Mux(left < clusters, left, clusters)
        m.d.comb += active_clusters.eq(Mux(self.layer.clustered, with_position, 1))
        last_cluster = cluster == active_clusters - 1
        with m.If(self.scan_start):
            m.d.sync += cluster.eq(0)
        with m.Elif(step):
            m.d.sync += cluster.eq(Mux(last_cluster, 0, cluster + 1))
        return cluster, active_clusters, last_cluster

    def _buffer(self, m: Module, request: data.View) -> None:
        """Rows on their way: in the memories' outputs, in ``second``, in ``o``."""
        config = self._config
        fetched = Signal.like(request)
        row = Signal(ScanRow(config))
        second_valid = Signal()
        second = Signal(ScanRow(config))
        pad_value = Const(0)
        if config.pool:
            least, _ = int_range(config.act_width)
            pad_value = Mux(self.layer.maximum, least, 0)
        for k in range(config.pes):
            act = self.acts[k]
            if config.conv:
                act = Mux(fetched.inside, act, pad_value)
            m.d.comb += row.acts[k].eq(act)
        m.d.comb += [
            self.en.eq(~fetched.valid | ~second_valid),
            row.column.eq(fetched.column),
            row.last.eq(fetched.last),
            row.cluster.eq(fetched.cluster),
        ]
        with m.If(self.en):
            m.d.sync += fetched.eq(request)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(fetched.valid | second_valid),
                self.o.payload.eq(Mux(second_valid, second, row)),
                second_valid.eq(0),
            ]
        with m.Elif(~second_valid):
            m.d.sync += second_valid.eq(fetched.valid)
        with m.If(~second_valid):
            m.d.sync += second.eq(row)
