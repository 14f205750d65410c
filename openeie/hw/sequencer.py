# SPDX-License-Identifier: Apache-2.0
"""Sequencer: runs a program of several layers without the host."""
from amaranth import *
from amaranth.lib import enum, memory, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.counters import COUNTERS
from ..core.array.descriptor import descriptor_layout, descriptor_stride
from ..core.array.timing import Timing
from .structs import TABLE_LAYOUT, LayerFields, struct_of

__all__ = ["Sequencer", "SequencerState"]


class SequencerState(enum.Enum, shape=2):
    """What the sequencer is doing."""
    WIPE = 0        # clearing accumulators: after a reset, nothing is known of a memory
    IDLE = 1
    FETCH = 2       # reading a layer's descriptor while the counters are cleared
    RUN = 3


class Sequencer(wiring.Component):
    """Fetches a descriptor, runs its layer, and goes on to the next.

    After a reset, and after a watchdog fault, the accumulators are wiped: ``acc_depth`` cycles
    of ``busy``. A layer takes ``Timing.fetch`` cycles for its descriptor and then what the array
    needs; the watchdog stops it when it takes more than the descriptor's ``cycle_limit``.

    Members
    -------
    program_start, first, count : run ``count`` layers from layer ``first`` on; only while not
        ``busy``.
    busy : not idle.
    layer : the layer in hand.
    layer_start, clear, clear_index, scan_start, running, wipe, wipe_row : to the array.
    done, full : from the array's PEs.
    stopped : the watchdog ends the program in this cycle and resets the array.
    place : where it stood then: the first PE with a full queue, else the first unfinished one.
    load_en, load_address, load_data : write port of the descriptor memory.
    cycles_address, cycles : cycles of each layer, combinational read, for the host.
    """
    def __init__(self, config):
        self._config = config
        words = descriptor_stride(config) * config.max_layers
        super().__init__({
            "program_start": In(1),
            "first": In(16),
            "count": In(16),
            "busy": Out(1),
            "layer": Out(LayerFields(config)),
            "layer_start": Out(1), "clear": Out(1), "clear_index": Out(3),
            "scan_start": Out(1), "running": Out(1),
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

    def elaborate(self, platform):
        m = Module()
        config = self._config
        fetch = Timing(config).fetch
        state = Signal(SequencerState)
        cycle = Signal(32)                      # of the layer in hand
        left = Signal(16)                       # layers after this one
        # A cycle ago: all PEs were done, the limit was reached.
        finished, late = Signal(), Signal()
        m.submodules.cycles = totals = memory.Memory(shape=32, depth=max(2, config.max_layers),
                                                     init=[])
        total, total_read = totals.write_port(), totals.read_port(domain="comb")
        m.d.comb += [
            self.busy.eq(state != SequencerState.IDLE),
            self.wipe.eq(state == SequencerState.WIPE),
            self.running.eq(state == SequencerState.RUN),
            self.layer_start.eq((state == SequencerState.FETCH) & (cycle == 0)),
            self.clear.eq((state == SequencerState.FETCH) & (cycle < len(COUNTERS))),
            self.clear_index.eq(cycle),
            self.scan_start.eq((state == SequencerState.FETCH) & (cycle == fetch - 1)),
            total.addr.eq(self.layer.number), total.data.eq(cycle + 1),
            total_read.addr.eq(self.cycles_address), self.cycles.eq(total_read.data),
        ]
        full, unfinished = Signal.like(self.full), Signal.like(self.done)
        m.d.sync += [full.eq(self.full), unfinished.eq(~self.done)]
        stuck = Mux(full.any(), full, unfinished)
        m.d.sync += [cycle.eq(cycle + 1), late.eq(cycle >= self.layer.cycle_limit)]
        # The last results may still be on their way between the clusters.
        arrived = Signal(1 + Timing(config).exchange)
        m.d.sync += arrived.eq(Cat(self.done.all(), arrived & self.running.replicate(len(arrived))))
        m.d.comb += finished.eq(arrived[-1])

        with m.Switch(state):
            with m.Case(SequencerState.WIPE):
                m.d.sync += self.wipe_row.eq(self.wipe_row + 1)
                with m.If(self.wipe_row == config.acc_depth - 1):
                    m.d.sync += [state.eq(SequencerState.IDLE), self.wipe_row.eq(0)]
            with m.Case(SequencerState.IDLE):
                m.d.sync += cycle.eq(0)
                with m.If(self.program_start):     # until then the last layer stays on show
                    m.d.sync += [self.layer.number.eq(self.first), left.eq(self.count - 1),
                                 state.eq(SequencerState.FETCH)]
            with m.Case(SequencerState.FETCH):
                with m.If(self.scan_start):
                    m.d.sync += state.eq(SequencerState.RUN)
            with m.Case(SequencerState.RUN):
                with m.If(finished):
                    m.d.comb += total.en.eq(1)
                    m.d.sync += [cycle.eq(0), left.eq(left - 1),
                                 state.eq(Mux(left == 0, SequencerState.IDLE,
                                              SequencerState.FETCH))]
                    with m.If(left != 0):
                        m.d.sync += self.layer.number.eq(self.layer.number + 1)
                with m.Elif(late):
                    m.d.comb += self.stopped.eq(1)
                    m.d.sync += state.eq(SequencerState.WIPE)
                    for pe in reversed(range(config.pes)):
                        with m.If(stuck[pe]):
                            m.d.sync += self.place.eq(pe)
        self._fetch(m, cycle)
        return m

    def _fetch(self, m, cycle):
        """Read word ``cycle`` of the layer's descriptor; it arrives a cycle later."""
        config = self._config
        stride = descriptor_stride(config)
        m.submodules.descriptors = mem = memory.Memory(
            shape=64, depth=stride * config.max_layers, init=[])
        write, read = mem.write_port(), mem.read_port()
        m.d.comb += [
            write.en.eq(self.load_en), write.addr.eq(self.load_address),
            write.data.eq(self.load_data),
            read.addr.eq(Cat(cycle[:stride.bit_length() - 1], self.layer.number)),
        ]
        with m.If(~self.running):
            words = descriptor_layout(config)
            for number, fields in enumerate(words):
                layout = struct_of(fields)
                with m.If(cycle == number + 1):
                    m.d.sync += [self.layer[name].eq(layout(read.data[:layout.size])[name])
                                 for name, _ in fields]
            if config.huffman:
                for length in range(config.max_code_length):
                    with m.If(cycle == len(words) + length + 1):
                        m.d.sync += self.layer.tables[length].eq(TABLE_LAYOUT(
                            read.data[:TABLE_LAYOUT.size]))
