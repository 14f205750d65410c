# SPDX-License-Identifier: Apache-2.0
"""A PE's two activation memories, which swap roles from layer to layer (EIE, section IV)."""
from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Activations"]


class Activations(wiring.Component):
    """Source and destination memory; ``swap`` low: A is the source, high: B is.

    Reads are synchronous (latency 1) and held while ``read_en`` is low.

    Members
    -------
    swap : which memory is the source.
    read_en, read_address : both memories are read.
    source : the source memory's word; ``a`` and ``b``: each memory's, for the host.
    write_en, write_address, write_data : into the destination memory.
    load_a, load_b, load_address, load_data : host's writes.
    """
    latency = 1

    def __init__(self, config):
        self._config = config
        act = signed(config.act_width)
        super().__init__({
            "swap": In(1),
            "read_en": In(1),
            "read_address": In(config.act_address_width),
            "source": Out(act),
            "a": Out(act),
            "b": Out(act),
            "write_en": In(1),
            "write_address": In(config.act_address_width),
            "write_data": In(act),
            "load_a": In(1),
            "load_b": In(1),
            "load_address": In(config.act_address_width),
            "load_data": In(act),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        for name, load_en, out, is_destination in (("a", self.load_a, self.a, self.swap),
                                                   ("b", self.load_b, self.b, ~self.swap)):
            m.submodules[name] = mem = memory.Memory(
                shape=signed(config.act_width), depth=config.act_depth, init=[])
            write, read = mem.write_port(), mem.read_port()
            m.d.comb += [
                write.en.eq(load_en | (self.write_en & is_destination)),
                write.addr.eq(Mux(load_en, self.load_address, self.write_address)),
                write.data.eq(Mux(load_en, self.load_data, self.write_data)),
                read.en.eq(self.read_en),
                read.addr.eq(self.read_address),
                out.eq(read.data),
            ]
        m.d.comb += self.source.eq(Mux(self.swap, self.b, self.a))
        return m
