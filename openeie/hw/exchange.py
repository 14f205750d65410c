# SPDX-License-Identifier: Apache-2.0
"""Exchange: brings a cluster's results to the PEs in whose memories they belong."""
from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .structs import Result

__all__ = ["Exchange"]


class Exchange(wiring.Component):
    """Connects the PEs that have one place in their clusters; a cluster q of C has PE q of them.

    PE k of a cluster of M computes channels k, k + M, ... of its own positions, while the map has
    channel c in PE c mod C M. So row r of an accumulator bank belongs to cluster r mod C: the
    result's ``cluster``. The lanes behind a pixel's last channel must be 0, hence a result for
    cluster 0, which comes first, writes 0 into the others. In a layer that is not clustered, every
    PE writes its own memory.

    A PE has a result every ``Timing.row`` cycles at most, so C <= ``Timing.row`` of them can take
    turns on one bus without ever waiting for each other: a result is held until its PE's turn. It
    is in the memory at most ``Timing.exchange`` cycles after it came.

    Members
    -------
    clustered : the layer in hand is.
    i_valid, i : :class:`Result` of each cluster's PE.
    o_valid, o : :class:`Result` into each cluster's PE's memory; its ``cluster`` means nothing.
    """
    def __init__(self, config):
        self._config = config
        results = data.ArrayLayout(Result(config), config.clusters)
        super().__init__({
            "clustered": In(1),
            "i_valid": In(config.clusters),
            "i": In(results),
            "o_valid": Out(config.clusters),
            "o": Out(results),
        })

    def elaborate(self, platform):
        m = Module()
        clusters = self._config.clusters
        turn = Signal(self._config.cluster_width)
        waiting, buffer = Signal(clusters), Signal.like(self.i)
        valid, sent = Signal(), Signal(Result(self._config))
        origin = Signal.like(turn)
        m.d.sync += [turn.eq(turn + 1), origin.eq(turn), valid.eq(waiting.bit_select(turn, 1)),
                     sent.eq(buffer[turn])]
        for cluster in range(clusters):
            with m.If(turn == cluster):
                m.d.sync += waiting[cluster].eq(0)
            with m.If(self.i_valid[cluster]):
                m.d.sync += [waiting[cluster].eq(1), buffer[cluster].eq(self.i[cluster])]
            mine = sent.cluster == cluster
            m.d.comb += [
                self.o_valid[cluster].eq(valid & Mux(self.clustered, mine | (sent.cluster == 0),
                                                     origin == cluster)),
                self.o[cluster].eq(sent),
                self.o[cluster].act.eq(Mux(self.clustered & ~mine, 0, sent.act)),
            ]
        return m
