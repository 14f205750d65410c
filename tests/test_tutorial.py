# SPDX-License-Identifier: Apache-2.0
"""The tutorial and the page of the Python interface print what they say they print."""
import doctest
import re
from pathlib import Path

import openeie
import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
PYTHON = PAGE.with_name("python.md")


def run(text, page=PAGE):
    """The examples of a page in one namespace, in order: failed, attempted and what was said."""
    # A fence after an output would be taken as part of it; lines keep their numbers.
    text = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    said: list[str] = []
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return result.failed, result.attempted, "".join(said)


def test_every_output_is_as_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, attempted, said = run(PAGE.read_text())
    assert not failed, said
    assert attempted == PAGE.read_text().count("\n>>> ") > 25
    assert (tmp_path / "small.eie").is_file()


def test_the_python_page_is_as_shown():
    failed, attempted, said = run(PYTHON.read_text(), PYTHON)
    assert not failed, said
    assert attempted == PYTHON.read_text().count("\n>>> ") > 10


def test_every_name_in_the_python_pages_table_is_public():
    rows = [line for line in PYTHON.read_text().splitlines() if line.startswith("| ")][2:]
    names = re.findall(r"`([\w.()]+)`", "".join(rows))
    assert len(names) > 25
    for name in names:
        assert name.partition(".")[0] in openeie.__all__, name


@pytest.mark.parametrize("line, wrong", [("(64, 7), True", "(64, 7), False"),
                                         ("queue_depth must be", "queue_depth may be")])
def test_another_output_is_noticed(tmp_path, monkeypatch, line, wrong):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text().partition("## Energy")[0]
    assert line in text
    failed, _, said = run(text.replace(line, wrong))
    assert failed == 1 and wrong in said
