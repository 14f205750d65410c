# SPDX-License-Identifier: Apache-2.0
"""The README is short and its figures are measured; the Python and the commands of it and of the
pages behind it are there and run as typed."""
import re
import shlex
from pathlib import Path

import numpy as np
import openeie
import pytest
import typer
from openeie.cli import app
from openeie.sw.data.mnist import demo_images

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
#: Its Python runs from an empty folder.
TOUR = ROOT / "docs" / "tour.md"
#: Pages with commands.
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text, language=""):
    """The contents of the fenced blocks of a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in fenced if name == language]


def run(text, folder, monkeypatch):
    """What the Python of a page leaves behind; its blocks follow on one another."""
    monkeypatch.chdir(folder)
    names: dict = {"__name__": "__main__"}
    for block in blocks(text, "python"):
        exec(compile(block, TOUR.name, "exec"), names)
    return names


def commands(text):
    """The lines of a page's blocks that start with ``openeie``, as words; ``\\`` joins lines."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("openeie "):
                yield shlex.split(line, comments=True)[1:]


def table_below(text, marker):
    """The cells of the table below a marker, without its head."""
    lines = text.partition(marker)[2].strip().partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_readme_fits_three_screens():
    assert len(README.read_text().split()) < 900


def test_the_python_runs_as_typed(tmp_path, monkeypatch):
    names = run(TOUR.read_text(), tmp_path, monkeypatch)
    assert isinstance(names["run"], openeie.Run) and len(names["run"].cycles)
    for path in tmp_path.glob("*.eie"):
        openeie.load(path)


def test_every_option_of_every_command_exists():
    verbs = typer.main.get_command(app)
    seen = dict.fromkeys(PAGES, 0)
    for page in PAGES:
        for words in commands(page.read_text()):
            command, rest = verbs, words
            while hasattr(command, "commands"):
                command, rest = command.commands[rest[0]], rest[1:]
            command = command.load()
            known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
            given = {word.partition("=")[0] for word in rest if word.startswith("-")}
            assert given <= known, f"{page.name}: openeie {shlex.join(words)}"
            seen[page] += 1
    assert seen[README] >= 6 and seen[TOUR] > 15


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "results.md"], ids=lambda page: page.name)
def test_the_demos_figures_are_measured(page):
    """What is kept and the size, from the file; cycles from ``fast`` on the demo's images."""
    rows = table_below(page.read_text(), "<!-- openeie demo -->")
    found = openeie.inspect(openeie.shipped("lenet-300-100"))
    images, _ = demo_images()
    done = openeie.simulate(openeie.shipped("lenet-300-100"), images, config="EIE16")
    means = [float(np.mean(layer.cycles)) for layer in done.layers]
    for row, layer, cycles in zip(rows, [*found.layers, found.total], [*means, sum(means)]):
        assert row[0].partition(" ")[0] == layer.name
        assert row[1] == f"{layer.kept_share:.1%}".replace("%", " %")
        assert f"{layer.rate_stored:.2%}".replace("%", " %") in row
        assert f"{cycles:,.1f}" in [cell.strip("*") for cell in row]
