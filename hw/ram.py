# SPDX-License-Identifier: Apache-2.0
"""Memories, with what synthesis has to know of them."""
from amaranth.lib import memory

__all__ = ["block_memory"]


def block_memory(shape, depth: int, init=()) -> memory.Memory:
    """A memory with synchronous reads that goes to block RAM.

    Nothing in the array reads a word in the cycle in which it is written and relies on the
    result; saying so (``no_rw_check``) saves the logic that would emulate one of the answers.
    """
    return memory.Memory(shape=shape, depth=depth, init=init,
                         attrs={"ram_style": "block", "no_rw_check": 1})
