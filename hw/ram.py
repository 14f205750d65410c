# SPDX-License-Identifier: Apache-2.0
"""Memories, with what synthesis has to know of them."""
from amaranth.hdl import Shape
from amaranth.lib import memory

__all__ = ["block_memory"]

_SMALL_BITS = 4096


def block_memory(shape, depth: int, init=()) -> memory.Memory:
    """A memory with synchronous reads that goes to block RAM, unless it is so small that
    synthesis may prefer the LUTs' own memory, where the chip has it.

    Nothing in the array reads a word in the cycle in which it is written and relies on the
    result; saying so (``no_rw_check``) saves the logic that would emulate one of the answers.
    """
    attrs: dict = {"no_rw_check": 1}
    if Shape.cast(shape).width * depth >= _SMALL_BITS:
        attrs["ram_style"] = "block"
    return memory.Memory(shape=shape, depth=depth, init=init, attrs=attrs)
