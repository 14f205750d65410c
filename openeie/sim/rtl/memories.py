# SPDX-License-Identifier: Apache-2.0
"""Where the words of load records lie in a verilated array, for ``direct.h``."""
import re
from pathlib import Path
from typing import NamedTuple

from ...core.array.config import ArrayConfig, half_rows
from ...core.array.load_port import Target
from ...core.errors import ToolError

__all__ = ["Place", "places", "write_places"]


class Place(NamedTuple):
    """The words of one target in one memory.

    target : whose addresses these are.
    member : end of the memory's name in Verilator's header; "." is between a block and its parts.
    banks, bank : word ``address`` is in this memory if ``address % banks == bank``.
    first : row of address 0.
    rows : rows that an address can reach, 0 for those that are left from ``first`` on.
    signed : the read port extends the sign.
    """
    target: Target
    member: str
    banks: int = 1
    bank: int = 0
    first: int = 0
    rows: int = 0
    signed: bool = False

    @property
    def in_pe(self) -> bool:
        """Whether each PE has such a memory, or the sequencer has the only one."""
        return self.member.startswith("blocks.")


def places(config: ArrayConfig) -> list[Place]:
    """All memories behind the load and read ports."""
    entry_banks = 2 if config.huffman else 1
    half = half_rows(config)
    acts = "blocks.activations.acts"
    found = [
        Place(Target.DESCRIPTOR, "sequencer.descriptors"),
        *(Place(Target.ENTRY, f"blocks.entries.bank{bank}", entry_banks, bank)
          for bank in range(entry_banks)),
        *(Place(Target.POINTER, f"blocks.pointers.bank{bank}", 2, bank) for bank in range(2)),
        Place(Target.CHANNEL, "blocks.writeback.channels"),
        Place(Target.ACT_A, acts, rows=half, signed=True),
        Place(Target.ACT_B, acts, first=half, signed=True),
        Place(Target.COUNTER, "blocks.counters.counts"),
        Place(Target.CYCLES, "sequencer.cycles"),
    ]
    if config.encodings != ("csr",):
        found.append(Place(Target.CODEBOOK, "blocks.codebook.weights"))
    if config.huffman:
        found.append(Place(Target.RUN_SYMBOL, "blocks.codebook.runs"))
    return found


def write_places(found: list[Place], pes: int, folder: Path) -> None:
    """Write ``places.h`` beside the headers that Verilator wrote to ``folder``.

    Raises
    ------
    ToolError : a memory is not in them.
    """
    in_pe = (folder / "Vopeneie_openeie_pe.h").read_text()
    in_top = (folder / "Vopeneie___024root.h").read_text()
    rows = {True: [], False: []}            # type: dict[bool, list[str]]
    for place in found:
        member, width = _member(in_pe if place.in_pe else in_top, place.member)
        rows[place.in_pe].append(
            f"    PLACE({int(place.target)}, {place.banks}, {place.bank}, {member}, {width}, "
            f"{place.first}, {place.rows}, {int(place.signed)})")
    crc = re.search(r"\b(openeie__DOT__accelerator__DOT__loader__DOT__crc\w*__DOT__crc_reg);",
                    in_top)
    if crc is None:
        raise ToolError("Verilator's output has no register for the loader's CRC; "
                        "sim/rtl/memories.py must follow its names")
    inside = "TOP__openeie__DOT__accelerator__DOT__array__DOT__"
    pe_rows = [f"    PE({number}, {inside}pe{number}__DOT__pe)" for number in range(pes)]
    lines = ["// Made by sim/rtl/memories.py from the names that Verilator gave.",
             _macro("OPENEIE_PES(PE)", pe_rows),
             _macro("OPENEIE_PE_PLACES(PLACE)", rows[True]),
             _macro("OPENEIE_TOP_PLACES(PLACE)", rows[False]),
             f"#define OPENEIE_CRC {crc[1]}", ""]
    (folder / "places.h").write_text("\n".join(lines))


def _member(header: str, name: str) -> tuple[str, int]:
    """The C++ name of a memory, and the bits of its words."""
    end = "__DOT__".join(map(re.escape, name.split(".")))
    found = re.findall(rf"VlUnpacked<\wData/\*(\d+):0\*/, \d+> (\w*{end}(?:__024\d+)?);",
                       header)
    if len(found) != 1:
        raise ToolError(f"Verilator's output has {len(found)} memories that could be {name}, "
                        f"instead of one; sim/rtl/memories.py must follow its names")
    (top, member), = found
    return member, int(top) + 1


def _macro(head: str, lines: list[str]) -> str:
    return " \\\n".join([f"#define {head}", *lines])
