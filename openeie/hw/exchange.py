# SPDX-License-Identifier: Apache-2.0
"""Exchange: brings a cluster's results to the PEs in whose memories they belong."""
from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .structs import Result

__all__ = ["Exchange"]


class Exchange(wiring.Component):
    """A bus between the PEs that have the same place in their clusters, one PE of each cluster.

    With C clusters of M PEs, PE k of a cluster computes channels k, k + M, ... of the cluster's
    own positions, but the map keeps channel c in PE c mod C M. So row r of an accumulator bank
    belongs to cluster r mod C, which is the result's ``cluster``. The lanes behind a pixel's last
    channel must be 0; so a result for cluster 0, which comes first, also writes 0 into all other
    clusters. In a layer that is not clustered, every PE writes its own memory.

    Throughput: one result a cycle in all. A PE has a result at most every ``Timing.row`` cycles,
    so up to ``Timing.row`` of them take turns without ever waiting for each other: a result is
    kept until its PE's turn. Latency: at most ``Timing.exchange`` cycles until it is in memory.

    Members
    -------
    clustered : the current layer is clustered.
    i_valid, i : one bit and one :class:`Result` for each cluster's PE.
    o_valid, o : one bit and one :class:`Result` for the memory of each cluster's PE; ``cluster``
        has no meaning there.
    """
    def __init__(self, config: ArrayConfig):
        self._config = config
        results = data.ArrayLayout(Result(config), config.clusters)
        super().__init__({
            "clustered": In(1),
            "i_valid": In(config.clusters),
            "i": In(results),
            "o_valid": Out(config.clusters),
            "o": Out(results),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clusters = self._config.clusters
        buffer_valid = Signal(clusters)
        buffer = Signal.like(self.i)
        turn = Signal(self._config.cluster_width)
        # The result on the bus, and the cluster it comes from.
        sent_valid = Signal()
        sent = Signal(Result(self._config))
        origin = Signal.like(turn)
        m.d.sync += [
            turn.eq(turn + 1),
            origin.eq(turn),
            sent_valid.eq(buffer_valid.bit_select(turn, 1)),
            sent.eq(buffer[turn]),
        ]
        for cluster in range(clusters):
            with m.If(turn == cluster):
                m.d.sync += buffer_valid[cluster].eq(0)
            with m.If(self.i_valid[cluster]):
                m.d.sync += buffer_valid[cluster].eq(1)
                m.d.sync += buffer[cluster].eq(self.i[cluster])
            is_mine = sent.cluster == cluster
            is_written = Mux(self.clustered, is_mine | (sent.cluster == 0), origin == cluster)
            m.d.comb += [
                self.o_valid[cluster].eq(sent_valid & is_written),
                self.o[cluster].eq(sent),
                self.o[cluster].act.eq(Mux(self.clustered & ~is_mine, 0, sent.act)),
            ]
        return m
