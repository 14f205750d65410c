# SPDX-License-Identifier: Apache-2.0
"""Activation queue: lets a PE fall behind the broadcast by a few columns (EIE, section IV)."""
from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ActivationQueue"]


class ActivationQueue(wiring.Component):
    """First-in first-out buffer that holds ``depth`` items, all of them usable.

    An item pushed in one cycle is offered in the next (latency 1); one push and one pop a cycle.
    ``i.ready`` is a register's value: the place that a pop frees is offered in the next cycle.
    ``ready_two`` says in the same way that there is room for two.
    The memory is read asynchronously, so that it maps to the small distributed RAMs.

    Parameters
    ----------
    shape : shape of an item.
    depth : items held, at least 1.
    """
    latency = 1

    def __init__(self, shape, *, depth: int):
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(f"depth must be a positive integer, not {depth!r}")
        self._shape, self._depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "ready_two": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # One address bit at least: a memory of one word has none, which Verilog cannot say.
        m.submodules.items = items = memory.Memory(shape=self._shape, depth=max(2, self._depth),
                                                   init=[])
        write, read = items.write_port(), items.read_port(domain="comb")
        level = Signal(range(self._depth + 1))
        push, pop = Signal(), Signal()

        def step(pointer):
            return Mux(pointer == self._depth - 1, 0, pointer + 1)

        m.d.comb += [
            self.i.ready.eq(level != self._depth),
            self.ready_two.eq(level < self._depth - 1),
            self.o.valid.eq(level != 0),
            self.o.payload.eq(read.data),
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
            write.en.eq(push),
            write.data.eq(self.i.payload),
        ]
        m.d.sync += level.eq(level + push - pop)
        with m.If(push):
            m.d.sync += write.addr.eq(step(write.addr))
        with m.If(pop):
            m.d.sync += read.addr.eq(step(read.addr))
        return m
