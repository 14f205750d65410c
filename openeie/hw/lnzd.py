# SPDX-License-Identifier: Apache-2.0
"""Leading non-zero detection: finds the activations worth broadcasting (EIE, section IV)."""
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .structs import Item, ScanRow

__all__ = ["Lnzd"]

_FAN_IN = 4


class Lnzd(wiring.Component):
    """Turns rows of activations into items: the non-zero ones in lane order, then a token.

    A tree of four-input nodes finds the first hit of the row in the buffer and brings its value
    and lane to the root. One hit a cycle; the next row enters the buffer in the cycle in which
    the last hit leaves, so there is no bubble between rows. A row without a hit costs one cycle.
    After the hits of a row marked ``last`` comes one token. Latency 1: a row accepted in one
    cycle offers its first hit in the next. Any non-zero value is a hit, negative ones too.

    Members
    -------
    i : stream of :class:`ScanRow`.
    o : stream of :class:`Item`.
    local : make one item of every row, whatever is in it; constant while a layer runs.
    acts : the activations of the row in hand.
    """
    latency = 1

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(ScanRow(config))),
            "o": Out(stream.Signature(Item(config))),
            "local": In(1),
            "acts": Out(ScanRow(config)["acts"].shape),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        row = Signal(ScanRow(config))
        occupied = Signal()                     # the buffer holds a row (perhaps only its token)
        pending = Signal(config.pes)        # its non-zero lanes not yet sent

        found, lane, act = self._tree(m, pending, [row.acts[k] for k in range(config.pes)])
        after = Signal.like(pending)        # what is pending once this hit has gone
        m.d.comb += [
            after.eq(pending & ~(1 << lane)),
            self.acts.eq(row.acts),
            self.o.valid.eq(occupied & (found | row.last)),
            self.o.p.act.eq(act),
            self.o.p.column.eq(row.column + lane),
            self.o.p.token.eq(~found),
        ]
        sent = self.o.valid & self.o.ready
        # A last row leaves with its token; any other with its last hit, or at once without one.
        finished = Mux(row.last, sent & ~found, ~found | (sent & (after == 0)))
        m.d.comb += self.i.ready.eq(~occupied | finished)

        with m.If(sent):
            m.d.sync += pending.eq(after)
        with m.If(self.i.ready):
            m.d.sync += [
                occupied.eq(self.i.valid),
                row.eq(self.i.payload),
                pending.eq(Cat(self.i.p.acts[k] != 0 for k in range(config.pes))),
            ]
            if config.pool:
                with m.If(self.local):
                    m.d.sync += pending.eq(1)
        return m

    @staticmethod
    def _tree(m, flags, values):
        """First set flag: (any set, its number, its value), four children to a node."""
        nodes = [(flag, Const(0, 0), value) for flag, value in zip(flags, values)]
        level = 0
        while len(nodes) > 1:
            parents = []
            for first in range(0, len(nodes), _FAN_IN):
                children = nodes[first:first + _FAN_IN]
                width = len(children[0][1])
                found = Signal(name=f"found_{level}_{first // _FAN_IN}")
                lane = Signal(width + 2, name=f"lane_{level}_{first // _FAN_IN}")
                value = Signal.like(values[0], name=f"value_{level}_{first // _FAN_IN}")
                m.d.comb += found.eq(Cat(child[0] for child in children).any())
                for number, child in reversed(list(enumerate(children))):
                    with m.If(child[0]):
                        m.d.comb += [lane.eq(Cat(child[1], Const(number, 2))),
                                     value.eq(child[2])]
                parents.append((found, lane, value))
            nodes, level = parents, level + 1
        return nodes[0]
