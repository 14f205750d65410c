# SPDX-License-Identifier: Apache-2.0
"""A board's top level as Verilog, and the blocks and memories in it."""
import re
from dataclasses import dataclass

from amaranth.back import rtlil

from ..core.array.config import ArrayConfig
from ..hw.emit import to_verilog
from .board import Board

__all__ = ["Gateware", "generate"]

_MEMINIT = re.compile(r"^ *cell \$meminit\S* .*\n(?:.*\n)*?^ *end\n", re.MULTILINE)
_ZEROS = re.compile(r"connect \\DATA \d+'0+$", re.MULTILINE)
_MODULE = re.compile(r"^module \\(\S+)$")
_MEMORY = re.compile(r"^ *memory width (\d+) size (\d+) (?:offset \d+ )?\\(\S+)$")


@dataclass(frozen=True, kw_only=True)
class Gateware:
    """What a build starts from.

    Attributes
    ----------
    verilog : of module ``top``. It depends on the sources alone: no paths, no dates.
    blocks : names of all blocks as they are after flattening, for example
        ``accelerator.array.pe0.queue``; the top itself is ``""``.
    memories : bits of each memory, by its name after flattening.
    """
    verilog: str
    blocks: frozenset[str]
    memories: dict[str, int]

    def block_of(self, cell: str) -> str:
        """The innermost block that a synthesised cell's or net's name stands for."""
        parts = cell.split(".")
        for length in range(len(parts), 0, -1):
            if (name := ".".join(parts[:length])) in self.blocks:
                return name
        return "top"


def generate(board: Board, config: ArrayConfig, *, pll: bool = True) -> Gateware:
    """Verilog of :class:`openeie.boards.top.BoardTop`, with or without its PLL.

    Memories that would start as zeros start undefined: nothing relies on it, and large RAMs
    cannot be initialised.
    """
    from .top import BoardTop
    text = rtlil.convert(BoardTop(board, config, pll=pll), name="top", emit_src=False,
                         platform=board)
    text = _MEMINIT.sub(lambda cell: "" if _ZEROS.search(cell[0]) else cell[0], text)
    blocks, memories = _hierarchy(text)
    return Gateware(verilog=to_verilog(text), blocks=blocks, memories=memories)


def _hierarchy(text: str) -> tuple[frozenset[str], dict[str, int]]:
    """Amaranth names a module after its place in the hierarchy, as flattening does."""
    sizes, blocks, block = {}, set(), ""
    for line in text.splitlines():
        if found := _MODULE.match(line):
            block = found[1].removeprefix("top").lstrip(".")
            blocks.add(block)
        elif found := _MEMORY.match(line):
            sizes[f"{block}.{found[3]}".lstrip(".")] = int(found[1]) * int(found[2])
    return frozenset(blocks), sizes
