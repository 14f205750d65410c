# SPDX-License-Identifier: Apache-2.0
"""Entry reader: walks a column's entries in memory, one a cycle (EIE's sparse-matrix read)."""
from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.config import ENCODINGS
from .huffman import HuffmanDecoder
from .layouts import Column, Entry, Layer

__all__ = ["EntryReader"]


class EntryReader(wiring.Component):
    """Reads the entries ``start`` .. ``end`` of each column it is given.

    Two registers: A holds the next column, D the one being walked. A column leaves A in cycle S,
    which reads its first word, and D decodes one entry in each of the cycles S + 1, S + 2, ...,
    whatever the encoding; a column without entries, or a token, occupies D for one cycle. In the
    cycle of its last entry D takes the next column, so columns follow without a bubble.
    Latency 2 from ``i`` to D; ``o`` is registered, 1 more. ``o`` cannot be stalled.

    In ``huffman`` an entry may straddle two words; the memory has even and odd banks, so that a
    word and its successor are read together. The position feeds back through the decoder and
    the memory's address in one cycle, which bounds the clock of an array with that encoding.

    A token waits in A until the writeback of the token before it releases the bank.

    Members
    -------
    i : stream of :class:`Column`.
    begin : pulse before each layer. ``layer`` must be constant while columns come.
    o_valid, o : entries.
    entry, empty, token : what D holds in this cycle.
    pending : a token has passed and its bank is not yet released.
    finished : the layer's last token has passed.
    released : the writeback reads the last row of its bank in this cycle.
    bank : accumulator bank of the vector in D.
    load_en, load_address, load_data : write port, words.
    """
    latency = 2

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Column(config))),
            "layer": In(Layer(config)),
            "begin": In(1),
            "released": In(1),
            "o_valid": Out(1),
            "o": Out(Entry(config)),
            "entry": Out(1),
            "empty": Out(1),
            "token": Out(1),
            "pending": Out(1),
            "finished": Out(1),
            "bank": Out(1),
            "load_en": In(1),
            "load_address": In(config.entry_address_width),
            "load_data": In(config.word_width),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        waiting, column = Signal(), Signal(Column(config))      # register A
        walking, here = Signal(), Signal(Column(config))        # register D; start = position
        empty, first = Signal(), Signal()
        following = Signal(config.pointer_width)                # position of the entry after
        final, take = Signal(), Signal()

        m.d.comb += [
            self.empty.eq(walking & empty & ~here.token),
            self.token.eq(walking & here.token),
            self.entry.eq(walking & ~empty & ~here.token),
            final.eq(walking & (here.token | empty | (following == here.end))),
            take.eq(waiting & (~walking | final)
                    & ~(column.token & ((self.pending & ~self.released) | self.token))),
            self.i.ready.eq(~waiting | take),
        ]
        with m.If(self.i.ready):
            m.d.sync += [waiting.eq(self.i.valid), column.eq(self.i.payload)]
        with m.If(take):
            m.d.sync += [walking.eq(1), here.eq(column), first.eq(1),
                         empty.eq(column.start == column.end)]
        with m.Elif(final):
            m.d.sync += walking.eq(0)
        with m.Elif(walking):
            m.d.sync += [here.start.eq(following), first.eq(0)]

        words = self._memory(m, Mux(take, column.start, following), here.start)
        self._decode(m, here, words, following)
        self._tokens(m)
        m.d.sync += [
            self.o_valid.eq(self.entry),
            self.o.act.eq(here.act),
            self.o.first.eq(first),
            self.o.bank.eq(self.bank),
        ]
        return m

    def _tokens(self, m):
        """Tokens alternate the accumulator banks; the layer's last one finishes it."""
        seen = Signal.like(self.layer.vectors)
        m.d.comb += self.finished.eq(seen == self.layer.vectors)
        with m.If(self.released):
            m.d.sync += self.pending.eq(0)
        with m.If(self.token):
            m.d.sync += [self.pending.eq(1), self.bank.eq(~self.bank), seen.eq(seen + 1)]
        with m.If(self.begin):
            m.d.sync += seen.eq(0)

    def _memory(self, m, position, here):
        """The word at ``here`` and, with two banks, its successor: what ``position`` read."""
        config = self._config
        banks = 2 if config.huffman else 1
        shift = banks - 1
        word = Signal(config.entry_address_width)
        m.d.comb += word.eq(position[config.place_width:])
        reads = []
        for bank in range(banks):
            m.submodules[f"bank{bank}"] = mem = memory.Memory(
                shape=config.word_width, depth=config.entry_depth // banks, init=[])
            write, read = mem.write_port(), mem.read_port()
            m.d.comb += [
                write.en.eq(self.load_en & (self.load_address[:shift] == bank)),
                write.addr.eq(self.load_address[shift:]),
                write.data.eq(self.load_data),
                read.addr.eq((word + (1 if bank < shift else 0))[shift:]),
            ]
            reads.append(read.data)
        if banks == 1:
            return reads
        odd = here[config.place_width]
        return [Mux(odd, reads[1], reads[0]), Mux(odd, reads[0], reads[1])]

    def _decode(self, m, here, words, following):
        """Fields of the entry at ``here`` into ``o``, and where the next one stands."""
        config = self._config
        place = here.start[:config.place_width]
        word = here.start[config.place_width:]
        for number, encoding in enumerate(ENCODINGS):
            if encoding not in config.encodings:
                continue
            with m.If(self.layer.encoding == number):
                if encoding == "huffman":
                    self._decode_huffman(m, here, words, following)
                    continue
                width, slots = config.entry_widths[encoding], config.slots(encoding)
                slot = place[:max(1, (slots - 1).bit_length())]
                fields = Array(words[0][k * width:(k + 1) * width] for k in range(slots))[slot]
                payload = self.o.weight if encoding == "csr" else self.o.code
                m.d.sync += Cat(self.o.run, payload).eq(fields)
                with m.If(slot == slots - 1):
                    m.d.comb += following.eq(Cat(Const(0, config.place_width), word + 1))
                with m.Else():
                    m.d.comb += following.eq(here.start + 1)

    def _decode_huffman(self, m, here, words, following):
        config = self._config
        m.submodules.decoder = decoder = HuffmanDecoder(config)
        size, place = 2 * config.max_code_length, here.start[:config.place_width]
        left = Signal(range(config.word_width + 1))         # bits of the word from here on
        m.d.comb += [
            left.eq(config.word_width - place),
            decoder.window.eq((words[0] << place)[:config.word_width][-size:]
                              | (words[1][-size:] >> left)),
            decoder.tables.eq(self.layer.tables),
            following.eq(here.start + decoder.length),
        ]
        m.d.sync += [self.o.run.eq(decoder.run), self.o.code.eq(decoder.code)]
