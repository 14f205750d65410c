# SPDX-License-Identifier: Apache-2.0
"""Canonical Huffman decoding of one entry: run, then code (Deep Compression, section 4)."""
from amaranth import Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from .structs import TABLE_LAYOUT

__all__ = ["HuffmanDecoder"]


class HuffmanDecoder(wiring.Component):
    """Decodes the entry at the top of ``window``. Combinational: latency 0, one entry a cycle.

    A codeword's length is the smallest l whose ``limit`` lies above the window. The codewords of
    one length are consecutive numbers, so adding that length's ``offset`` gives the rank of the
    symbol. Ranks address the codebook (stored in rank order) and the run-symbol table.

    A window that begins no codeword decodes at the greatest length, so the reader always moves on.

    Members
    -------
    window : the next 2 x ``max_code_length`` bits, first bit at the top.
    tables : decoding tables, element l - 1 for length l.
    run, code : ranks.
    length : bits of both codewords together.
    """
    def __init__(self, config: ArrayConfig):
        self._config = config
        longest = config.max_code_length
        super().__init__({
            "window": In(2 * longest),
            "tables": In(data.ArrayLayout(TABLE_LAYOUT, longest)),
            "run": Out(config.run_width),
            "code": Out(config.code_width),
            "length": Out(range(2 * longest + 1)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        longest = self._config.max_code_length
        run_length = self._codeword(m, "run", self.window[longest:], self.run)
        after_run = Signal(longest)
        with m.Switch(run_length):
            for length in range(1, longest + 1):
                with m.Case(length):
                    m.d.comb += after_run.eq(self.window[longest - length:2 * longest - length])
        code_length = self._codeword(m, "code", after_run, self.code)
        m.d.comb += self.length.eq(run_length + code_length)
        return m

    def _codeword(self, m: Module, field: str, window: Value, rank: Signal) -> Signal:
        """Decode one codeword into ``rank``; returns its length."""
        longest = self._config.max_code_length
        below = Signal(longest, name=f"{field}_below")
        length = Signal(range(longest + 1), init=longest, name=f"{field}_length")
        for number in range(longest):
            limit = self.tables[number][f"{field}_limit"][:longest + 1]
            m.d.comb += below[number].eq(window < limit)
        # Limits rise with the length, so the first one above the window is the right one.
        for number in range(longest):
            bits = number + 1
            is_length = below[number] if bits < longest else Const(1)
            offset = self.tables[number][f"{field}_offset"]
            branch = m.If if number == 0 else m.Elif
            with branch(is_length):
                m.d.comb += length.eq(bits)
                m.d.comb += rank.eq(window[longest - bits:] + offset)
        return length
