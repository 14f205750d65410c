# SPDX-License-Identifier: Apache-2.0
"""Codebook: what a code and a run stand for (EIE's weight sharing)."""
from amaranth import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ENCODINGS, ArrayConfig
from ..core.array.descriptor import MAX_TABLES
from .ram import block_memory
from .structs import FetchedEntry, LayerFields

__all__ = ["Codebook"]


class Codebook(wiring.Component):
    """Looks up an entry's weight and, in ``huffman``, its run; ``csr`` passes both through.

    Latency 1, one entry a cycle, no back-pressure. A Huffman layer's codebook is stored in rank
    order, so the decoder's rank is the address. Runs need a table of their own, because the row
    address adds them up.

    Members
    -------
    i, o : :class:`FetchedEntry`; ``o.run`` and ``o.weight`` are final.
    layer : ``encoding`` and ``table`` select what is looked up.
    load_codebook, load_run, load_address, load_data : write ports of the two memories; the
        address is table, then code or run.
    """
    latency = 1

    def __init__(self, config: ArrayConfig):
        self._config = config
        address_width = config.layer_width + max(config.code_width, config.run_width)
        super().__init__({
            "i": In(FetchedEntry(config)),
            "o": Out(FetchedEntry(config)),
            "layer": In(LayerFields(config)),
            "load_codebook": In(1),
            "load_run": In(1),
            "load_address": In(address_width),
            "load_data": In(max(config.weight_width, config.run_width)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        encoding = self.layer.encoding
        passed = Signal(FetchedEntry(config))
        m.d.sync += passed.eq(self.i)
        m.d.comb += self.o.eq(passed)
        if config.encodings != ("csr",):
            weight = self._look_up(m, "weights", self.i.code, config.weight_width,
                                   self.load_codebook)
            with m.If(encoding != ENCODINGS.index("csr")):
                m.d.comb += self.o.weight.eq(weight)
        if config.huffman:
            run = self._look_up(m, "runs", self.i.run, config.run_width, self.load_run)
            with m.If(encoding == ENCODINGS.index("huffman")):
                m.d.comb += self.o.run.eq(run)
        return m

    def _look_up(self, m: Module, name: str, index: Value, width: int, load_en: Value) -> Value:
        """Words of ``width`` bits at ``index`` of the layer's table, a cycle later."""
        tables = min(self._config.max_layers, MAX_TABLES)
        m.submodules[name] = memory = block_memory(width, tables << len(index))
        write = memory.write_port()
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(load_en),
            write.addr.eq(self.load_address),
            write.data.eq(self.load_data),
            read.addr.eq(Cat(index, self.layer.table)),
        ]
        return read.data
