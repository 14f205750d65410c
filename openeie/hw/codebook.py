# SPDX-License-Identifier: Apache-2.0
"""Codebook: what a code and a run stand for (EIE's weight sharing)."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ENCODINGS
from ..core.array.descriptor import MAX_TABLES
from .ram import block_memory
from .structs import FetchedEntry, LayerFields

__all__ = ["Codebook"]


class Codebook(wiring.Component):
    """Looks up an entry's weight and, in ``huffman``, its run; ``csr`` passes both through.

    Latency 1, one entry a cycle, no back-pressure. A huffman layer's codebook is stored in rank
    order, so the decoder's rank addresses it directly; runs need a table of their own, because
    the row address adds them up.

    Members
    -------
    i, o : :class:`FetchedEntry`; ``o.run`` and ``o.weight`` are final.
    layer : ``encoding`` and ``table`` select what is looked up.
    load_codebook, load_run, load_address, load_data : write ports of the two memories.
    """
    latency = 1

    def __init__(self, config):
        self._config = config
        deepest = config.layer_width + max(config.code_width, config.run_width)
        super().__init__({
            "i": In(FetchedEntry(config)),
            "o": Out(FetchedEntry(config)),
            "layer": In(LayerFields(config)),
            "load_codebook": In(1),
            "load_run": In(1),
            "load_address": In(deepest),
            "load_data": In(max(config.weight_width, config.run_width)),
        })

    def elaborate(self, platform):
        m = Module()
        config, table, encoding = self._config, self.layer.table, self.layer.encoding
        passed = Signal(FetchedEntry(config))
        m.d.sync += passed.eq(self.i)
        m.d.comb += self.o.eq(passed)

        def look_up(name, index, width, load_en):
            m.submodules[name] = mem = block_memory(
                width, min(config.max_layers, MAX_TABLES) << len(index))
            write, read = mem.write_port(), mem.read_port()
            m.d.comb += [
                write.en.eq(load_en),
                write.addr.eq(self.load_address),
                write.data.eq(self.load_data),
                read.addr.eq(Cat(index, table)),
            ]
            return read.data

        if config.encodings != ("csr",):
            weight = look_up("weights", self.i.code, config.weight_width, self.load_codebook)
            with m.If(encoding != ENCODINGS.index("csr")):
                m.d.comb += self.o.weight.eq(weight)
        if config.huffman:
            run = look_up("runs", self.i.run, config.run_width, self.load_run)
            with m.If(encoding == ENCODINGS.index("huffman")):
                m.d.comb += self.o.run.eq(run)
        return m
