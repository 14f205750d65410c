# SPDX-License-Identifier: Apache-2.0
"""Entry reader: walks a column's entries in memory, one a cycle (EIE's sparse-matrix read)."""
from amaranth import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ENCODINGS, ArrayConfig
from .huffman import HuffmanDecoder
from .ram import loaded_memory
from .structs import Column, FetchedEntry, LayerFields

__all__ = ["EntryReader"]


class EntryReader(wiring.Component):
    """Reads the entries ``start`` .. ``end`` of each column that it is given, one entry a cycle.

    Two registers: ``next_column`` holds the column that waits, ``decode_column`` the one that is
    being decoded. A column leaves ``next_column`` in cycle S, which reads its first word. One entry
    is decoded in each of the cycles S + 1, S + 2, ..., whatever the encoding. A column without
    entries, or a token, occupies ``decode_column`` for one cycle. The next column comes in the
    cycle of the last entry, so columns follow one another without a gap.

    Latency 2 from ``i`` to ``decode_column``. ``o`` follows 2 cycles later: first the word is
    registered, then the entry is cut out of it. ``o`` cannot be stalled.

    Positions of fixed-length entries are computed one entry ahead, so that neither the memory's
    address nor the end of the column waits for them.

    In ``huffman`` an entry may straddle two words. The memory then has even and odd banks, and a
    word and its successor are read together. The position feeds back through the decoder and the
    memory's address in one cycle, which bounds the clock of an array with that encoding.

    A token waits in ``next_column`` until the writeback of the token before it releases the
    accumulator bank; with a single bank, every column waits too.

    Members
    -------
    i : stream of :class:`Column`.
    layer : constant while columns come.
    layer_start : pulse before each layer.
    released : the writeback reads the last row of its bank in this cycle.
    o_valid, o : :class:`FetchedEntry`.
    entry, empty, token : what ``decode_column`` is in this cycle: a column's entry, a column
        without entries, a token.
    pending : a token has passed and its bank is not yet released.
    finished : the layer's last token has passed.
    bank : accumulator bank of the vector that is being decoded.
    load_en, load_address, load_data : write port, one word of ``word_width`` bits.
    """
    latency = 2
    o_latency = 2

    def __init__(self, config: ArrayConfig):
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        next_valid = Signal()
        next_column = Signal(Column(config))
        decode_valid = Signal()
        decode_column = Signal(Column(config))      # `start` is the current entry's position
        is_empty = Signal()
        is_first = Signal()
        next_position = Signal(config.pointer_width)        # of the entry after this one
        is_last = Signal()
        final = Signal()            # this is the last cycle of decode_column
        take = Signal()             # next_column moves into decode_column

        bank_is_busy = (self.pending & ~self.released) | self.token
        waits = next_column.token if config.acc_banks == 2 else 1
        m.d.comb += [
            self.empty.eq(decode_valid & is_empty & ~decode_column.token),
            self.token.eq(decode_valid & decode_column.token),
            self.entry.eq(decode_valid & ~is_empty & ~decode_column.token),
            final.eq(decode_valid & (decode_column.token | is_empty | is_last)),
            take.eq(next_valid & (~decode_valid | final) & ~(waits & bank_is_busy)),
            self.i.ready.eq(~next_valid | take),
        ]
        with m.If(self.i.ready):
            m.d.sync += next_valid.eq(self.i.valid)
            m.d.sync += next_column.eq(self.i.payload)
        with m.If(take):
            m.d.sync += [
                decode_valid.eq(1),
                decode_column.eq(next_column),
                is_first.eq(1),
                is_empty.eq(next_column.start == next_column.end),
            ]
        with m.Elif(final):
            m.d.sync += decode_valid.eq(0)
        with m.Elif(decode_valid):
            m.d.sync += decode_column.start.eq(next_position)
            m.d.sync += is_first.eq(0)

        words = self._memory(m, platform, Mux(take, next_column.start, next_position),
                             decode_column.start)
        self._walk(m, next_column, decode_column, take, words, next_position, is_last)
        self._tokens(m)
        # What goes along with the word while it is registered and the entry is cut out.
        word_valid = Signal()
        word_entry = Signal.like(self.o)
        m.d.sync += [
            word_valid.eq(self.entry),
            word_entry.act.eq(decode_column.act),
            word_entry.first.eq(is_first),
            word_entry.bank.eq(self.bank),
            self.o_valid.eq(word_valid),
            self.o.act.eq(word_entry.act),
            self.o.first.eq(word_entry.first),
            self.o.bank.eq(word_entry.bank),
        ]
        return m

    def _walk(self, m: Module, next_column: data.View, decode_column: data.View, take: Value,
              words: list[Value], next_position: Value, is_last: Value) -> None:
        """Where the next entry is, whether this one is the column's last, and what it says."""
        config = self._config
        fixed = [name for name in config.encodings if name != "huffman"]
        if fixed:
            after = Signal.like(next_position)      # position after the current entry
            is_end = Signal()                       # it is the end of the column
            first_after = self._after(m, fixed, next_column.start, "first")
            next_after = self._after(m, fixed, after, "next")
            m.d.comb += next_position.eq(after)
            m.d.comb += is_last.eq(is_end)
            with m.If(take):
                m.d.sync += after.eq(first_after)
                m.d.sync += is_end.eq(first_after == next_column.end)
            with m.Else():
                m.d.sync += after.eq(next_after)
                m.d.sync += is_end.eq(next_after == decode_column.end)
            self._decode_fixed(m, fixed, decode_column, words[0])
        if config.huffman:
            with m.If(self.layer.encoding == ENCODINGS.index("huffman")):
                self._decode_huffman(m, decode_column, words, next_position)
                m.d.comb += is_last.eq(next_position == decode_column.end)

    def _after(self, m: Module, encodings: list[str], position: Value, name: str) -> Signal:
        """Position of the fixed-length entry after the one at ``position``."""
        config = self._config
        after = Signal(config.pointer_width, name=f"{name}_after")
        wraps = Signal(name=f"{name}_wraps")        # it is in the next word
        place = position[:config.place_width]
        word = position[config.place_width:]
        with m.Switch(self.layer.encoding):
            for encoding in encodings:
                with m.Case(ENCODINGS.index(encoding)):
                    m.d.comb += wraps.eq(place == config.slots(encoding) - 1)
        next_place = Mux(wraps, 0, place + 1)[:config.place_width]
        m.d.comb += after.eq(Cat(next_place, word + wraps))
        return after

    def _tokens(self, m: Module) -> None:
        """Tokens alternate the accumulator banks; the layer's last one finishes it."""
        seen = Signal.like(self.layer.vectors)
        m.d.comb += self.finished.eq(seen == self.layer.vectors)
        with m.If(self.released):
            m.d.sync += self.pending.eq(0)
        with m.If(self.token):
            m.d.sync += self.pending.eq(1)
            m.d.sync += self.bank.eq(~self.bank)
            m.d.sync += seen.eq(seen + 1)
        with m.If(self.layer_start):
            m.d.sync += seen.eq(0)

    def _memory(self, m: Module, platform: object, position: Value,
                decode_start: Value) -> list[Value]:
        """The word that ``position`` asked for a cycle ago and, with two banks, its successor.

        ``decode_start`` is that position, one cycle later.
        """
        config = self._config
        banks = 2 if config.huffman else 1
        shift = banks - 1
        word = Signal(config.entry_address_width)
        m.d.comb += word.eq(position[config.place_width:])
        reads = []
        for bank in range(banks):
            # Of an odd word, the successor is the next word of the even bank.
            address = (word + int(bank < shift))[shift:]
            reads.append(loaded_memory(
                m, f"bank{bank}", platform, config.word_width, config.entry_depth // banks,
                self.load_en & (self.load_address[:shift] == bank), self.load_address[shift:],
                self.load_data, address))
        if banks == 1:
            return reads
        odd = decode_start[config.place_width]
        return [Mux(odd, reads[1], reads[0]), Mux(odd, reads[0], reads[1])]

    def _decode_fixed(self, m: Module, encodings: list[str], decode_column: data.View,
                      word: Value) -> None:
        """Fields of the current entry into ``o``, by way of a register for the whole word."""
        config = self._config
        word_buffer = Signal(config.word_width)
        place = Signal(config.place_width)
        m.d.sync += word_buffer.eq(word)
        m.d.sync += place.eq(decode_column.start)
        with m.Switch(self.layer.encoding):
            for encoding in encodings:
                with m.Case(ENCODINGS.index(encoding)):
                    width = config.entry_widths[encoding]
                    slots = config.slots(encoding)
                    entries = Array(word_buffer.word_select(k, width) for k in range(slots))
                    slot = place[:max(1, (slots - 1).bit_length())]
                    payload = self.o.weight if encoding == "csr" else self.o.code
                    m.d.sync += Cat(self.o.run, payload).eq(entries[slot])

    def _decode_huffman(self, m: Module, decode_column: data.View, words: list[Value],
                        next_position: Value) -> None:
        """Ranks of the current entry into ``o``, and where the next entry begins."""
        config = self._config
        m.submodules.decoder = decoder = HuffmanDecoder(config)
        size = 2 * config.max_code_length
        place = decode_column.start[:config.place_width]
        left = Signal(range(config.word_width + 1))         # bits of the word from here on
        upper = (words[0] << place)[:config.word_width][-size:]
        lower = words[1][-size:] >> left
        m.d.comb += [
            left.eq(config.word_width - place),
            decoder.window.eq(upper | lower),
            decoder.tables.eq(self.layer.tables),
            next_position.eq(decode_column.start + decoder.length),
        ]
        run = Signal.like(decoder.run)
        code = Signal.like(decoder.code)
        m.d.sync += [
            run.eq(decoder.run),
            code.eq(decoder.code),
            self.o.run.eq(run),
            self.o.code.eq(code),
        ]
