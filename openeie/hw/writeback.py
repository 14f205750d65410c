# SPDX-License-Identifier: Apache-2.0
"""Writeback: the rows of a finished vector, from accumulators to activations."""
from amaranth import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..core.array.load_port import CHANNEL_QUARTERS
from ..core.array.timing import Timing
from .ram import loaded_memory
from .requantise import Requantise
from .structs import LayerFields, Result

__all__ = ["Writeback"]


class Writeback(wiring.Component):
    """Requantises one vector's ``acc_rows`` rows and writes them to the destination memory.

    Throughput: one row in ``Timing.row`` cycles; nothing stalls it. Latency: the first row's first
    cycle of reading is the one after ``vector_start``. A row is read during ``Timing.row`` cycles,
    cleared in the last of them, and written ``latency`` cycles after the first.

    Destination addresses count through the vectors of a layer. In an array with convolutions they
    begin at ``dst_origin``, and go ``dst_step`` further at a vector's end. In a clustered layer of
    C clusters, C rows have one address: they go to the PEs of one cluster after the other.

    Members
    -------
    layer : constant while rows are written.
    layer_start : pulse before each layer.
    vector_start, vector_bank : a token has reached the accumulators of that bank: its vector is
        complete.
    read_en, read_bank, read_row, clear : to the accumulators.
    acc : the accumulator that was read in the previous cycle, signed, ``acc_width`` bits.
    released : this is the last cycle of the bank's last row.
    done : all vectors of the layer have been written.
    write_en, o : :class:`Result` for the destination memory.
    saturated : the row that is written in this cycle has been saturated.
    load_en, load_address, load_data : write port of the channel memory; four 16-bit words a row.
    """
    latency = Requantise.latency

    def __init__(self, config: ArrayConfig):
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        layer = self.layer
        m.submodules.requantise = requantise = Requantise(config)
        phase = Signal(range(Timing.row))
        phase_ends = Signal()                   # phase is the row's last
        writing = Signal()                      # the row before is written in this row's phases
        rows_but_one = Signal(config.row_width)
        last_row = Signal()
        last_written = Signal()
        m.d.sync += [
            phase_ends.eq(phase == Timing.row - 2),
            rows_but_one.eq(layer.acc_rows - 1),
            last_row.eq(self.read_row == rows_but_one),
        ]
        m.d.comb += [
            self.clear.eq(self.read_en & phase_ends),
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
        with m.If(phase_ends):
            m.d.sync += writing.eq(self.read_en)
            m.d.sync += last_written.eq(last_row)
        with m.If(self.vector_start):
            # The row before, if any, was written in the last cycle at the latest.
            m.d.sync += [
                self.read_en.eq(1),
                self.read_bank.eq(self.vector_bank),
                self.read_row.eq(0),
                phase.eq(0),
                phase_ends.eq(0),
                writing.eq(0),
            ]
        with m.Elif(self.released):
            m.d.sync += self.read_en.eq(0)
        with m.Elif(self.clear):
            m.d.sync += self.read_row.eq(self.read_row + 1)

        m.d.comb += requantise.quarter.eq(self._channels(m, platform, phase))
        self._count_vectors(m, last_written)
        self._count_addresses(m, last_written)
        if config.conv:
            self._begin_addresses(m)
        return m

    def _channels(self, m: Module, platform: object, phase: Value) -> Value:
        """The quarters of the row's channel word, in the order in which they are needed."""
        config = self._config
        row = Signal(config.channel_address_width)
        with m.If(self.vector_start):
            m.d.sync += row.eq(self.layer.channel_base)
        with m.Elif(self.clear):
            m.d.sync += row.eq(row + 1)
        # Bias low, bias high, then the multiplier's two quarters in turn.
        quarter = Cat(phase[0], phase[1:].any())
        return loaded_memory(
            m, "channels", platform, 16, config.channel_depth * CHANNEL_QUARTERS, self.load_en,
            self.load_address, self.load_data, Cat(quarter, row))

    def _count_vectors(self, m: Module, last_written: Value) -> None:
        """Count vectors when their last row is written."""
        vector = Signal.like(self.layer.vectors)
        vectors_but_one = Signal.like(self.layer.vectors)
        m.d.sync += vectors_but_one.eq(self.layer.vectors - 1)
        with m.If(self.write_en & last_written):
            m.d.sync += vector.eq(vector + 1)
            m.d.sync += self.done.eq(vector == vectors_but_one)
        with m.If(self.layer_start):
            m.d.sync += vector.eq(0)
            m.d.sync += self.done.eq(0)

    def _count_addresses(self, m: Module, last_written: Value) -> None:
        """One further with every row that is written, or with the last of all clusters' rows."""
        config = self._config
        layer = self.layer
        address = self.o.address
        row_ends = 1
        if config.clusters > 1:
            row_ends = ~layer.clustered | (self.o.cluster == config.clusters - 1)
            with m.If(self.layer_start | (self.write_en & last_written)):
                m.d.sync += self.o.cluster.eq(0)
            with m.Elif(self.write_en):
                m.d.sync += self.o.cluster.eq(self.o.cluster + 1)
        with m.If(self.layer_start):
            m.d.sync += address.eq(0)
        with m.Elif(self.write_en):
            m.d.sync += address.eq(address + row_ends)
            if config.conv:
                with m.If(last_written):
                    m.d.sync += address.eq(address + layer.dst_step)

    def _begin_addresses(self, m: Module) -> None:
        """A layer's first vector goes to ``dst_origin``, not yet known at ``layer_start``."""
        is_first = Signal()                     # no vector of the layer has come
        with m.If(self.layer_start):
            m.d.sync += is_first.eq(1)
        with m.Elif(self.vector_start):
            m.d.sync += is_first.eq(0)
            with m.If(is_first):
                m.d.sync += self.o.address.eq(self.layer.dst_origin)
