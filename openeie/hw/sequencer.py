# SPDX-License-Identifier: Apache-2.0
"""Sequencer: runs a program of several layers without the host."""
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, memory, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..core.array.counters import COUNTERS
from ..core.array.descriptor import descriptor_layout, descriptor_stride
from ..core.array.timing import Timing
from .structs import TABLE_LAYOUT, LayerFields, struct_of

__all__ = ["Sequencer", "SequencerState"]


class SequencerState(enum.Enum, shape=2):  # type: ignore[call-arg]  # Amaranth's own enum
    """What the sequencer is doing."""
    WIPE = 0        # clearing accumulators: after a reset, nothing is known of a memory
    IDLE = 1
    FETCH = 2       # reading a layer's descriptor while the counters are cleared
    RUN = 3


class Sequencer(wiring.Component):
    """Fetches a descriptor, runs its layer, and goes on to the next one.

    A layer takes ``Timing.fetch`` cycles for its descriptor and then what the array needs; there
    is no gap between two layers. The watchdog stops a layer that takes more cycles than the
    ``cycle_limit`` in its descriptor. After a reset, and after the watchdog, the accumulators are
    wiped, which takes ``acc_depth`` cycles.

    Three pulses start things: ``program_start`` from the host, then for each layer
    ``layer_start`` in its first cycle and ``scan_start`` in the last cycle of its fetch.

    Members
    -------
    program_start, first, count : run ``count`` layers from layer ``first`` on, 16 bits each; only
        while not ``busy``.
    busy : not idle: a program runs, or accumulators are being wiped.
    layer : the current layer.
    layer_start, clear, clear_index, scan_start, running, wipe, wipe_row : to the array.
    done, full : from the array, one bit per PE.
    stopped : the watchdog ends the program in this cycle and resets the array.
    place : where the array stood then: the first PE with a full queue, else the first unfinished
        one.
    load_en, load_address, load_data : write port of the descriptor memory, 64-bit words.
    cycles_address, cycles : cycles that each layer took, for the host; a combinational read.
    """
    def __init__(self, config: ArrayConfig):
        self._config = config
        words = descriptor_stride(config) * config.max_layers
        super().__init__({
            "program_start": In(1),
            "first": In(16),
            "count": In(16),
            "busy": Out(1),
            "layer": Out(LayerFields(config)),
            "layer_start": Out(1),
            "clear": Out(1),
            "clear_index": Out(3),
            "scan_start": Out(1),
            "running": Out(1),
            "wipe": Out(1),
            "wipe_row": Out(config.row_width),
            "done": In(config.pes),
            "full": In(config.pes),
            "stopped": Out(1),
            "place": Out(16),
            "load_en": In(1),
            "load_address": In(range(words)),
            "load_data": In(64),
            "cycles_address": In(config.layer_width),
            "cycles": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        state = Signal(SequencerState)
        cycle = Signal(32)                      # of the current layer
        left = Signal(16)                       # layers after this one
        total_en = self._totals(m, cycle)
        in_fetch = state == SequencerState.FETCH
        m.d.comb += [
            self.busy.eq(state != SequencerState.IDLE),
            self.wipe.eq(state == SequencerState.WIPE),
            self.running.eq(state == SequencerState.RUN),
            self.layer_start.eq(in_fetch & (cycle == 0)),
            self.clear.eq(in_fetch & (cycle < len(COUNTERS))),
            self.clear_index.eq(cycle),
            self.scan_start.eq(in_fetch & (cycle == Timing(config).fetch - 1)),
        ]
        m.d.sync += cycle.eq(cycle + 1)
        finished = self._finished(m)
        is_late = Signal()                      # the limit was reached a cycle ago
        m.d.sync += is_late.eq(cycle >= self.layer.cycle_limit)

        with m.Switch(state):
            with m.Case(SequencerState.WIPE):
                m.d.sync += self.wipe_row.eq(self.wipe_row + 1)
                with m.If(self.wipe_row == config.acc_depth - 1):
                    m.d.sync += self.wipe_row.eq(0)
                    m.d.sync += state.eq(SequencerState.IDLE)
            with m.Case(SequencerState.IDLE):
                m.d.sync += cycle.eq(0)
                with m.If(self.program_start):      # until then the last layer stays on show
                    m.d.sync += self.layer.number.eq(self.first)
                    m.d.sync += left.eq(self.count - 1)
                    m.d.sync += state.eq(SequencerState.FETCH)
            with m.Case(SequencerState.FETCH):
                with m.If(self.scan_start):
                    m.d.sync += state.eq(SequencerState.RUN)
            with m.Case(SequencerState.RUN):
                with m.If(finished):
                    m.d.comb += total_en.eq(1)
                    m.d.sync += cycle.eq(0)
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.d.sync += state.eq(SequencerState.IDLE)
                    with m.Else():
                        m.d.sync += state.eq(SequencerState.FETCH)
                        m.d.sync += self.layer.number.eq(self.layer.number + 1)
                with m.Elif(is_late):
                    m.d.comb += self.stopped.eq(1)
                    m.d.sync += state.eq(SequencerState.WIPE)
        self._keep_place(m)
        self._fetch(m, cycle)
        return m

    def _totals(self, m: Module, cycle: Value) -> Signal:
        """The memory of each layer's cycles; returns its write enable."""
        m.submodules.cycles = totals = memory.Memory(
            shape=32, depth=max(2, self._config.max_layers), init=[])
        write = totals.write_port()
        read = totals.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(self.layer.number),
            write.data.eq(cycle + 1),
            read.addr.eq(self.cycles_address),
            self.cycles.eq(read.data),
        ]
        return write.en

    def _finished(self, m: Module) -> Value:
        """All PEs were done a cycle ago, and the last results have arrived in other clusters."""
        arrived = Signal(1 + Timing(self._config).exchange)
        running = self.running.replicate(len(arrived))
        m.d.sync += arrived.eq(Cat(self.done.all(), arrived & running))
        return arrived[-1]

    def _keep_place(self, m: Module) -> None:
        """When the watchdog stops the array, keep the number of the PE that is stuck."""
        full = Signal.like(self.full)
        unfinished = Signal.like(self.done)
        m.d.sync += full.eq(self.full)
        m.d.sync += unfinished.eq(~self.done)
        stuck = Mux(full.any(), full, unfinished)
        with m.If(self.stopped):
            for pe in reversed(range(self._config.pes)):        # the first one is assigned last
                with m.If(stuck[pe]):
                    m.d.sync += self.place.eq(pe)

    def _fetch(self, m: Module, cycle: Value) -> None:
        """Read word ``cycle`` of the layer's descriptor; it arrives a cycle later."""
        config = self._config
        stride = descriptor_stride(config)
        m.submodules.descriptors = descriptors = memory.Memory(
            shape=64, depth=stride * config.max_layers, init=[])
        write = descriptors.write_port()
        read = descriptors.read_port()
        word = cycle[:stride.bit_length() - 1]
        m.d.comb += [
            write.en.eq(self.load_en),
            write.addr.eq(self.load_address),
            write.data.eq(self.load_data),
            read.addr.eq(Cat(word, self.layer.number)),
        ]
        words = descriptor_layout(config)
        with m.If(~self.running):
            for number, fields in enumerate(words):
                layout = struct_of(fields)
                values = layout(read.data[:layout.size])
                with m.If(cycle == number + 1):
                    for name, _ in fields:
                        m.d.sync += self.layer[name].eq(values[name])
            if config.huffman:
                values = TABLE_LAYOUT(read.data[:TABLE_LAYOUT.size])
                for length in range(config.max_code_length):
                    with m.If(cycle == len(words) + length + 1):
                        m.d.sync += self.layer.tables[length].eq(values)
