# SPDX-License-Identifier: Apache-2.0
"""Entry reader: walks a column's entries in memory, one a cycle (EIE's sparse-matrix read)."""
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ENCODINGS
from .huffman import HuffmanDecoder
from .ram import loaded_memory
from .structs import Column, FetchedEntry, LayerFields

__all__ = ["EntryReader"]


class EntryReader(wiring.Component):
    """Reads the entries ``start`` .. ``end`` of each column it is given.

    Two registers: A holds the next column, D the one that
    is decoded. A column leaves A in cycle S,
    which reads its first word, and D decodes one entry in each of the cycles S + 1, S + 2, ...,
    whatever the encoding; a column without entries, or a token, occupies D for one cycle. In the
    cycle of its last entry D takes the next column, so columns follow without a bubble.
    Latency 2 from ``i`` to D; ``o`` follows D by 2 more: the word is registered, then the entry
    cut out of it. ``o`` cannot be stalled.

    Positions of fixed-length entries are computed one entry ahead, so that neither the memory's
    address nor the end of the column waits for them.

    In ``huffman`` an entry may straddle two words; the memory has even and odd banks, so that a
    word and its successor are read together. The position feeds back through the decoder and
    the memory's address in one cycle, which bounds the clock of an array with that encoding.

    A token waits in A until the writeback of the token before it releases the bank; with a
    single bank, everything else waits too.

    Members
    -------
    i : stream of :class:`Column`.
    layer_start : pulse before each layer. ``layer`` must be constant while columns come.
    o_valid, o : entries.
    entry, empty, token : what D holds in this cycle.
    pending : a token has passed and its bank is not yet released.
    finished : the layer's last token has passed.
    released : the writeback reads the last row of its bank in this cycle.
    bank : accumulator bank of the vector in D.
    load_en, load_address, load_data : write port, words.
    """
    latency = 2
    o_latency = 2

    def __init__(self, config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(Column(config))),
            "layer": In(LayerFields(config)),
            "layer_start": In(1),
            "released": In(1),
            "o_valid": Out(1),
            "o": Out(FetchedEntry(config)),
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
        next_valid, next_column = Signal(), Signal(Column(config))      # register A
        decode_valid, decode_column = Signal(), Signal(Column(config))  # register D
        empty, first = Signal(), Signal()
        next_position = Signal(config.pointer_width)                # position of the entry after
        last, final, take = Signal(), Signal(), Signal()
        waits = next_column.token if config.acc_banks == 2 else 1

        m.d.comb += [
            self.empty.eq(decode_valid & empty & ~decode_column.token),
            self.token.eq(decode_valid & decode_column.token),
            self.entry.eq(decode_valid & ~empty & ~decode_column.token),
            final.eq(decode_valid & (decode_column.token | empty | last)),
            take.eq(next_valid & (~decode_valid | final)
                    & ~(waits & ((self.pending & ~self.released) | self.token))),
            self.i.ready.eq(~next_valid | take),
        ]
        with m.If(self.i.ready):
            m.d.sync += [next_valid.eq(self.i.valid), next_column.eq(self.i.payload)]
        with m.If(take):
            m.d.sync += [decode_valid.eq(1), decode_column.eq(next_column), first.eq(1),
                         empty.eq(next_column.start == next_column.end)]
        with m.Elif(final):
            m.d.sync += decode_valid.eq(0)
        with m.Elif(decode_valid):
            m.d.sync += [decode_column.start.eq(next_position), first.eq(0)]

        words = self._memory(m, platform, Mux(take, next_column.start, next_position),
                             decode_column.start)
        self._walk(m, next_column, decode_column, take, words, next_position, last)
        self._tokens(m)
        valid, entry = Signal(), Signal.like(self.o)        # beside the registered word
        m.d.sync += [
            valid.eq(self.entry), entry.act.eq(decode_column.act), entry.first.eq(first),
            entry.bank.eq(self.bank),
            self.o_valid.eq(valid), self.o.act.eq(entry.act), self.o.first.eq(entry.first),
            self.o.bank.eq(entry.bank),
        ]
        return m

    def _walk(self, m, next_column, decode_column, take, words, next_position, last):
        """Where the next entry stands, whether there is none, and what this one says."""
        config = self._config
        fixed = [name for name in config.encodings if name != "huffman"]
        if fixed:
            after = Signal.like(next_position)      # position after `decode_column`, registered
            ends = Signal()                     # it is the column's end
            first_after, next_after = (self._after(m, fixed, position, name) for position, name in (
                (next_column.start, "first"), (after, "next")))
            m.d.comb += [next_position.eq(after), last.eq(ends)]
            with m.If(take):
                m.d.sync += [after.eq(first_after), ends.eq(first_after == next_column.end)]
            with m.Else():
                m.d.sync += [after.eq(next_after), ends.eq(next_after == decode_column.end)]
            self._decode_fixed(m, fixed, decode_column, words[0])
        if config.huffman:
            with m.If(self.layer.encoding == ENCODINGS.index("huffman")):
                self._decode_huffman(m, decode_column, words, next_position)
                m.d.comb += last.eq(next_position == decode_column.end)

    def _after(self, m, encodings, position, name):
        """Position of the fixed-length entry after the one at ``position``."""
        config = self._config
        after = Signal(config.pointer_width, name=f"{name}_after")
        place, word = position[:config.place_width], position[config.place_width:]
        wraps = Signal(name=f"{name}_wraps")
        with m.Switch(self.layer.encoding):
            for encoding in encodings:
                with m.Case(ENCODINGS.index(encoding)):
                    m.d.comb += wraps.eq(place == config.slots(encoding) - 1)
        m.d.comb += after.eq(Cat(Mux(wraps, 0, place + 1)[:config.place_width], word + wraps))
        return after

    def _tokens(self, m):
        """Tokens alternate the accumulator banks; the layer's last one finishes it."""
        seen = Signal.like(self.layer.vectors)
        m.d.comb += self.finished.eq(seen == self.layer.vectors)
        with m.If(self.released):
            m.d.sync += self.pending.eq(0)
        with m.If(self.token):
            m.d.sync += [self.pending.eq(1), self.bank.eq(~self.bank), seen.eq(seen + 1)]
        with m.If(self.layer_start):
            m.d.sync += seen.eq(0)

    def _memory(self, m, platform, position, decode_column):
        """The word that ``position`` read a cycle ago and, with two banks, its successor."""
        config = self._config
        banks = 2 if config.huffman else 1
        shift = banks - 1
        word = Signal(config.entry_address_width)
        m.d.comb += word.eq(position[config.place_width:])
        reads = []
        for bank in range(banks):
            reads.append(loaded_memory(
                m, f"bank{bank}", platform, config.word_width, config.entry_depth // banks,
                self.load_en & (self.load_address[:shift] == bank), self.load_address[shift:],
                self.load_data, (word + (1 if bank < shift else 0))[shift:]))
        if banks == 1:
            return reads
        odd = decode_column[config.place_width]
        return [Mux(odd, reads[1], reads[0]), Mux(odd, reads[0], reads[1])]

    def _decode_fixed(self, m, encodings, decode_column, word):
        """Fields of the entry in D into ``o``, by way of a register for the whole word."""
        config = self._config
        word_buffer, place = Signal(config.word_width), Signal(config.place_width)
        m.d.sync += [word_buffer.eq(word), place.eq(decode_column.start)]
        with m.Switch(self.layer.encoding):
            for encoding in encodings:
                with m.Case(ENCODINGS.index(encoding)):
                    width, slots = config.entry_widths[encoding], config.slots(encoding)
                    slot = place[:max(1, (slots - 1).bit_length())]
                    fields = Array(word_buffer[k * width:(k + 1) * width]
                                   for k in range(slots))[slot]
                    payload = self.o.weight if encoding == "csr" else self.o.code
                    m.d.sync += Cat(self.o.run, payload).eq(fields)

    def _decode_huffman(self, m, decode_column, words, next_position):
        config = self._config
        m.submodules.decoder = decoder = HuffmanDecoder(config)
        size, place = 2 * config.max_code_length, decode_column.start[:config.place_width]
        left = Signal(range(config.word_width + 1))         # bits of the word from this place on
        m.d.comb += [
            left.eq(config.word_width - place),
            decoder.window.eq((words[0] << place)[:config.word_width][-size:]
                              | (words[1][-size:] >> left)),
            decoder.tables.eq(self.layer.tables),
            next_position.eq(decode_column.start + decoder.length),
        ]
        run, code = Signal.like(decoder.run), Signal.like(decoder.code)
        m.d.sync += [run.eq(decoder.run), code.eq(decoder.code),
                     self.o.run.eq(run), self.o.code.eq(code)]
