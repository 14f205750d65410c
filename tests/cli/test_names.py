# SPDX-License-Identifier: Apache-2.0
"""Names of networks and layers are only names: in tables, in pictures and on a terminal."""
import ast
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openeie
import pytest
from openeie.cli.common import working
from openeie.cli.console import PlainConsole
from openeie.core.host.shown import label, shown
from openeie.sim.study.charts import draw_chart
from openeie.sim.study.figures import PaperFigure as Chart
from openeie.sim.study.sweep_charts import draw_front
from openeie.sw.study.draw import draw
from openeie.sw.study.figure import StudyFigure, Panel, Series
from support.commands import run

NAMES = ("[/x]", "[bold]b", "$a_{$b", "$x$", "_under", ":smile:", "\x1b[2Jred", "a&<b>", "\\$\\")
ARRAY = ("-c", "TINY", "--set", "max_layers=16")
CLI = Path(openeie.__file__).parent / "cli"


def texts(svg):
    """What a picture says, text by text; it must be XML."""
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter()
            if one.tag.endswith("}text")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network whose layers have all the names, and that has one of them itself."""
    weights = openeie.SparseWeights.from_codes(np.eye(4, dtype=int), np.array([0, 5]))
    layers = tuple(openeie.Linear(name=name, weights=weights, bias=np.zeros(4, int),
                                  multiplier=np.ones(4, int), shift=np.zeros(4, int))
                   for name in NAMES)
    path = tmp_path_factory.mktemp("names") / "n.eie"
    np.save(path.with_name("x.npy"), np.ones((2, 4), int))
    openeie.save(openeie.Network(name="[/net] $n$", layers=layers), path)
    return path


@pytest.mark.parametrize("words", [
    ("inspect",), ("compile", *ARRAY), ("compile", *ARRAY, "--density", "0.5"), ("sim", *ARRAY),
    ("sim", *ARRAY, "--layers")])
def test_tables_show_every_name_as_it_is(model, words):
    verb, *options = words
    options += ["--input", model.with_name("x.npy")] if verb == "sim" else []
    out = run(verb, model, *options).stdout
    assert "[/net] $n$" in out and "\x1b" not in out
    assert all(shown(name) in out for name in NAMES)


def test_the_picture_of_a_run_shows_every_name_as_it_is(model, tmp_path):
    run("sim", model, *ARRAY, "--input", model.with_name("x.npy"), "--picture", tmp_path / "p.svg")
    said = texts((tmp_path / "p.svg").read_bytes())
    assert all(label(name) in said for name in NAMES)
    assert any(text.startswith("[/net] $n$ on ") for text in said)


def test_pictures_of_studies_show_every_name_as_it_is():
    rows = [{"name": name, "status": "ok", "pareto": True, "cycles": 900 + number,
             "energy_pj": 10.0 + number, "memory_bits": 5, "luts": 7}
            for number, name in enumerate(NAMES)]
    lines = dict.fromkeys(NAMES, (900.0, 950.0))
    front = texts(draw_front(rows))
    chart = texts(draw_chart(Chart(name="c", title="$t$", x_label="x", y_label="y", x=(1, 2),
                                   series=lines, log_y=True)))
    study = texts(draw(StudyFigure(name="f", title="$t$", panels=(Panel(
        title="$p$", x_label="x", y_label="y", series=tuple(
            Series(name=name, x=(1, 2), y=values) for name, values in lines.items())),))))
    for said in (front, chart, study):
        assert all(label(name) in said for name in NAMES)
        assert not any("math" in text for text in said)     # numbers at an axis are no formulas
    assert "$t$" in chart and {"$t$", "$p$"} <= set(study)


def test_only_the_plain_console_prints():
    """No module of the command line has a console that takes names for markup."""
    for path in CLI.glob("*.py"):
        if path.stem == "console":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.ImportFrom) or node.module != "rich.console" \
                or "Console" not in {name.name for name in node.names}, path


def test_what_goes_on_is_only_text(capsys):
    console = PlainConsole(force_terminal=True, highlight=False)
    console.print("[/x] :smile: \x1b[2J")
    assert "[/x] :smile: \\x1b" in capsys.readouterr().out
    with working("[/x]", quiet=False):
        pass
