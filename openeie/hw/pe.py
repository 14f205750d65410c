# SPDX-License-Identifier: Apache-2.0
"""Processing element: owns every N-th row, its weights and its activations (EIE, section IV)."""
from amaranth import Cat, Module, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..core.array.config import ArrayConfig
from ..core.array.load_port import Target
from .accumulators import Accumulators
from .activations import Activations
from .address import RowAddress
from .codebook import Codebook
from .counters import Counters
from .entries import EntryReader
from .multiply import Multiply
from .pointers import Pointers
from .queue import ActivationQueue
from .structs import Item, LayerFields, LoadWord, Result
from .writeback import Writeback

__all__ = ["PE"]

_Signals = dict[str, Signal]


class PE(wiring.Component):
    """Queue -> pointers -> entries -> codebook -> row address -> multiply -> accumulate, and
    writeback.

    Throughput: one entry a cycle; nothing stalls behind the entry reader. All PEs are the same
    hardware: which rows one owns is in what the host loads.

    The PEs are spread over the chip, so what the sequencer says to all of them is registered here
    once more (``control_latency``): ``layer``, ``reset``, ``layer_start``, ``running``, ``clear``,
    ``clear_index``, ``blocked``, ``wipe`` and ``wipe_row``.

    Members
    -------
    i : stream of :class:`Item` from the broadcast; ``i.ready`` says that the queue has room for
        one.
    ready_two : the queue has room for two.
    layer : constant while a layer runs.
    reset : back to the state after power-up, memories excepted.
    layer_start : pulse before each layer.
    running, clear, clear_index, blocked : see :class:`Counters`.
    read_en, read_b, read_address, act : the activation memories, read by the scan or the host.
    result_en, result : results for the exchange between clusters; none with one cluster.
    write_en, write : what the exchange writes into this PE's memory; likewise.
    done : this PE has written back the layer's last vector.
    wipe, wipe_row : clear an accumulator row in all banks.
    load_en, load : a write addressed to this PE; it reaches the memory ``load_latency`` later.
    count_address, count : the counters, read by the host.
    """
    control_latency = 1
    load_latency = 2

    def __init__(self, config: ArrayConfig):
        self._config = config
        exchanged = {}
        if config.clusters > 1:
            exchanged = {
                "result_en": Out(1),
                "result": Out(Result(config)),
                "write_en": In(1),
                "write": In(Result(config)),
            }
        super().__init__({
            "i": In(stream.Signature(Item(config))),
            "ready_two": Out(1),
            "layer": In(LayerFields(config)),
            "reset": In(1),
            "layer_start": In(1),
            "running": In(1),
            "clear": In(1),
            "clear_index": In(3),
            "blocked": In(1),
            "read_en": In(1),
            "read_b": In(1),
            "read_address": In(config.act_address_width),
            "act": Out(signed(config.act_width)),
            "done": Out(1),
            "wipe": In(1),
            "wipe_row": In(config.row_width),
            **exchanged,
            "load_en": In(1),
            "load": In(LoadWord()),
            "count_address": In(config.layer_width + 3),
            "count": Out(config.counter_width),
        })

    def elaborate(self, platform: object) -> Module:
        outer = Module()
        m = Module()
        config = self._config
        m.submodules.queue = queue = ActivationQueue(Item(config), depth=config.queue_depth)
        m.submodules.pointers = pointers = Pointers(config)
        m.submodules.entries = entries = EntryReader(config)
        m.submodules.codebook = codebook = Codebook(config)
        m.submodules.address = address = RowAddress(config)
        m.submodules.multiply = multiply = Multiply(config)
        m.submodules.accumulators = accumulators = Accumulators(config)
        m.submodules.writeback = writeback = Writeback(config)
        m.submodules.activations = activations = Activations(config)
        m.submodules.counters = counters = Counters(config)

        control = self._register_control(outer)
        layer = control["layer"]
        connect(m, flipped(self.i), queue.i)
        connect(m, queue.o, pointers.i)
        connect(m, pointers.o, entries.i)
        entry_valid = Signal()
        m.d.sync += entry_valid.eq(entries.o_valid)     # goes along with the codebook's lookup
        # A filler's zero is none of the products of which the largest is wanted.
        is_product = address.o_valid
        if config.pool:
            is_product = address.o_valid & ~(layer.maximum & address.filler)
            m.d.comb += accumulators.maximum.eq(layer.maximum)
        m.d.comb += [
            self.ready_two.eq(queue.ready_two),
            codebook.i.eq(entries.o),
            address.i.eq(codebook.o),
            address.i_valid.eq(entry_valid),
            multiply.i.eq(address.o),
            multiply.i_valid.eq(is_product),
            accumulators.i.eq(multiply.o),
            accumulators.i_valid.eq(multiply.o_valid),
            accumulators.wipe.eq(control["wipe"]),
            accumulators.wipe_row.eq(control["wipe_row"]),
            entries.layer.eq(layer),
            entries.layer_start.eq(control["layer_start"]),
            entries.released.eq(writeback.released),
            codebook.layer.eq(layer),
            writeback.layer.eq(layer),
            writeback.layer_start.eq(control["layer_start"]),
            activations.swap.eq(layer.number[0]),
        ]
        self._connect_writeback(m, entries, accumulators, writeback, activations)
        self._connect_counters(m, control, entries, address, writeback, counters)
        self._connect_load(m, entries, pointers, codebook, writeback, activations)
        # What the sequencer says is not reset with the rest: it wipes the accumulators meanwhile.
        outer.submodules.blocks = ResetInserter(control["reset"])(m)
        return outer

    def _register_control(self, m: Module) -> _Signals:
        """What every PE is told, by name, a cycle later."""
        control = {}
        for name in ("reset", "layer", "layer_start", "running", "clear", "clear_index", "blocked",
                     "wipe", "wipe_row"):
            control[name] = Signal.like(getattr(self, name), name=name, reset_less=name != "reset")
            m.d.sync += control[name].eq(getattr(self, name))
        return control

    def _connect_writeback(self, m: Module, entries: EntryReader, accumulators: Accumulators,
                           writeback: Writeback, activations: Activations) -> None:
        # A token keeps its distance to the entries before it: one stage per block they cross.
        stages = (EntryReader.o_latency + Codebook.latency + RowAddress.latency
                  + Multiply.latency + 1)
        token_stages = Signal(stages)
        bank = Signal()
        m.d.sync += token_stages.eq(Cat(entries.token, token_stages))
        with m.If(entries.token):       # one token at a time: the reader holds the next one back
            m.d.sync += bank.eq(entries.bank)
        m.d.comb += [
            writeback.vector_start.eq(token_stages[-1]),
            writeback.vector_bank.eq(bank),
            accumulators.read_en.eq(writeback.read_en),
            accumulators.read_bank.eq(writeback.read_bank),
            accumulators.read_row.eq(writeback.read_row),
            accumulators.clear.eq(writeback.clear),
            writeback.acc.eq(accumulators.acc),
            activations.read_en.eq(self.read_en),
            activations.read_b.eq(self.read_b),
            activations.read_address.eq(self.read_address),
            self.act.eq(activations.data),
            self.done.eq(writeback.done),
        ]
        if self._config.clusters == 1:
            m.d.comb += [
                activations.write_en.eq(writeback.write_en),
                activations.i.eq(writeback.o),
            ]
        else:
            m.d.comb += [
                self.result_en.eq(writeback.write_en),
                self.result.eq(writeback.o),
                activations.write_en.eq(self.write_en),
                activations.i.eq(self.write),
            ]

    def _connect_counters(self, m: Module, control: _Signals, entries: EntryReader,
                          address: RowAddress, writeback: Writeback, counters: Counters) -> None:
        # A register keeps `saturated` off the path to the activation memories.
        saturated = Signal()
        m.d.sync += saturated.eq(writeback.saturated)
        m.d.comb += [
            counters.layer.eq(control["layer"].number),
            counters.filler.eq(address.filler),
            counters.saturated.eq(saturated),
            counters.address.eq(self.count_address),
            self.count.eq(counters.data),
        ]
        for name in ("blocked", "running", "clear", "clear_index"):
            m.d.comb += getattr(counters, name).eq(control[name])
        for name in ("entry", "empty", "token", "pending", "finished"):
            m.d.comb += getattr(counters, name).eq(getattr(entries, name))

    def _connect_load(self, m: Module, entries: EntryReader, pointers: Pointers,
                      codebook: Codebook, writeback: Writeback, activations: Activations) -> None:
        # Registered twice: the port is spread over the whole array.
        load_en = Signal()
        near_load = Signal.like(self.load)
        load = Signal.like(self.load)
        m.d.sync += [
            load_en.eq(self.load_en),
            near_load.eq(self.load),
            load.eq(near_load),
        ]
        enables = {
            Target.ENTRY: entries.load_en,
            Target.POINTER: pointers.load_en,
            Target.CODEBOOK: codebook.load_codebook,
            Target.RUN_SYMBOL: codebook.load_run,
            Target.CHANNEL: writeback.load_en,
            Target.ACT_A: activations.load_a,
            Target.ACT_B: activations.load_b,
        }
        for target, enable in enables.items():
            m.d.sync += enable.eq(load_en & (near_load.target == target))
        for block in (entries, pointers, codebook, activations, writeback):
            m.d.comb += block.load_address.eq(load.address)
            m.d.comb += block.load_data.eq(load.data)
