# SPDX-License-Identifier: Apache-2.0
"""Multiply: activation x weight."""
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .multiplier import registered_product
from .structs import Addend, Operand

__all__ = ["Multiply"]


class Multiply(wiring.Component):
    """Exact signed product of an activation and a weight. Latency 1, one product a cycle.

    Members
    -------
    i_valid, i : :class:`Operand`.
    o_valid, o : :class:`Addend`; ``value`` has ``act_width`` + ``weight_width`` bits.
    """
    latency = 1

    def __init__(self, config: ArrayConfig):
        super().__init__({
            "i_valid": In(1),
            "i": In(Operand(config)),
            "o_valid": Out(1),
            "o": Out(Addend(config)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += [
            self.o_valid.eq(self.i_valid),
            self.o.row.eq(self.i.row),
            self.o.bank.eq(self.i.bank),
        ]
        registered_product(m, platform, self.i.act, self.i.weight, self.o.value)
        return m
