# SPDX-License-Identifier: Apache-2.0
"""What the bitstream says of itself (``Identity`` of ``core/array/link_frames.py``)."""
from collections.abc import Iterable

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ram import block_memory

__all__ = ["IdentityMemory"]


class IdentityMemory(wiring.Component):
    """Read-only words of 32 bits, read byte by byte. Beyond the last word it reads 0.

    Latency: a byte follows its address by ``latency`` cycles. Throughput: one byte a cycle.

    Parameters
    ----------
    words : 1 to 256 unsigned words.

    Members
    -------
    address, byte : which word, and which byte of it; a word's bytes 4 to 7 are 0.
    data : the byte.

    Raises
    ------
    ValueError : another number of words, or a word that does not fit 32 bits.
    """
    latency = 2

    def __init__(self, words: Iterable[int]):
        words = list(words)
        if not 0 < len(words) <= 256:
            raise ValueError(f"an identity has 1 to 256 words, not {len(words)}")
        for word in words:
            if not 0 <= word < 1 << 32:
                raise ValueError(f"an identity's words have 32 bits, not {word!r}")
        self._words = words
        super().__init__({"address": In(32), "byte": In(3), "data": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        content = b"".join(word.to_bytes(4, "little") for word in self._words)
        depth = 1 << (len(content) - 1).bit_length()
        m.submodules.bytes = memory = block_memory(8, depth, content)
        read = memory.read_port()
        index = Cat(self.byte[:2], self.address)
        is_beyond = Signal()
        m.d.comb += read.addr.eq(index)
        m.d.sync += [
            is_beyond.eq(self.byte[2] | index[len(read.addr):].any()),
            self.data.eq(Mux(is_beyond, 0, read.data)),
        ]
        return m
