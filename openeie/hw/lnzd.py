# SPDX-License-Identifier: Apache-2.0
"""Leading non-zero detection: finds the activations worth broadcasting (EIE, section IV)."""
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .structs import Item, ScanRow

__all__ = ["Lnzd"]

_FAN_IN = 4


class Lnzd(wiring.Component):
    """Turns rows of activations into items: the non-zero ones in lane order, then a token.

    A lane is the place of a PE in the row. A tree of four-input nodes finds the first hit of the
    row in the buffer and brings its value and lane to the root. Any non-zero value is a hit,
    negative ones too. After the hits of a row marked ``last`` comes one token.

    Latency 1: a row accepted in one cycle offers its first hit in the next. Throughput: one hit a
    cycle; the next row enters the buffer in the cycle in which the last hit leaves, so there is no
    gap between rows. A row without a hit costs one cycle.

    Members
    -------
    i : stream of :class:`ScanRow`.
    o : stream of :class:`Item`.
    local : in arrays with pools: make one item of every row, whatever is in it; constant while a
        layer runs.
    acts : all activations of the current row.
    """
    latency = 1

    def __init__(self, config: ArrayConfig):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(ScanRow(config))),
            "o": Out(stream.Signature(Item(config))),
            "local": In(1),
            "acts": Out(ScanRow(config)["acts"].shape),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        row = Signal(ScanRow(config))
        row_valid = Signal()                # there is a row (perhaps with only its token left)
        pending = Signal(config.pes)        # its non-zero lanes that are not yet sent

        found, lane, act = self._tree(m, pending, [row.acts[k] for k in range(config.pes)])
        after = Signal.like(pending)        # what is pending once this hit has gone
        m.d.comb += [
            after.eq(pending & ~(1 << lane)),
            self.acts.eq(row.acts),
            self.o.valid.eq(row_valid & (found | row.last)),
            self.o.p.act.eq(act),
            self.o.p.column.eq(row.column + lane),
            self.o.p.token.eq(~found),
        ]
        sent = self.o.valid & self.o.ready
        # A last row leaves with its token; any other with its last hit, or at once without one.
        token_sent = sent & ~found
        last_hit_sent = ~found | (sent & (after == 0))
        finished = Mux(row.last, token_sent, last_hit_sent)
        m.d.comb += self.i.ready.eq(~row_valid | finished)

        with m.If(sent):
            m.d.sync += pending.eq(after)
        with m.If(self.i.ready):
            m.d.sync += [
                row_valid.eq(self.i.valid),
                row.eq(self.i.payload),
                pending.eq(Cat(self.i.p.acts[k] != 0 for k in range(config.pes))),
            ]
            if config.pool:
                with m.If(self.local):
                    m.d.sync += pending.eq(1)
        return m

    @staticmethod
    def _tree(m: Module, flags: Value, values: list[Value]) -> tuple[Value, Value, Value]:
        """The first set flag: (any set, its number, its value), four children to a node."""
        nodes = [(flag, Const(0, 0), value) for flag, value in zip(flags, values)]
        level = 0
        while len(nodes) > 1:
            parents = []
            for first in range(0, len(nodes), _FAN_IN):
                children = nodes[first:first + _FAN_IN]
                suffix = f"{level}_{first // _FAN_IN}"
                found = Signal(name=f"found_{suffix}")
                lane = Signal(len(children[0][1]) + 2, name=f"lane_{suffix}")
                value = Signal.like(values[0], name=f"value_{suffix}")
                m.d.comb += found.eq(Cat(flag for flag, _, _ in children).any())
                # The last assignment counts, so the first child comes last.
                for number, (flag, child_lane, child_value) in reversed(
                        list(enumerate(children))):
                    with m.If(flag):
                        m.d.comb += lane.eq(Cat(child_lane, Const(number, 2)))
                        m.d.comb += value.eq(child_value)
                parents.append((found, lane, value))
            nodes = parents
            level += 1
        return nodes[0]
