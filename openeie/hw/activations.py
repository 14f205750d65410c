# SPDX-License-Identifier: Apache-2.0
"""A PE's two activation memories, which swap roles from layer to layer (EIE, section IV)."""
from amaranth import Cat, Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .ram import block_memory
from .structs import Result

__all__ = ["Activations"]


class Activations(wiring.Component):
    """Source and destination memory of a PE, ``act_depth`` words each.

    ``swap`` low: A is the source, high: B is. In an array with convolutions, ``swap`` does not
    count: the top bit of each address selects A or B.

    A and B are halves of one memory with one read and one write port, since only the source is
    read and only the destination is written. Throughput: one read and one write a cycle. Latency
    of a read: 1; the word is kept while ``read_en`` is low.

    Members
    -------
    swap : which memory is the source.
    read_en, read_b, read_address : read memory B, or A.
    data : the word read, signed, ``act_width`` bits.
    write_en, i : :class:`Result` to write into the destination memory.
    load_a, load_b, load_address, load_data : the host's writes.
    """
    latency = 1

    def __init__(self, config: ArrayConfig):
        self._config = config
        act = signed(config.act_width)
        super().__init__({
            "swap": In(1),
            "read_en": In(1),
            "read_b": In(1),
            "read_address": In(config.act_address_width),
            "data": Out(act),
            "write_en": In(1),
            "i": In(Result(config)),
            "load_a": In(1),
            "load_b": In(1),
            "load_address": In(config.act_address_width),
            "load_data": In(act),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        # B begins at the next power of two, so that an address is a concatenation.
        m.submodules.acts = acts = block_memory(
            signed(config.act_width), (1 << config.act_address_width) + config.act_depth)
        write = acts.write_port()
        read = acts.read_port()
        load = self.load_a | self.load_b
        result_address = self.i.address if config.conv else Cat(self.i.address, ~self.swap)
        m.d.comb += [
            write.en.eq(load | self.write_en),
            write.addr.eq(Mux(load, Cat(self.load_address, self.load_b), result_address)),
            write.data.eq(Mux(load, self.load_data, self.i.act)),
            read.en.eq(self.read_en),
            read.addr.eq(Cat(self.read_address, self.read_b)),
            self.data.eq(read.data),
        ]
        return m
