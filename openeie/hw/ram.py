# SPDX-License-Identifier: Apache-2.0
"""Memories, with what synthesis has to know of them."""
from amaranth import Module, Mux, Shape, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import memory

__all__ = ["block_memory", "loaded_memory"]

_SMALL_BITS = 4096
_LARGE_BITS = 16384


def block_memory(shape: ShapeLike, depth: int, init: bytes | list[int] = b"") -> memory.Memory:
    """A memory of ``depth`` words with synchronous reads, for block RAM.

    A memory of less than ``_SMALL_BITS`` may go to the LUTs' own memory instead, where the chip
    has it, if synthesis prefers that; a ROM (with ``init``) may not.

    Nothing in the array reads a word in the cycle in which it is written and relies on the
    result. Saying so (``no_rw_check``) saves the logic that would emulate one of the answers.
    """
    attrs: dict[str, int | str] = {"no_rw_check": 1}
    if len(init) or Shape.cast(shape).width * depth >= _SMALL_BITS:
        attrs["ram_style"] = "block"
    return memory.Memory(shape=shape, depth=depth, init=init, attrs=attrs)


def loaded_memory(m: Module, name: str, platform: object, shape: ShapeLike, depth: int,
                  load_en: Value, load_address: Value, load_data: Value, address: Value) -> Value:
    """The word at ``address``, a cycle later, of a memory that the host writes between runs.

    Where ``platform.large_ram`` says that the chip has large RAMs of one port, a memory of more
    than ``_LARGE_BITS`` goes to them. Then reading and writing share the address, which is all
    right because nothing reads while the host writes.
    """
    is_large = (getattr(platform, "large_ram", False)
                and Shape.cast(shape).width * depth > _LARGE_BITS)
    if is_large:
        words = memory.Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "huge"})
    else:
        words = block_memory(shape, depth)
    m.submodules[name] = words
    write = words.write_port()
    read = words.read_port()
    m.d.comb += write.en.eq(load_en)
    m.d.comb += write.data.eq(load_data)
    if is_large:
        shared = Signal.like(read.addr, name=f"{name}_address")
        m.d.comb += [
            shared.eq(Mux(load_en, load_address, address)),
            write.addr.eq(shared),
            read.addr.eq(shared),
            read.en.eq(~load_en),
        ]
    else:
        m.d.comb += write.addr.eq(load_address)
        m.d.comb += read.addr.eq(address)
    return read.data
