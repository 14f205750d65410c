# SPDX-License-Identifier: Apache-2.0
"""Draws the pages of the gateware's blocks: run it as ``python docs/hw/draw.py``.

It writes the SVGs beside this file and, between two comments in a block's page, what can be
derived: its links, its ports and a trace. Everything else in a page is written by hand.
"""
import re
from pathlib import Path

from drawing.array_picture import draw_array
from drawing.blocks import Block, blocks
from drawing.insides import INSIDES
from drawing.links import LINKS, cells, link_line
from drawing.ports import ARRAYS, port_table, ports_of, struct_table
from drawing.sketch import draw_block
from drawing.svg import Canvas
from drawing.traces import TRACES

__all__ = ["ARRAYS", "INSIDES", "LINKS", "blocks", "drawings", "filled", "index_parts", "main",
           "parts"]

HERE = Path(__file__).resolve().parent


def drawings() -> dict[str, Canvas]:
    """All pictures by file name."""
    found = {"array.svg": draw_array()}
    for name, block in blocks().items():
        found[block.drawing] = draw_block(block.title, ports_of(block), INSIDES[name])
    return found


def parts(block: Block) -> dict[str, str]:
    """What is derived in a block's page, by the name in the comments around it."""
    return {"links": link_line(block),
            "ports": port_table(block.component, ports_of(block)),
            "trace": TRACES[block.name]().table()}


def index_parts() -> dict[str, str]:
    """What is derived in the index."""
    found = blocks()
    tables = {}
    for part, folder in (("array", "openeie/hw"), ("link", "openeie/hw/link")):
        lines = ["| block | golden function | gateware | simulator model | test |",
                 "| --- | --- | --- | --- | --- |"]
        for name in LINKS:
            block = found[name]
            if block.folder == folder:
                page = f"[{block.title}]({name}.md)"
                lines.append("| " + " | ".join((page, *cells(block))) + " |")
        tables[f"blocks of the {part}"] = "\n".join(lines)
    return tables | {"structs": struct_table()}


def filled(text: str, contents: dict[str, str]) -> str:
    """A page with the text between its comments replaced."""
    for name, content in contents.items():
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert len(pattern.findall(text)) == 1, f"a page has one place for its {name}"
        text = pattern.sub(lambda found, content=content: found[1] + content + "\n" + found[2],
                           text)
    return text


def main() -> None:
    """Write everything."""
    for name, canvas in drawings().items():
        (HERE / name).write_text(canvas.render())
    for name, block in blocks().items():
        page = HERE / f"{name}.md"
        page.write_text(filled(page.read_text(), parts(block)))
    index = HERE / "README.md"
    index.write_text(filled(index.read_text(), index_parts()))


if __name__ == "__main__":
    main()
