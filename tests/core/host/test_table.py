# SPDX-License-Identifier: Apache-2.0
"""Tables: aligned text, escaped HTML, rows as values; and those of networks and runs."""
import doctest
import html
import re
from html.parser import HTMLParser

import numpy as np
import openeie
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.host import table
from openeie.core.host.table import Table

#: Any text at all, and such as would do harm.
NAMES = st.text() | st.sampled_from(["<script>alert(1)</script>", "&lt;", "\x1b[2J", "a\nb", "$x$",
                                     '" onclick="x', "\u202egnp", "\ud800"])


class Cells(HTMLParser):
    """The texts of a table's cells, and the tags around them."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert all(name in ("class", "style") for name, _ in attrs)
        if tag in ("td", "th", "caption"):
            self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data


def cells(text):
    parser = Cells()
    parser.feed(text)
    parser.close()
    return parser


def example(**changes):
    return Table(**{"title": "t", "columns": ("layer", "cycles", "share"),
                    "formats": ("", ",", ".1%"),
                    "rows": (("conv1", 12345, 0.5), ("a", 7, None))} | changes)


def test_a_worked_example():
    assert str(example(total=("all", 12352, 0.25))).splitlines() == [
        "t",
        "layer  cycles  share",
        "conv1  12,345  50.0%",
        "a           7      -",
        "-----  ------  -----",
        "all    12,352  25.0%"]


def test_the_docstrings_example():
    assert doctest.testmod(table).failed == 0
    assert doctest.testmod(table).attempted > 0


def test_rows_are_values():
    """And the total is none of them, so that a sum over the rows is right."""
    one = example(total=("all", 12352, 0.25))
    assert len(one) == 2 and list(one) == [("conv1", 12345, 0.5), ("a", 7, None)]
    assert [dict(zip(one.columns, row))["cycles"] for row in one] == [12345, 7]


def test_a_table_without_rows():
    assert str(example(rows=())).splitlines() == ["t", "layer  cycles  share"]
    assert cells(example(rows=())._repr_html_()).texts == ["t", "layer", "cycles", "share"]


def test_a_prompt_shows_the_table():
    assert repr(example()) == str(example())


@given(st.lists(st.tuples(NAMES, st.none() | st.integers()), max_size=5), NAMES, NAMES)
def test_names_are_only_text(rows, title, column):
    one = Table(title=title, columns=(column, "n"), formats=("", ","), rows=tuple(rows),
                total=(title, 1))
    lines = str(one).split("\n")
    assert len(lines) == len(rows) + 4                      # nobody's name makes a line of its own
    assert all(line.isprintable() for line in lines)

    text = one._repr_html_()
    assert text.isprintable()
    found = cells(text)
    assert found.tags <= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert len(found.texts) == 1 + 2 * (len(rows) + 2)


@given(st.lists(st.tuples(st.text("abc"), st.integers()), min_size=1, max_size=5))
def test_numbers_end_in_one_column(rows):
    lines = str(Table(title="t", columns=("x", "n"), formats=("", ","), rows=rows)).split("\n")
    assert len({len(line) for line in lines[1:]}) == 1


def test_what_a_page_shows_is_what_a_terminal_shows():
    one = example(rows=(("a & b", 1, 0.5),))
    assert cells(one._repr_html_()).texts == ["t", *one.columns, "a & b", "1", "50.0%"]
    assert html.escape("a & b") in one._repr_html_()
    assert "mathjax_ignore" in one._repr_html_()


def linear(name, m, n):
    rng = np.random.default_rng(m)
    return openeie.Linear(name=name, bias=np.zeros(m, int), multiplier=np.ones(m, int),
                          shift=np.zeros(m, int), encoding="csr",
                          weights=openeie.SparseWeights.from_dense(rng.integers(-2, 3, (m, n))))


@pytest.fixture(scope="module")
def network():
    return openeie.Network(name="two", layers=(linear("a", 6, 8), linear("b", 3, 6)),
                           input_range=(-9, 9))


@pytest.fixture(scope="module")
def run(network):
    x = np.random.default_rng(0).integers(-9, 10, (3, 8))
    return openeie.simulate(network, x, config="TINY")


def test_a_runs_table(run):
    one = run.table()
    assert one.columns == ("layer", "cycles", "utilisation", *openeie.COUNTERS[1:], "saturated")
    assert [row[0] for row in one] == ["a", "b"] and one.total[0] == "all"
    assert sum(row[1] for row in one) == one.total[1] == run.cycles.sum()
    for row, layer in zip(one, run.layers):
        assert row[2] == pytest.approx(layer.utilisation)
        assert sum(row[2:-1]) == pytest.approx(1)
        shares = [layer.total(name) / (4 * row[1]) for name in openeie.COUNTERS]
        assert row[2:-1] == pytest.approx(shares)
        assert row[-1] == layer.saturated.sum()
    assert run._repr_html_() == one._repr_html_()


def test_the_table_of_a_run_without_time(network):
    one = openeie.simulate(network, np.zeros((2, 8), int), engine="golden").table()
    assert list(one) == [("a", 12, 0), ("b", 6, 0)] and one.columns == ("layer", "outputs",
                                                                        "saturated")


def test_the_table_of_a_run_of_nothing(network):
    one = openeie.simulate(network, np.zeros((0, 8), int), config="TINY").table()
    assert one.total == ("all", 0, *[None] * 7, 0)
    assert "-" in str(one)


def test_a_tiled_layer_is_one_row():
    """The map between two pools does not fit: tiles for the array, layers for the reader."""
    grows = openeie.Window(height=8, width=8, channels=4, pad=(4, 4, 4, 4))
    shrinks = openeie.Window(height=16, width=16, channels=4, kernel=(2, 2), stride=(2, 2))
    network = openeie.Network(name="n", input_range=(-9, 9), layers=(
        openeie.Pool(name="p", window=grows, reduce="sum"),
        openeie.Pool(name="q", window=shrinks, reduce="sum")))
    config = openeie.preset("TINY").replace(operations=("linear", "conv", "pool"), act_depth=128,
                                            max_layers=64)
    program = openeie.compile(network, config)
    assert re.search(r"\b[4-9] tiles", repr(program)), program
    run = openeie.simulate(program, np.ones((1, network.inputs), int))
    one = run.table()
    assert [row[0] for row in one] == ["p", "q"] and one.total[1] == run.cycles.sum()


def test_a_networks_table():
    one = openeie.load(openeie.shipped("lenet-5")).table()
    assert list(one)[:2] == [("conv1", "Conv", "28x28x1", "24x24x20", "5x5", 500, 300),
                             ("pool1", "Pool", "24x24x20", "12x12x20", "2x2", None, None)]
    assert one.total == ("all", "", "", "", None, sum(row[5] or 0 for row in one),
                         sum(row[6] or 0 for row in one))
    assert one.title == "lenet-5"
