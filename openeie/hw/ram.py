# SPDX-License-Identifier: Apache-2.0
"""Memories, with what synthesis has to know of them."""
from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import memory

__all__ = ["block_memory", "loaded_memory"]

_SMALL_BITS = 4096
_LARGE_BITS = 16384


def block_memory(shape, depth: int, init=()) -> memory.Memory:
    """A memory with synchronous reads that goes to block RAM, unless it is so small that
    synthesis may prefer the LUTs' own memory, where the chip has it (a ROM never is).

    Nothing in the array reads a word in the cycle in which it is written and relies on the
    result; saying so (``no_rw_check``) saves the logic that would emulate one of the answers.
    """
    attrs: dict = {"no_rw_check": 1}
    if len(init) or Shape.cast(shape).width * depth >= _SMALL_BITS:
        attrs["ram_style"] = "block"
    return memory.Memory(shape=shape, depth=depth, init=init, attrs=attrs)


def loaded_memory(m: Module, name: str, platform, shape, depth: int, load_en, load_address,
                  load_data, address) -> Value:
    """A memory that the host writes while nothing reads it; returns the word at ``address``, a
    cycle later.

    Where ``platform.large_ram`` says that the chip has RAMs of one port, a large memory goes to
    them: reading and writing share the address.
    """
    large = getattr(platform, "large_ram", False) \
        and Shape.cast(shape).width * depth > _LARGE_BITS
    mem = memory.Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "huge"}) \
        if large else block_memory(shape, depth)
    m.submodules[name] = mem
    write, read = mem.write_port(), mem.read_port()
    m.d.comb += [write.en.eq(load_en), write.data.eq(load_data)]
    if large:
        shared = Signal.like(read.addr, name=f"{name}_address")
        m.d.comb += [shared.eq(Mux(load_en, load_address, address)),
                     write.addr.eq(shared), read.addr.eq(shared), read.en.eq(~load_en)]
    else:
        m.d.comb += [write.addr.eq(load_address), read.addr.eq(address)]
    return read.data
