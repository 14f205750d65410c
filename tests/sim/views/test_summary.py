# SPDX-License-Identifier: Apache-2.0
"""The table by layers and its picture: every number is that of the run."""
import dataclasses
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from openeie.core.array.config import ArrayConfig
from openeie.core.array.counters import COUNTERS
from openeie.core.compile.compile import compile_network
from openeie.core.errors import InputError, ToolError
from openeie.core.network.graph import Add, Conv, Depthwise, Network, Pool
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights
from openeie.core.run import Run
from openeie.sim.engines import simulate
from openeie.sim.fast import fast
from openeie.sim.fast.dense import dense_cycles
from openeie.sim.random.cases import case
from openeie.sim.views import picture
from openeie.sim.views.summary import SHARES, summarise
from support.networks import CONFIG, branched, read_by


def example(rng, vectors=2, batch=6):
    """A program, inputs, its run and its table."""
    network = branched(rng)
    program = compile_network(network, CONFIG, vectors=vectors)
    x = rng.integers(-3, 4, (batch, network.inputs))
    run = fast.run(program, x)
    return program, x, run, summarise(program, run, x)


def check(summary, program, run):
    """Every cycle of every PE is in the table once, under its counter."""
    for layer, ran, this in zip(summary.layers, run.layers, program.network.layers,
                                strict=True):
        spent = dict(layer.spent)
        busy, other = ("pool", "mac") if isinstance(this, (Pool, Add)) \
            else ("mac", "pool")
        assert spent.pop(other) == 0
        assert spent.pop(busy) == ran.total("busy") == layer.entries
        assert spent == {name: ran.total(name) for name in COUNTERS[1:]}
        assert layer.cycles == ran.cycles.sum()
        assert sum(layer.spent.values()) == run.config.pes * layer.cycles
        assert sum(layer.shares.values()) == pytest.approx(1, abs=1e-12)
        assert layer.outputs == ran.outputs.size and layer.computed == ran.computed
        assert layer.saturated == ran.saturated.sum()
        assert layer.saturated_share == ran.saturated_share
    total = summary.total
    assert total.cycles == run.cycles.sum()
    assert sum(total.spent.values()) == run.config.pes * total.cycles
    assert list(total.spent) == list(SHARES)


def test_lines_that_two_bands_compute_are_one_output(rng):
    """Of two 3 x 3 convolutions in bands, the first one's bands overlap by two lines."""
    def conv(name, channels, m):
        window = Window(height=8, width=4, channels=channels, kernel=(3, 3), pad=(1, 1, 1, 1))
        return Conv(name=name, window=window, encoding="csr", multiplier=np.ones(m, int),
                    weights=SparseWeights.from_dense(rng.integers(1, 9, (m, 9 * channels))),
                    bias=np.zeros(m, int), shift=np.zeros(m, int))
    network = Network(name="n", input_range=(0, 1 << 14),
                      layers=(conv("a", 1, 4), conv("b", 4, 1)))
    program = compile_network(network, ArrayConfig(
        pes=1, act_depth=64, entry_depth=256, pointer_depth=256, acc_depth=64, channel_depth=64,
        max_layers=32, operations=("linear", "conv")))
    x = rng.integers(1, 1 << 14, (2, 32))
    run = fast.run(program, x)
    first, last = summarise(program, run, x).layers
    computed = sum(tile.outputs.size for tile in run.tiles if tile.part.layer == 0)
    assert first.outputs == 2 * 32 * 4 < first.computed == computed
    assert last.outputs == last.computed == 2 * 32
    assert first.saturated_share == run.layers[0].saturated_share > 0.5
    assert first.to_dict()["outputs"] == 256


@pytest.mark.parametrize("number", range(4))
def test_the_numbers_are_the_runs_on_random_networks(number):
    for index in range(8):
        drawn = case(33, number, index)
        run = fast.run(drawn.program, drawn.x)
        check(summarise(drawn.program, run, drawn.x), drawn.program, run)


def test_a_depthwise_layer_is_work_and_drawn_so(rng):
    window = Window(height=6, width=6, channels=4, kernel=(3, 3))
    weights = SparseWeights.from_dense(rng.integers(1, 9, (4, 9)))
    network = Network(name="n", layers=(Depthwise(
        name="d", window=window, weights=weights, encoding="csr", bias=np.zeros(4, int),
        multiplier=np.ones(4, int), shift=np.zeros(4, int)),))
    program = compile_network(network, CONFIG)
    x = rng.integers(-3, 4, (1, network.inputs))
    (row,) = summarise(program, fast.run(program, x), x).layers
    assert row.kind == "depthwise" and row.macs == 16 * 4 * 9
    assert row.shares["mac"] > 0.3 and row.shares["pool"] == 0
    svg = picture.draw(summarise(program, fast.run(program, x), x), Path("d.svg"))
    texts = {element.text for element in ElementTree.fromstring(svg).iter(
        "{http://www.w3.org/2000/svg}text")}
    assert f"{row.shares['mac']:.1%}" in texts and "0.0%" not in texts


def test_a_counter_off_by_one_is_noticed(rng):
    program, _, run, summary = example(rng)
    first = summary.layers[0]
    wrong = dataclasses.replace(first, spent=first.spent | {"drain": first.spent["drain"] + 1})
    with pytest.raises(AssertionError):
        check(dataclasses.replace(summary, layers=(wrong, *summary.layers[1:])), program, run)


def test_work_and_densities_by_hand(rng):
    program, x, run, summary = example(rng)
    layers = {layer.name: layer for layer in summary.layers}
    assert [layer.kind for layer in summary.layers] == ["conv"] * 3 + ["pool"] * 2 + ["linear"]
    assert layers["right"].macs == 6 * (7 * 6) * 6 * (3 * 3 * 4)
    assert layers["right"].weights == 6 * 3 * 3 * 4
    assert layers["right"].kept == np.count_nonzero(program.network.layers[2].weights.dense())
    assert (layers["mean"].macs, layers["mean"].weight_density) == (0, None)
    for layer, read in zip(summary.layers, read_by(program.network, x, run)):
        assert layer.activation_density == np.count_nonzero(read) / (6 * read.shape[1])
    for number, layer in enumerate(summary.layers):
        assert layer.dense_cycles == 3 * dense_cycles(program, number)
    total = summary.total
    assert total.speedup == total.dense_cycles / run.cycles.sum()
    useful = sum(ran.total("busy") for ran, plan in zip(run.tiles, program.tiles)
                 if not plan.local)
    assert total.mac_utilisation == useful / (5 * run.cycles.sum())
    assert total.macs == sum(layer.macs for layer in summary.layers)


def test_what_it_refuses(rng):
    program, x, run, _ = example(rng)
    with pytest.raises(InputError, match="the engine golden has no cycles"):
        summarise(program, simulate(program, x, "golden"), x)
    with pytest.raises(InputError, match="6 inputs instead of 4"):
        summarise(program, run, x[:4])
    other = Run(engine="fast", config=run.config, tiles=run.tiles[1:])
    with pytest.raises(InputError, match="the run must be the program's"):
        summarise(program, other, x)
    with pytest.raises(InputError, match="at least one input, not 0"):
        summarise(program, fast.run(program, x[:0]), x[:0])


def test_the_picture_bars_are_as_long_as_the_counters(rng):
    *_, summary = example(rng)
    rows = [*summary.layers, summary.total]
    _, cycles, shares, speedup = picture.figure_of(summary).axes
    for axes, last, scale in ((cycles, -1, lambda row: row.cycles / 6),
                              (shares, None, lambda row: 1)):
        widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
        wanted = [[row.shares[name] * scale(row) for row in rows[:last]] for name in SHARES]
        assert np.allclose(widths, wanted)
        assert [bars.get_label() for bars in axes.containers] == [
            "multiply-accumulate", "pooling", "filler", "empty column", *SHARES[4:]]
    ends = [bar.get_x() + bar.get_width() for bar in speedup.containers[0]]
    assert np.allclose(ends, [row.speedup for row in rows])


def test_the_picture_says_what_it_shows(rng):
    *_, summary = example(rng)
    svg = picture.draw(summary, Path("run.svg"))
    texts = {element.text for element in ElementTree.fromstring(svg).iter(
        "{http://www.w3.org/2000/svg}text")}
    rows = [*summary.layers, summary.total]
    assert {row.name for row in rows} <= texts
    assert {f"{row.cycles / 6:,.0f}" for row in rows} <= texts
    assert {f"{row.speedup:,.2f}" for row in rows} <= texts
    assert {f"{row.mac_utilisation:.1%}" for row in rows if row.kind != "pool"} <= texts
    assert "branched on 5 PEs" in texts
    assert any(f"MAC utilisation {summary.total.mac_utilisation:.1%}" in text for text in texts)
    assert picture.draw(summary, Path("other.svg")) == svg      # byte for byte


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_other_formats(rng, name, magic):
    assert picture.draw(example(rng)[-1], Path(name)).startswith(magic)


def test_a_picture_that_cannot_be_drawn(monkeypatch, rng):
    with pytest.raises(InputError, match=r"must end in .svg, .png, .pdf, not 'a.jpeg'"):
        picture.check_picture(Path("a.jpeg"))
    summary = example(rng)[-1]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ToolError, match=r"needs matplotlib, .*install it: .*\[report\]'"):
        picture.draw(summary, Path("a.svg"))
