# SPDX-License-Identifier: Apache-2.0
"""Processing element: owns every N-th row, its weights and its activations (EIE, section IV)."""
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

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


class PE(wiring.Component):
    """Queue -> pointers -> entries -> codebook -> row address -> multiply -> accumulate, and
    writeback. One entry a cycle; nothing stalls behind the entry reader. All PEs are the same
    hardware: which rows one owns is in what the host loads.

    Members
    -------
    i : broadcast items; ``ready``, room for one, and ``ready_two``, room for two, are the queue's.
    layer : constant while a layer runs. It, ``reset``, ``layer_start``, ``running``, ``clear``,
        ``clear_index``, ``blocked``, ``wipe`` and ``wipe_row`` are registered here once more
        (``control_latency``), since the PEs are spread over the chip.
    reset : back to the state after power-up, memories excepted.
    layer_start : pulse before each layer; ``running``, ``clear``, ``clear_index``, ``blocked``: see
        :class:`Counters`.
    read_en, read_b, read_address, act : the activation memories, read by the scan or the host.
    result_en, result : its results, for the exchange between clusters; and
    write_en, write : what the exchange writes into its memory. With one cluster neither exists.
    done : this PE has written back the layer's last vector.
    wipe, wipe_row : clear an accumulator row in both banks.
    load_en, load : a write addressed to this PE; it reaches the memory ``load_latency`` later.
    count_address, count : the counters, read by the host.
    """
    control_latency = 1
    load_latency = 2

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Item(config))),
            "ready_two": Out(1),
            "layer": In(LayerFields(config)),
            "reset": In(1),
            "layer_start": In(1), "running": In(1), "clear": In(1), "clear_index": In(3),
            "blocked": In(1),
            "read_en": In(1),
            "read_b": In(1),
            "read_address": In(config.act_address_width),
            "act": Out(signed(config.act_width)),
            "done": Out(1),
            "wipe": In(1),
            "wipe_row": In(config.row_width),
            **({"result_en": Out(1), "result": Out(Result(config)),
                "write_en": In(1), "write": In(Result(config))} if config.clusters > 1 else {}),
            "load_en": In(1),
            "load": In(LoadWord()),
            "count_address": In(config.layer_width + 3),
            "count": Out(config.counter_width),
        })

    def elaborate(self, platform):
        m, outer = Module(), Module()
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

        local = self._register_control(outer)
        layer = local["layer"]
        connect(m, flipped(self.i), queue.i)
        connect(m, queue.o, pointers.i)
        connect(m, pointers.o, entries.i)
        m.d.comb += self.ready_two.eq(queue.ready_two)
        entry_valid = Signal()
        m.d.sync += entry_valid.eq(entries.o_valid)     # beside the codebook's lookup
        # A filler's zero is none of the products of which the largest is wanted.
        counts = ~(layer.maximum & address.filler) if config.pool else 1
        if config.pool:
            m.d.comb += accumulators.maximum.eq(layer.maximum)
        m.d.comb += [
            codebook.i.eq(entries.o),
            address.i.eq(codebook.o), address.i_valid.eq(entry_valid),
            multiply.i.eq(address.o), multiply.i_valid.eq(address.o_valid & counts),
            accumulators.i.eq(multiply.o), accumulators.i_valid.eq(multiply.o_valid),
            *(block.layer.eq(layer) for block in (entries, codebook, writeback)),
            *(block.layer_start.eq(local["layer_start"]) for block in (entries, writeback)),
            activations.swap.eq(layer.number[0]),
            accumulators.wipe.eq(local["wipe"]), accumulators.wipe_row.eq(local["wipe_row"]),
            counters.layer.eq(layer.number),
            *(getattr(counters, name).eq(local[name])
              for name in ("blocked", "running", "clear", "clear_index")),
            entries.released.eq(writeback.released),
        ]
        self._connect_writeback(m, entries, accumulators, writeback, activations)
        self._connect_counters(m, entries, address, writeback, counters)
        self._connect_load(m, entries, pointers, codebook, writeback, activations)
        # What the sequencer says is not reset with the rest: it wipes the accumulators meanwhile.
        outer.submodules.blocks = ResetInserter(local["reset"])(m)
        return outer

    def _register_control(self, m):
        """What every PE is told, by name, a cycle later."""
        local = {}
        for name in ("reset", "layer", "layer_start", "running", "clear", "clear_index", "blocked",
                     "wipe", "wipe_row"):
            local[name] = Signal.like(getattr(self, name), name=name, reset_less=name != "reset")
            m.d.sync += local[name].eq(getattr(self, name))
        return local

    def _connect_writeback(self, m, entries, accumulators, writeback, activations):
        # The token keeps its distance to the entries before it: one stage per block they cross.
        stages = (EntryReader.o_latency + Codebook.latency + RowAddress.latency
                  + Multiply.latency + 1)
        travelling, bank = Signal(stages), Signal()
        m.d.sync += travelling.eq(Cat(entries.token, travelling))
        with m.If(entries.token):       # one token at a time: the reader holds the next back
            m.d.sync += bank.eq(entries.bank)
        m.d.comb += [
            writeback.vector_start.eq(travelling[-1]),
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
            m.d.comb += [activations.write_en.eq(writeback.write_en),
                         activations.i.eq(writeback.o)]
        else:
            m.d.comb += [self.result_en.eq(writeback.write_en), self.result.eq(writeback.o),
                         activations.write_en.eq(self.write_en), activations.i.eq(self.write)]

    def _connect_counters(self, m, entries, address, writeback, counters):
        saturated = Signal()
        m.d.sync += saturated.eq(writeback.saturated)   # off the path to the activation memories
        m.d.comb += [
            *(getattr(counters, name).eq(getattr(entries, name))
              for name in ("entry", "empty", "token", "pending", "finished")),
            counters.filler.eq(address.filler),
            counters.saturated.eq(saturated),
            counters.address.eq(self.count_address),
            self.count.eq(counters.data),
        ]

    def _connect_load(self, m, entries, pointers, codebook, writeback, activations):
        # Registered twice: the port is spread over the whole array.
        load_en, near, load = Signal(), Signal.like(self.load), Signal.like(self.load)
        m.d.sync += [load_en.eq(self.load_en), near.eq(self.load), load.eq(near)]
        for en, target in ((entries.load_en, Target.ENTRY), (pointers.load_en, Target.POINTER),
                           (codebook.load_codebook, Target.CODEBOOK),
                           (codebook.load_run, Target.RUN_SYMBOL),
                           (writeback.load_en, Target.CHANNEL),
                           (activations.load_a, Target.ACT_A),
                           (activations.load_b, Target.ACT_B)):
            m.d.sync += en.eq(load_en & (near.target == target))
        for block in (entries, pointers, codebook, activations, writeback):
            m.d.comb += [block.load_address.eq(load.address), block.load_data.eq(load.data)]
