# SPDX-License-Identifier: Apache-2.0
"""Writeback: the rows of a finished vector, from accumulators to activations."""
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.load_port import CHANNEL_QUARTERS
from ..core.array.timing import Timing
from .ram import loaded_memory
from .requantise import Requantise
from .structs import LayerFields, Result

__all__ = ["Writeback"]


class Writeback(wiring.Component):
    """Writes one vector's rows back: ``acc_rows`` of them, one in ``Timing.row`` cycles.

    The first row's first cycle of reading is the one after ``vector_start``. A row is read during
    ``Timing.row`` cycles, cleared in the last of them, and written to the destination memory
    ``latency`` cycles after the first. Destination addresses count through the vectors of a
    layer; in an array with convolutions from ``dst_origin`` on, and ``dst_step`` further at a
    vector's end. In a clustered layer as many rows as there are clusters have one address: they
    go to the PEs of one cluster after the other. Nothing stalls.

    Members
    -------
    layer_start : pulse before each layer; ``layer`` must be constant while rows are written.
    vector_start, vector_bank : a token has reached the accumulators of that bank.
    read_en, read_bank, read_row, clear : to the accumulators.
    acc : the accumulator read in the previous cycle.
    released : the last cycle of the bank's last row.
    done : all vectors of the layer have been written.
    write_en, o : :class:`Result` for the destination memory.
    saturated : the row that is written in this cycle has been saturated.
    load_en, load_address, load_data : write port of the channel memory, quarters of a row.
    """
    latency = Requantise.latency

    def __init__(self, config):
        self._config = config
        super().__init__({
            "layer": In(LayerFields(config)),
            "layer_start": In(1),
            "vector_start": In(1),
            "vector_bank": In(1),
            "read_en": Out(1),
            "read_bank": Out(1),
            "read_row": Out(config.row_width),
            "clear": Out(1),
            "acc": In(signed(config.acc_width)),
            "released": Out(1),
            "done": Out(1),
            "write_en": Out(1),
            "o": Out(Result(config)),
            "saturated": Out(1),
            "load_en": In(1),
            "load_address": In(config.channel_address_width + 2),
            "load_data": In(16),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        m.submodules.requantise = requantise = Requantise(config)
        phase, writing = Signal(range(Timing.row)), Signal()
        last_row, last_written = Signal(), Signal()
        rows_but_one = Signal(config.row_width)
        ending = Signal()                       # phase is the row's last
        m.d.sync += [
            ending.eq(phase == Timing.row - 2),
            rows_but_one.eq(layer.acc_rows - 1),
            last_row.eq(self.read_row == rows_but_one),
        ]
        m.d.comb += [
            self.clear.eq(self.read_en & ending),
            self.released.eq(self.clear & last_row),
            requantise.phase.eq(phase),
            requantise.relu.eq(layer.relu),
            requantise.acc.eq(self.acc),
            self.o.act.eq(requantise.act),
            self.write_en.eq(writing & (phase == self.latency - Timing.row)),
            self.saturated.eq(self.write_en & requantise.saturated),
        ]
        with m.If(self.read_en | writing):
            m.d.sync += phase.eq(phase + 1)
        with m.If(ending):
            m.d.sync += [writing.eq(self.read_en), last_written.eq(last_row)]
        with m.If(self.vector_start):
            # The row before, if any, was written in the last cycle at the latest.
            m.d.sync += [self.read_en.eq(1), self.read_row.eq(0), phase.eq(0), writing.eq(0),
                         ending.eq(0),
                         self.read_bank.eq(self.vector_bank)]
        with m.Elif(self.released):
            m.d.sync += self.read_en.eq(0)
        with m.Elif(self.clear):
            m.d.sync += self.read_row.eq(self.read_row + 1)

        self._channels(m, platform, phase, requantise)
        self._finish(m, last_written)
        return m

    def _channels(self, m, platform, phase, requantise):
        """The row's quarters in the order in which they are needed."""
        config = self._config
        row = Signal(config.channel_address_width)
        with m.If(self.vector_start):
            m.d.sync += row.eq(self.layer.channel_base)
        with m.Elif(self.clear):
            m.d.sync += row.eq(row + 1)
        # Bias low, bias high, then the multiplier's two quarters in turn.
        m.d.comb += requantise.quarter.eq(loaded_memory(
            m, "channels", platform, 16, config.channel_depth * CHANNEL_QUARTERS, self.load_en,
            self.load_address, self.load_data, Cat(phase[0], phase[1:].any(), row)))

    def _finish(self, m, last_written):
        """Count vectors when a row is written."""
        vector, vectors_but_one = (Signal.like(self.layer.vectors, name=name)
                                   for name in ("vector", "vectors_but_one"))
        m.d.sync += vectors_but_one.eq(self.layer.vectors - 1)
        with m.If(self.write_en & last_written):
            m.d.sync += [vector.eq(vector + 1), self.done.eq(vector == vectors_but_one)]
        with m.If(self.layer_start):
            m.d.sync += [vector.eq(0), self.done.eq(0)]
        self._count_addresses(m, last_written)

    def _count_addresses(self, m, last_written):
        """One further with every row that is written, or with the last of all clusters' rows."""
        config, layer, address = self._config, self.layer, self.o.address
        row_ends = 1
        if config.clusters > 1:
            row_ends = ~layer.clustered | (self.o.cluster == config.clusters - 1)
            with m.If(self.layer_start | (self.write_en & last_written)):
                m.d.sync += self.o.cluster.eq(0)
            with m.Elif(self.write_en):
                m.d.sync += self.o.cluster.eq(self.o.cluster + 1)
        with m.If(self.write_en):
            m.d.sync += address.eq(address + row_ends)
            if config.conv:
                with m.If(last_written):
                    m.d.sync += address.eq(address + layer.dst_step)
        if config.conv:
            # No vector of the layer has come. `layer_start` is too early to know where they go.
            first = Signal()
            with m.If(self.layer_start):
                m.d.sync += first.eq(1)
            with m.Elif(self.vector_start):
                m.d.sync += first.eq(0)
                with m.If(first):
                    m.d.sync += address.eq(layer.dst_origin)
        with m.If(self.layer_start):
            m.d.sync += address.eq(0)
