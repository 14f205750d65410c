# SPDX-License-Identifier: Apache-2.0
"""Whatever the pages name is there: files, folders, links with their headings, dotted names."""
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: What these say of names is of their time.
HISTORY = ("CHANGELOG.md", "decisions.md")
PRESENT = [page for page in PAGES if page.name not in HISTORY]

LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"(?<![\w./~-])((?:openeie|tests|benchmarks|docs)/[\w./*-]*[\w/*])")
NAME = re.compile(r"\bopeneie(?:\.[A-Za-z_]\w*)+")


def labelled(path):
    return str(path.relative_to(ROOT))


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def is_there(dotted):
    """Whether a dotted name is a module, or what getattr finds from the last module on."""
    words = dotted.split(".")
    for end in range(len(words), 0, -1):
        try:
            found = importlib.import_module(".".join(words[:end]))
        except ModuleNotFoundError:
            continue
        for word in words[end:]:
            if not hasattr(found, word):
                return False
            found = getattr(found, word)
        return True
    return False


def test_the_index_has_every_page():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve()
              for target in LINK.findall(index.read_text())}
    assert set((ROOT / "docs").glob("*.md")) - {index} <= linked


@pytest.mark.parametrize("page", PAGES, ids=labelled)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), f"{labelled(page)}: {target}"
        assert not anchor or anchor in anchors(path.read_text()), f"{labelled(page)}: {target}"


@pytest.mark.parametrize("page", PRESENT, ids=labelled)
def test_files_that_a_page_names_are_there(page):
    for named in FILE.findall(page.read_text()):
        assert list(ROOT.glob(named.rstrip("/"))), f"{labelled(page)}: {named}"


@pytest.mark.parametrize("page", PRESENT, ids=labelled)
def test_modules_and_functions_that_a_page_names_are_there(page):
    for named in NAME.findall(page.read_text()):
        assert is_there(named), f"{labelled(page)}: {named}"


def test_what_is_not_there_is_noticed():
    assert FILE.findall("see `openeie/core/nowhere.py`.") == ["openeie/core/nowhere.py"]
    assert not FILE.findall("~/.cache/openeie/rtl build/openeie/x /openeie/y")
    assert is_there("openeie.core.errors.InputError") and not is_there("openeie.core.nowhere")
    assert anchors("## The networks, of `X`\n") == {"the-networks-of-x"}
