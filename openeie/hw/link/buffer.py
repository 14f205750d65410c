# SPDX-License-Identifier: Apache-2.0
"""A memory of bytes, written anywhere and read as a stream."""
from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..ram import block_memory

__all__ = ["Buffer"]


class Buffer(wiring.Component):
    """Offers the bytes from an address on, one after the other.

    The first byte is offered ``latency`` cycles after ``seek``, and each further one ``latency``
    cycles after the one before was taken. That is enough for a UART, and the register behind the
    memory keeps the slow output of a block RAM away from the logic. A byte must be written before
    it is sought or its predecessor is taken.

    Parameters
    ----------
    depth : bytes, a power of two; 512 fill one block RAM of an iCE40.

    Members
    -------
    write, write_address, write_data : one write.
    seek, first : go on at address ``first``; from the next cycle on, what was offered is not.
    o : stream of bytes.
    """
    latency = 3

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__({
            "write": In(1),
            "write_address": In(range(depth)),
            "write_data": In(8),
            "seek": In(1),
            "first": In(range(depth)),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bytes = memory = block_memory(8, self._depth)
        write = memory.write_port()
        read = memory.read_port()
        fetched = Signal(2)         # the memory, and the register, have the byte at read.addr

        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            self.o.valid.eq(fetched[1]),
        ]
        m.d.sync += [
            self.o.payload.eq(read.data),
            fetched.eq(Cat(1, fetched)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [read.addr.eq(read.addr + 1), fetched.eq(0)]
        with m.If(self.seek):
            m.d.sync += [read.addr.eq(self.first), fetched.eq(0)]
        return m
