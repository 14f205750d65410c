# SPDX-License-Identifier: Apache-2.0
"""Walks the distributed source activations, one row (an activation of every PE) a cycle."""
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.numbers.fixed import int_range
from .address_walk import AddressWalk
from .structs import LayerFields, ScanRow

__all__ = ["Scan"]


class Scan(wiring.Component):
    """Reads ``vectors`` x ``src_rows`` rows from the PEs' source memories, in the layer's order:
    one after the other, or, in an array with convolutions, position after position of a window
    (``core/network/address_walk.py``). Beside the map it takes zeros. In a ``clustered`` layer,
    cluster q of C takes the positions q, q + C, ...: C positions at a time, one row of each in
    turn.

    ``address`` and ``en`` go to the synchronous read port of every PE's source memory; ``acts``
    is what the ports return one cycle later and hold while ``en`` is low. Latency: the first row
    is read in the cycle after ``scan_start``, or, since a window's address is a sum, one later, and
    offered two cycles after that (``latency``); one row a cycle.
    Two registers behind the memories let ``en`` know nothing of ``o.ready`` but what it was: it
    goes to every PE.

    Members
    -------
    scan_start : pulse; ``layer`` must be constant from then on.
    acts : the PEs' activations, PE 0 first.
    o : stream of :class:`ScanRow`; ``last`` marks the last row of a vector.
    """
    @staticmethod
    def latency(config) -> int:
        """Cycles from ``scan_start`` to the first row in ``o``."""
        return 3 + config.conv

    def __init__(self, config):
        self._config = config
        super().__init__({
            "scan_start": In(1),
            "layer": In(LayerFields(config)),
            "address": Out(config.act_address_width + config.conv),
            "en": Out(1),
            "acts": In(data.ArrayLayout(signed(config.act_width), config.pes)),
            "o": Out(stream.Signature(ScanRow(config))),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        active, last, step = Signal(), Signal(), Signal()
        row = Signal.like(layer.src_rows)           # inside the vector
        left = Signal.like(layer.vectors)           # vectors from this one on
        column = Signal(config.column_address_width)
        window = AddressWalk(config) if config.conv else None
        m.d.comb += [last.eq(row == layer.src_rows - 1), step.eq(self.en & active)]
        cluster, active_clusters, last_cluster = self._turns(m, left, step)
        with m.If(self.scan_start):
            m.d.sync += [active.eq(1), row.eq(0), left.eq(layer.vectors),
                         column.eq(layer.pointer_base)]
        with m.Elif(step & last_cluster):
            with m.If(last):
                m.d.sync += [row.eq(0), left.eq(left - active_clusters),
                             column.eq(layer.pointer_base), active.eq(left != active_clusters)]
            with m.Else():
                m.d.sync += [row.eq(row + 1), column.eq(column + config.pes)]
                if config.pool:             # one column for all PEs' own activations of a row
                    with m.If(layer.local):
                        m.d.sync += column.eq(Mux(window.pixel_ends & layer.repeat,
                                                  layer.pointer_base, column + 1))
        request = self._request(m, active, column, last, cluster)
        if config.conv:
            m.submodules.window = window
            m.d.comb += [window.layer.eq(layer), window.scan_start.eq(self.scan_start),
                         window.step.eq(step),
                         window.last.eq(last), window.last_cluster.eq(last_cluster),
                         window.cluster.eq(cluster)]
            before, request = request, Signal.like(request)
            m.d.comb += before.inside.eq(window.inside)
            with m.If(self.en):
                m.d.sync += [request.eq(before), self.address.eq(window.address)]
        else:
            m.d.comb += request.inside.eq(1)
            with m.If(self.scan_start):
                m.d.sync += self.address.eq(0)
            with m.Elif(step):
                m.d.sync += self.address.eq(self.address + 1)
        self._buffer(m, request)
        return m

    def _turns(self, m, left, step):
        """Whose turn it is, how many clusters have a position, and whether it is the last's."""
        clusters = self._config.clusters
        if clusters == 1:
            return Const(0, 0), Const(1), Const(1)
        cluster = Signal(self._config.cluster_width)
        active_clusters = Signal(range(clusters + 1))
        m.d.comb += active_clusters.eq(Mux(self.layer.clustered,
                                        Mux(left < clusters, left, clusters), 1))
        last_cluster = cluster == active_clusters - 1
        with m.If(self.scan_start):
            m.d.sync += cluster.eq(0)
        with m.Elif(step):
            m.d.sync += cluster.eq(Mux(last_cluster, 0, cluster + 1))
        return cluster, active_clusters, last_cluster

    def _request(self, m, active, column, last, cluster):
        """What is known of the row that is read next."""
        request = Signal(data.StructLayout({
            "valid": 1, "inside": 1, "column": len(column), "last": 1, "cluster": len(cluster)}))
        m.d.comb += [request.valid.eq(active), request.column.eq(column), request.last.eq(last),
                     request.cluster.eq(cluster)]
        return request

    def _buffer(self, m, request):
        """Rows on their way: in the memories' outputs, in ``second``, in ``o``."""
        fetched, second_valid = Signal.like(request), Signal()
        pad_value = Mux(self.layer.maximum, int_range(self._config.act_width)[0], 0) \
            if self._config.pool else 0
        row, second = Signal(ScanRow(self._config)), Signal(ScanRow(self._config))
        m.d.comb += [
            self.en.eq(~fetched.valid | ~second_valid),
            *(row.acts[k].eq(Mux(fetched.inside, self.acts[k], pad_value) if self._config.conv
                             else self.acts[k]) for k in range(self._config.pes)),
            row.column.eq(fetched.column), row.last.eq(fetched.last),
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
