# SPDX-License-Identifier: Apache-2.0
"""Saved views name signals of the waveform, whose queues are as full as in a trace."""
import re

import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.report.trace import trace_launch
from openeie.sim.rtl import rtl
from openeie.sim.views.waveform_views import gtkwave_view, read_header, surfer_view, wanted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def waveform(tmp_path_factory):
    """A waveform of TINY with one small layer; program, inputs, run, and the file."""
    rng = np.random.default_rng(5)
    dense = rng.integers(-3, 4, (12, 14)) * (rng.random((12, 14)) < 0.6)
    dense[::4] = rng.integers(1, 4, (3, 14))        # PE 0 has the most to do, and its queue fills
    network = Network(name="n", input_range=(-9, 9), layers=(Linear(
        name="a", weights=SparseWeights.from_dense(dense), encoding="csr", bias=np.zeros(12, int),
        multiplier=np.full(12, 3), shift=np.full(12, 5)),))
    program = compile_network(network, preset("TINY"))
    x = rng.integers(1, 4, (1, 14))
    path = tmp_path_factory.mktemp("wave") / "a wave.vcd"
    return program, x, rtl.run(program, x, trace=path), path


def test_every_signal_of_a_view_is_in_the_waveform(waveform):
    *_, path = waveform
    signals = read_header(path)
    text = path.read_text()
    header = text[:text.index("$enddefinitions")]
    groups = wanted(signals)
    assert [name for name, _ in groups] == ["array", "scan", "lnzd", "broadcast", "PE 0", "PE 1",
                                            "PE 2", "PE 3"]
    assert [len(found) for _, found in groups] == [6, 3, 3, 7, 9, 9, 9, 9]
    for _, found in groups:
        for _, signal in found:
            bits = f"{signal.bits} " if signal.bits else ""
            assert f" {signal.name} {bits}$end" in header
    gtkwave = gtkwave_view(path, signals).decode()
    assert f'[dumpfile] "{path}"' in gtkwave
    traced = re.findall(r"^\+\{[^}]*\} (.*)$", gtkwave, re.MULTILINE)
    assert len(traced) == 55
    assert {re.sub(r"\[\d+:0\]$", "", name) for name in traced} <= set(signals)
    surfer = surfer_view(path, signals).decode().splitlines()
    added = [line.split()[1] for line in surfer if line.startswith("variable_add")]
    assert len(added) == 53 and set(added) <= set(signals)
    assert all("." not in signals[name].name for name in added)
    assert surfer[0] == f"load_file {path}"


def levels(path, pe):
    """Every change (time, value) of a PE's queue level and of the array's cycle counter."""
    text = path.read_text()
    top = "TOP.openeie.accelerator"
    names = {f"{top}.array.pe{pe}.pe.blocks.queue.level": "level",
             f"{top}.sequencer.cycle": "cycle"}
    scope, codes = [], {}
    for line in text[:text.index("$enddefinitions")].splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            scope.append(words[2])
        elif words[:1] == ["$upscope"]:
            scope.pop()
        elif words[:1] == ["$var"] and ".".join([*scope, words[4]]) in names:
            codes[words[3]] = names[".".join([*scope, words[4]])]
    time, changes = 0, {"level": [], "cycle": []}
    for line in text[text.index("$enddefinitions"):].splitlines():
        if line.startswith("#"):
            time = int(line[1:])
        elif line.startswith("b") and line.split()[1] in codes:
            value, code = line[1:].split()
            changes[codes[code]].append((time, int(value, 2)))
    return changes


@pytest.mark.parametrize("pe", range(4))
def test_the_gatewares_queues_are_as_full_as_the_trace_says(waveform, pe):
    program, x, run, path = waveform
    trace = trace_launch(program, run, x, 0)
    changes = levels(path, pe)
    start = [time for time, value in changes["cycle"] if value == 1][-1]    # the last run's
    step = min(np.diff([time for time, _ in changes["cycle"][-20:]]))
    mine, inside = trace.of(pe)
    expected = np.cumsum(np.bincount(trace.broadcast[mine] + 1, minlength=trace.cycles)
                         - np.bincount(trace.pop[mine, inside] + 1, minlength=trace.cycles))
    seen = np.zeros(trace.cycles, int)
    for time, value in changes["level"]:
        cycle = 1 + (time - start) // step
        if time >= start:
            seen[cycle:] = value
    assert seen.max() > (2 if pe == 0 else 0)
    assert np.array_equal(seen, expected)
