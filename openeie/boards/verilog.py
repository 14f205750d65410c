# SPDX-License-Identifier: Apache-2.0
"""A board's top level as Verilog, with its blocks and memories."""
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
    """The generated design that a build starts from.

    Attributes
    ----------
    verilog : text of module ``top``. It depends on the sources only: it has no paths or dates.
    blocks : hierarchical names of all blocks after flattening, such as
        ``accelerator.array.pe0.queue``; the top level is ``""``.
    memories : bits of each memory, under its hierarchical name.
    """
    verilog: str
    blocks: frozenset[str]
    memories: dict[str, int]

    def block_of(self, cell: str) -> str:
        """The innermost block that contains a synthesised cell or net, by its name."""
        parts = cell.split(".")
        for length in range(len(parts), 0, -1):
            if (name := ".".join(parts[:length])) in self.blocks:
                return name
        return "top"


def generate(board: Board, config: ArrayConfig, *, pll: bool = True) -> Gateware:
    """Generate the Verilog of :class:`openeie.boards.top.BoardTop`, with or without its PLL.

    Initial values of zero are removed from memories, as large RAMs cannot be initialised. The
    design does not rely on them.
    """
    from .top import BoardTop
    text = rtlil.convert(BoardTop(board, config, pll=pll), name="top", emit_src=False,
                         platform=board)
    text = _MEMINIT.sub(lambda cell: "" if _ZEROS.search(cell[0]) else cell[0], text)
    blocks, memories = _hierarchy(text)
    return Gateware(verilog=to_verilog(text), blocks=blocks, memories=memories)


def _hierarchy(text: str) -> tuple[frozenset[str], dict[str, int]]:
    """Blocks and memory sizes in RTLIL. Amaranth's module names are the hierarchical names that
    flattening gives, too."""
    sizes: dict[str, int] = {}
    blocks: set[str] = set()
    block = ""
    for line in text.splitlines():
        if found := _MODULE.match(line):
            block = found[1].removeprefix("top").lstrip(".")
            blocks.add(block)
        elif found := _MEMORY.match(line):
            sizes[f"{block}.{found[3]}".lstrip(".")] = int(found[1]) * int(found[2])
    return frozenset(blocks), sizes
