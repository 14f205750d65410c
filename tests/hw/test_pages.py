# SPDX-License-Identifier: Apache-2.0
"""The pages of the blocks (``docs/hw``) say what the gateware is: its ports, what it does when."""
import re
import sys
from pathlib import Path

import numpy as np
import openeie
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "hw"
sys.path.insert(0, str(PAGES))

import draw  # noqa: E402
from drawing.traces import TRACES  # noqa: E402
from drawing.worked import INPUTS, program  # noqa: E402

BLOCKS = draw.blocks()
OF_EACH_BLOCK = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
AGAIN = "run: python docs/hw/draw.py"


def page_of(block):
    return (PAGES / f"{block.name}.md").read_text()


def part_of(text, name):
    """What stands in a page between two comments."""
    found = re.findall(f"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", text, re.DOTALL)
    assert len(found) == 1, name
    return found[0]


def test_every_block_has_a_page_and_every_page_a_block():
    assert {path.stem for path in PAGES.glob("*.md")} == {*BLOCKS, "README"}
    assert set(TRACES) == set(draw.LINKS) == set(draw.INSIDES) == set(BLOCKS)


@OF_EACH_BLOCK
def test_a_page_says_why_its_block_is_there(block):
    text = page_of(block)
    assert text.startswith(f"# {block.title}\n")
    assert f"]({block.drawing})" in text
    why = text.partition(")\n\n")[2].partition("\n\n**Timing.** ")[0]
    assert 2 <= len(re.findall(r"[.!?](?:\s|$)", why)) <= 5, why


@OF_EACH_BLOCK
def test_a_port_table_has_every_port_of_the_signature_and_no_other(block):
    """The names and directions are read from the page, and not made anew."""
    told = {}
    for line in part_of(page_of(block), "ports").splitlines()[2:]:
        names, directions = line.split("|")[1:3]
        told |= dict(zip(re.findall(r"`(\w+)`", names), directions.strip().split("<br>"),
                         strict=True))
    members = block.make(draw.ARRAYS[0]).signature.members
    assert told == {name: member.flow.name.lower() + " stream" * member.is_signature
                    for name, member in members.items()}


@OF_EACH_BLOCK
def test_what_is_derived_in_a_page_is_as_it_would_be_now(block):
    """Traces are simulated again."""
    for name, content in draw.parts(block).items():
        assert part_of(page_of(block), name) == content, f"{name}: {AGAIN}"


def test_the_index_is_as_it_would_be_now():
    text = (PAGES / "README.md").read_text()
    for name, content in draw.index_parts().items():
        assert part_of(text, name) == content, f"{name}: {AGAIN}"


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_every_link_leads_somewhere(path):
    """A file; in it the name that the link shows, or the heading that it names."""
    links = re.findall(r"\[([^\]]*)\]\(([^)#]+)(#[^)]+)?\)", path.read_text())
    assert links
    for label, target, anchor in links:
        file = path.parent / target
        assert file.is_file(), f"{target} of {label}"
        name = label.strip("`")
        if file.suffix == ".py" and name != file.name:
            assert re.search(rf"^\s*(def|class) {name}\b|^{name} = ", file.read_text(),
                             re.MULTILINE), f"{name} in {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor[1:] in [line.lower().replace(" ", "-") for line in headings], anchor


def test_drawings_are_what_the_script_draws():
    drawn = draw.drawings()
    assert {path.name for path in PAGES.glob("*.svg")} == set(drawn)
    for name, canvas in drawn.items():
        assert (PAGES / name).read_text() == canvas.render(), f"{name}: {AGAIN}"


def test_no_text_of_a_drawing_touches_another_or_leaves_the_page():
    for name, canvas in draw.drawings().items():
        assert not canvas.overlaps(), name


def test_the_traced_accelerator_computes_what_the_other_engines_do():
    """Four outputs, then the layer's cycles, come out of its read port."""
    rows = [line.split("|") for line in part_of(page_of(BLOCKS["accelerator"]),
                                                "trace").splitlines()]
    column = [cell.strip() for cell in rows[0]].index("`o_read`")
    answers = [int(row[column]) for row in rows[2:] if row[column].strip()]
    golden, fast = (openeie.simulate(program(), np.array([INPUTS]), engine=engine)
                    for engine in ("golden", "fast"))
    assert answers == [*golden.outputs[0], *fast.cycles]
