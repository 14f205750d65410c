# SPDX-License-Identifier: Apache-2.0
"""The page is well formed, needs nothing else, escapes names, and its numbers are the run's."""
import dataclasses
import re
import sys

import numpy as np
import pytest
from openeie import shipped
from openeie.core.compile.compile import compile_network
from openeie.core.errors import InputError, ToolError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.fast import fast
from openeie.sim.report.gather import gather
from openeie.sim.report.page import check_page, render
from openeie.sim.study.energy import energy
from openeie.sim.study.run_energy import UNITS
from openeie.sim.study.workload import Workload
from support.networks import CONFIG
from support.report_pages import Page, example, lenet


def share(layer, counter):
    return f"{layer.total(counter) / layer.counters.sum():.1%}"


def test_numbers_are_the_runs(rng):
    run, report = example(rng)
    page = Page(render(report))
    table = page.tables["A: shares of the PEs' cycles; each line adds up to 100 %"]
    for row, layer in zip(table[1:], run.layers, strict=False):
        assert row[:2] == [layer.name, f"{layer.cycles.sum() / 4:,.1f}"]
        assert dict(zip(table[0], row))["empty column"] == share(layer, "empty_column")
        for counter in ("starved", "blocked", "writeback", "drain"):
            assert dict(zip(table[0], row))[counter] == share(layer, counter)
    assert table[-1][:2] == ["all", f"{run.cycles.mean():,.1f}"]
    facts = [text.strip() for text in page.facts]
    assert facts[:4] == ["cycles of an input", f"{run.cycles.mean():,.0f}",
                         "latency at 100 MHz, µs", f"{run.cycles.mean() / 100:,.2f}"]
    config = dict(page.tables["Configuration; docs/architecture.md has the words"])
    assert config["pes"] == "5" and config["digest"] == run.config.digest[:16]


def test_the_load_is_the_counters(rng):
    run, report = example(rng)
    for busy, layer in zip(report.busy, run.layers, strict=True):
        assert np.array_equal(busy, layer.counters[..., 0].sum(axis=0) / layer.cycles.sum())


def test_every_kind_of_page(rng):
    _, _, run, first = lenet()
    *_, second = lenet("EIE64")
    assert render(first, second) == render(first, second)
    page = render(first, second)
    text = page.decode()
    Page(page)
    assert len(page) < 2_000_000
    assert "://" not in text and "<script" not in text and "@import" not in text
    assert f"{shipped('lenet-300-100').stat().st_size:,} bytes on disk" in text
    table = Page(page).tables["EIE16 and EIE64"]
    ours, theirs = (each.summary.layers[0].cycles for each in (first, second))
    assert table[2][:4] == ["ip1", f"{ours / 2:,.1f}", f"{theirs / 2:,.1f}", f"{ours / theirs:.2f}"]
    assert table[-1][1] == f"{run.cycles.sum() / 2:,.1f}"


def test_names_are_escaped(rng):
    hostile = '<b>"x\'</b>&<script>alert(1)</script>'
    network = Network(name=hostile, layers=(Linear(
        name=hostile, weights=SparseWeights.from_dense(rng.integers(0, 3, (7, 9))), encoding="csr",
        bias=np.zeros(7, int), multiplier=np.ones(7, int), shift=np.zeros(7, int)),))
    program = compile_network(network, CONFIG)
    x = rng.integers(-3, 4, (1, 9))
    report = gather(program, fast.run(program, x), x, mhz=1, array=hostile)
    text = render(report, dataclasses.replace(report, array="other")).decode()
    page = Page(text.encode())
    assert not page.tags & {"script", "iframe", "img"}
    assert "<script" not in text and '<b>"' not in text
    assert hostile in {row[0] for table in page.tables.values() for row in table}


def test_a_large_network_stays_small(rng):
    config = CONFIG.replace(pes=250, acc_depth=1 << 10)
    layers = tuple(Linear(
        name=f"layer/with/a/long/name/{number}", encoding="csr", bias=np.zeros(300, int),
        weights=SparseWeights.from_dense(rng.integers(0, 2, (300, 300))),
        multiplier=np.ones(300, int), shift=np.full(300, 8)) for number in range(30))
    network = Network(name="large", layers=layers, input_range=(0, 9))
    program = compile_network(network, config)
    x = rng.integers(0, 9, (1, 300))
    report = gather(program, fast.run(program, x), x, mhz=1, array="A")
    assert len(report.queues) == 8 and report.not_traced == ()
    page = render(report, dataclasses.replace(report, array="B"))
    Page(page)
    assert 100_000 < len(page) < 2_000_000


def test_energy_is_the_models():
    program, x, run, report = lenet()
    network = program.network
    acts = [x[:1], *(layer.outputs[:1] for layer in run.tiles)]
    for layer, read, shown in zip(network.layers, acts, report.energy, strict=False):
        time = Workload(name="w", weights=layer.weights, acts=read).time(program.config)
        assert time.cycles == run.tiles[network.layers.index(layer)].cycles[0]
        assert energy(time).by_unit == {unit: shown[unit] for unit in energy(time).by_unit}
    assert set(report.energy[0]) == set(UNITS)


def test_colours_are_all_there(rng):
    page = render(example(rng)[1]).decode()
    style, body = page.split("</style>")
    for name in set(re.findall(r'class="(?:key )?([ckh]-?[\w-]+)"', body)) - {"key", "kind"}:
        assert f".{name} {{" in style, name


def test_what_it_refuses(monkeypatch, rng):
    _, report = example(rng)
    with pytest.raises(InputError, match="two runs of one network"):
        render(report, lenet()[-1])
    program, x, run, _ = lenet()
    with pytest.raises(InputError, match="positive number of MHz, not 0"):
        gather(program, run, x, mhz=0, array="A")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ToolError, match=r"a report takes jinja2, .*install it: .*\[report\]'"):
        check_page()
