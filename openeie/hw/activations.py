# SPDX-License-Identifier: Apache-2.0
"""A PE's two activation memories, which swap roles from layer to layer (EIE, section IV)."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .ram import block_memory
from .structs import Result

__all__ = ["Activations"]


class Activations(wiring.Component):
    """Source and destination memory; ``swap`` low: A is the source, high: B is. In an array with
    convolutions the result's address says itself where the destination is, from A on through B.

    Both are halves of one memory, since only the source is read and only the destination
    written. Reads are synchronous (latency 1) and held while ``read_en`` is low.

    Members
    -------
    swap : which memory is the source.
    read_en, read_b, read_address : read memory B, or A.
    data : the word read.
    write_en, i : :class:`Result` into the destination memory.
    load_a, load_b, load_address, load_data : host's writes.
    """
    latency = 1

    def __init__(self, config):
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

    def elaborate(self, platform):
        m = Module()
        config = self._config
        # B begins at the next power of two, so that an address is a concatenation.
        m.submodules.acts = acts = block_memory(
            signed(config.act_width), (1 << config.act_address_width) + config.act_depth)
        write, read = acts.write_port(), acts.read_port()
        load = self.load_a | self.load_b
        m.d.comb += [
            write.en.eq(load | self.write_en),
            write.addr.eq(Mux(load, Cat(self.load_address, self.load_b),
                              self.i.address if config.conv
                              else Cat(self.i.address, ~self.swap))),
            write.data.eq(Mux(load, self.load_data, self.i.act)),
            read.en.eq(self.read_en),
            read.addr.eq(Cat(self.read_address, self.read_b)),
            self.data.eq(read.data),
        ]
        return m
