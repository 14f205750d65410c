# SPDX-License-Identifier: Apache-2.0
"""What a user sees of the package: its public names, and what a prompt says about its objects."""
import ast
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import openeie
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core import errors
from openeie.core.network import graph
from openeie.core.network.one_line import count_text

SOURCE = Path(openeie.__file__).read_text()
LONG = "a" * 400


def test_every_public_name_is_there():
    assert len(set(openeie.__all__)) == len(openeie.__all__)
    for name in openeie.__all__:
        assert getattr(openeie, name) is not None, name
    names: dict = {}
    exec("from openeie import *", names)
    assert set(openeie.__all__) <= set(names)


def test_dir_lists_the_public_names_and_no_others():
    public = [name for name in dir(openeie) if not name.startswith("__")]
    assert public == sorted(openeie.__all__)
    assert {"__version__", "__all__", "__doc__", "__path__"} <= set(dir(openeie))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'openeie' has no attribute 'Netwerk'"):
        openeie.Netwerk  # noqa: B018


def test_all_layers_and_errors_are_public():
    for kind in (*graph.Layer.__args__, graph.Conv, graph.SignConv):
        assert getattr(openeie, kind.__name__) is kind
    for name in errors.__all__:
        if name[0].isupper():
            assert getattr(openeie, name) is getattr(errors, name)


def test_type_checkers_see_the_same_later_names():
    """The imports that only they follow name the modules of the table."""
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    seen = {}
    called = {}
    for node in block.body:
        for alias in node.names:
            seen[alias.asname or alias.name] = node.module
            if alias.asname:
                called[alias.asname] = alias.name
    assert seen == openeie._LATER
    assert called == openeie._CALLED
    assert set(openeie._LATER) < set(openeie.__all__)
    assert set(openeie._TRAINING) < set(openeie._LATER)


def test_a_name_is_what_its_module_calls_so():
    for name, module in openeie._LATER.items():
        found = importlib.import_module(f"openeie.{module}")
        assert getattr(openeie, name) is getattr(found, openeie._CALLED.get(name, name))


def test_listing_the_names_loads_nothing():
    code = ("import sys, openeie; dir(openeie); print([m for m in "
            "('numpy', 'pydantic', 'torch', 'amaranth', 'rich') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_torch_help_works_and_the_rest_says_what_to_install():
    """As on a machine without the extra: no metadata of torch, and no module."""
    code = """if True:
        import importlib.metadata, pydoc, sys
        find = importlib.metadata.distribution
        def distribution(name):
            if name == "torch":
                raise importlib.metadata.PackageNotFoundError(name)
            return find(name)
        importlib.metadata.distribution, sys.modules["torch"] = distribution, None
        import openeie
        print([name for name in openeie.__all__ if name not in dir(openeie)])
        text = pydoc.plain(pydoc.render_doc(openeie))
        print(hasattr(openeie, "Dataset"), "class Window" in text)
        try:
            openeie.Recipe
        except openeie.ToolError as error:
            print(error)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    hidden, there, told = done.stdout.splitlines()
    assert hidden == "['Recipe', 'Compressed', 'Watcher']" and there == "True True"
    assert told.startswith("openeie.Recipe needs torch, which is not installed; install it: ")


@pytest.mark.parametrize("name, line", [
    ("lenet-300-100", "<Network 'lenet-300-100', 784 -> 300 -> 100 -> 10, 3 layers, "
                      "14,225 of 266,200 weights>"),
    ("lenet-5", "<Network 'lenet-5', 28x28x1 -> 24x24x20 -> 12x12x20 -> ... -> 500 -> 10, "
                "6 layers, 14,420 of 430,500 weights>")])
def test_a_network_is_one_line(name, line):
    assert repr(openeie.load(openeie.shipped(name))) == line


def writeback(m):
    return {"bias": np.zeros(m, int), "multiplier": np.ones(m, int), "shift": np.zeros(m, int)}


def linear(m, n, name="l", **fields):
    return openeie.Linear(name=name, encoding="csr", **writeback(m), **fields,
                          weights=openeie.SparseWeights.from_dense(np.eye(m, n, dtype=int)))


WINDOW = openeie.Window(height=6, width=5, channels=2, kernel=(3, 2), pad=(1, 0, 1, 0))
SIGNS = openeie.SignMatrix.from_signs(np.ones((4, 12), int))


@pytest.mark.parametrize("layer, line", [
    (linear(3, 4), "<Linear 'l', 4 -> 3, 3 of 12 weights>"),
    (openeie.Conv(name="c", window=WINDOW, encoding="csr", **writeback(4),
                  weights=openeie.SparseWeights.from_dense(np.eye(4, 12, dtype=int))),
     "<Conv 'c', 6x5x2 -> 6x4x4, kernel 3x2, 4 of 48 weights>"),
    (openeie.Depthwise(name="d", window=WINDOW, encoding="csr", **writeback(2),
                       weights=openeie.SparseWeights.from_dense(np.ones((2, 6), int))),
     "<Depthwise 'd', 6x5x2 -> 6x4x2, kernel 3x2, 12 of 12 weights>"),
    (openeie.Pool(name="p", window=WINDOW, reduce="max"),
     "<Pool 'p', 6x5x2 -> 6x4x2, kernel 3x2>"),
    (openeie.Add(name="a", pixels=4, channels=3, factors=(1, 1), sources=("x", "y")),
     "<Add 'a', 12 -> 12>"),
    (openeie.SignLinear(name="b", signs=SIGNS, mode="bwn", **writeback(4)),
     "<SignLinear 'b', 12 -> 4, 48 of 48 weights>"),
    (openeie.SignConv(name="b", signs=SIGNS, mode="xnor", window=WINDOW, **writeback(4)),
     "<SignConv 'b', 6x5x2 -> 6x4x4, kernel 3x2, 48 of 48 weights>"),
    (SIGNS, "<SignMatrix 4 x 12>"),
    (openeie.SparseWeights.from_dense(np.eye(3, dtype=int)),
     "<SparseWeights 3 x 3, 3 of 9 stored>"),
    (openeie.SparseWeights.from_codes(np.eye(3, dtype=int), np.array([0, 7])),
     "<SparseWeights 3 x 3, 3 of 9 stored, codebook of 2>")])
def test_layers_and_matrices_are_one_line(layer, line):
    assert repr(layer) == line


def test_the_line_of_a_deep_network_stays_short():
    layers = [linear(8, 8, name=f"l{number}") for number in range(40)]
    network = openeie.Network(name=LONG, layers=layers)
    assert repr(network).endswith("8 -> 8 -> 8 -> ... -> 8 -> 8, 40 layers, 320 of 2,560 weights>")
    assert len(repr(network)) < 120


def test_the_line_of_a_network_with_branches():
    one = linear(8, 8, name="one", sources=(openeie.INPUT,))
    two = linear(8, 8, name="two", sources=(openeie.INPUT,))
    both = openeie.Add(name="sum", pixels=1, channels=8, factors=(1, 1), sources=("one", "two"))
    network = openeie.Network(name="n", layers=(one, two, both))
    assert repr(network) == "<Network 'n', 8 -> ... -> 8, 3 layers, 16 of 128 weights>"


@given(st.text())
def test_no_name_breaks_a_line(name):
    layer = linear(2, 2, name=name + "x")
    network = openeie.Network(name=name, layers=(layer,))
    for line in (repr(layer), repr(network)):
        assert line.isprintable() and len(line) < 160


@pytest.fixture(scope="module")
def network():
    return openeie.Network(name="n", layers=(linear(4, 8), linear(3, 4, name="m")),
                           input_range=(-9, 9))


def test_a_program_is_one_line(network):
    tiny = openeie.preset("TINY")
    program = openeie.compile(network, tiny)
    words = f"{program.entries.size:,} words of entries"
    assert repr(program) == f"<Program 'n', 2 tiles on TINY, {words}>"
    program = openeie.compile(network, tiny.replace(queue_depth=2), vectors=3)
    assert repr(program) == f"<Program 'n', 2 tiles on 4 PEs, {words}, 3 vectors per launch>"


@pytest.mark.parametrize("count, inputs", [(0, "0 inputs"), (1, "1 input"), (3, "3 inputs")])
def test_a_run_is_one_line(network, count, inputs):
    x = np.ones((count, 8), int)
    run = openeie.simulate(network, x, config="TINY")
    assert repr(run) == f"<Run fast on TINY, {inputs}, 3 outputs, {run.cycles.sum()} cycles>"
    layer = run.layers[0]
    assert repr(layer) == f"<LayerRun 'l', {inputs}, 4 outputs, {layer.cycles.sum()} cycles>"


def test_a_run_without_time_is_one_line(network):
    run = openeie.simulate(network, np.ones((2, 8), int), config="TINY", engine="golden")
    assert repr(run) == "<Run golden on TINY, 2 inputs, 3 outputs>"
    assert repr(run.layers[0]) == "<LayerRun 'l', 2 inputs, 4 outputs>"


def test_the_line_of_a_run_without_an_array():
    layer = openeie.SignLinear(name="b", signs=SIGNS, mode="bwn", **writeback(4))
    network = openeie.Network(name="n", layers=(layer,))
    run = openeie.simulate(network, np.ones((1, 12), int), engine="golden")
    assert repr(run) == "<Run golden, 1 input, 4 outputs>"


def test_a_notebook_shows_a_network_as_its_layers(network):
    assert network._repr_html_() == network.table()._repr_html_()
    assert [row[0] for row in network.table()] == ["l", "m"]


def test_counts():
    assert [count_text(number, "tile") for number in (0, 1, 2, 1000)] == [
        "0 tiles", "1 tile", "2 tiles", "1,000 tiles"]


def test_simulate_compiles_as_compile_does():
    """A preset's name leaves the run width to the compiler; a configuration does not."""
    rng = np.random.default_rng(1)
    codes = rng.integers(1, 16, (4000, 400)) * (rng.random((4000, 400)) < 0.003)
    layer = openeie.Linear(name="fc", weights=openeie.SparseWeights.from_codes(
        codes, np.arange(16) * 3), bias=np.zeros(4000, int), multiplier=np.full(4000, 1),
        shift=np.zeros(4000, int))
    network = openeie.Network(name="sparse", layers=(layer,))
    x = np.ones((1, 400), int)
    chosen = openeie.compile(network, "EIE64").config
    assert chosen.run_width > openeie.preset("EIE64").run_width
    assert openeie.simulate(network, x, config="EIE64").config == chosen
    own = openeie.preset("EIE64")
    assert openeie.simulate(network, x, config=own).config == own
