# SPDX-License-Identifier: Apache-2.0
"""Activation queue: lets a PE fall behind the broadcast by a few columns (EIE, section IV)."""
from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ActivationQueue"]


class ActivationQueue(wiring.Component):
    """First-in first-out buffer of ``depth`` items, all of them usable.

    Latency 1: an item pushed in one cycle is offered in the next. Throughput: one push and one pop
    a cycle; with ``depth`` 1 they alternate.

    ``i.ready`` and ``ready_two`` depend on registers only: the place that a pop frees is offered in
    the next cycle. The memory is read asynchronously, so that it maps to small distributed RAMs.

    Parameters
    ----------
    shape : shape of an item.
    depth : number of items, at least 1.

    Members
    -------
    i : stream of items; ``i.ready`` says that there is room for one.
    o : stream of items, oldest first.
    ready_two : there is room for two items.

    Raises
    ------
    ValueError : ``depth`` is not a positive integer.
    """
    latency = 1

    def __init__(self, shape: ShapeLike, *, depth: int):
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(f"depth must be a positive integer, not {depth!r}")
        self._shape = shape
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "ready_two": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # One address bit at least: a memory of one word has none, which Verilog cannot say.
        m.submodules.items = items = memory.Memory(shape=self._shape, depth=max(2, self._depth),
                                                   init=[])
        write = items.write_port()
        read = items.read_port(domain="comb")
        level = Signal(range(self._depth + 1))
        push = Signal()
        pop = Signal()

        def next_place(pointer: Value) -> Value:
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
            m.d.sync += write.addr.eq(next_place(write.addr))
        with m.If(pop):
            m.d.sync += read.addr.eq(next_place(read.addr))
        return m
