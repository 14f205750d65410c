# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import ENCODINGS, preset
from openeie.hw.codebook import Codebook

from .bench import cycles_of, trace

TINY = preset("TINY")


def test_worked_example():
    """A codebook of four weights: the codes 3, 1, 2 stand for 32767, 100 and -5, a cycle later.

    The run passes through; only ``huffman`` looks it up, too.
    """
    steps = [{"load_codebook": 1, "load_address": code, "load_data": weight & 0xFFFF}
             for code, weight in enumerate([0, 100, -5, 32767])]
    steps += [{"i": {"code": 3, "run": 9}}, {"i": {"code": 1, "run": 0}}, {"i": {"code": 2}}, {}]
    layer = {"encoding": ENCODINGS.index("codebook"), "table": 0}
    entries = cycles_of(trace(Codebook(TINY), steps, "o", hold={"layer": layer}), "o")[5:]
    assert [entry["weight"] for entry in entries] == [32767, 100, -5]
    assert [entry["run"] for entry in entries] == [9, 0, 0]


def draw(rng, config):
    """Tables of all layers, and random entries."""
    weights = rng.integers(-32768, 32768, (config.max_layers, 1 << config.code_width)).tolist()
    runs = rng.integers(0, 1 << config.run_width,
                        (config.max_layers, 1 << config.run_width)).tolist()
    entries = [{"act": int(a), "run": int(r), "code": int(c), "weight": int(w), "first": 1,
                "bank": 0} for a, r, c, w in zip(
                    rng.integers(-32768, 32768, 40), rng.integers(0, 1 << config.run_width, 40),
                    rng.integers(0, 1 << config.code_width, 40),
                    rng.integers(-32768, 32768, 40))]
    return weights, runs, entries


def load(config, weights, runs):
    """Write both memories as the load port would."""
    steps = []
    for enable, tables in (("load_codebook", weights), ("load_run", runs)):
        flat = [word for table in tables for word in table]
        steps += [{enable: 1, "load_address": address, "load_data": word & 0xFFFF}
                  for address, word in enumerate(flat)]
    return steps


def reference(entry, encoding, weights, runs):
    looked_up = dict(entry)
    if encoding != "csr":
        looked_up["weight"] = weights[entry["code"]]
    if encoding == "huffman":
        looked_up["run"] = runs[entry["run"]]
    return looked_up


@pytest.mark.parametrize(("code_width", "run_width"), [(4, 4), (8, 4), (4, 8), (1, 1)])
@pytest.mark.parametrize("table", [0, TINY.max_layers - 1])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_look_up_one_entry_a_cycle(encoding, table, code_width, run_width, rng):
    config = TINY.replace(code_width=code_width, run_width=run_width)
    weights, runs, entries = draw(rng, config)
    steps = load(config, weights, runs)
    start = len(steps)
    steps += [{"i": entry} for entry in entries]
    layer = {"encoding": ENCODINGS.index(encoding), "table": table}
    rows = trace(Codebook(config), [*steps, {}], "o", hold={"layer": layer})
    got = [row["o"] for row in rows[start + Codebook.latency:]]
    assert got == [reference(entry, encoding, weights[table], runs[table]) for entry in entries]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_array_of_one_encoding(encoding, rng):
    config = TINY.replace(encodings=(encoding,))
    weights, runs, entries = draw(rng, config)
    steps = load(config, weights, runs)
    layer = {"encoding": ENCODINGS.index(encoding), "table": 1}
    rows = trace(Codebook(config), [*steps, *({"i": entry} for entry in entries), {}], "o",
                 hold={"layer": layer})
    assert [row["o"] for row in rows[len(steps) + Codebook.latency:]] == \
        [reference(entry, encoding, weights[1], runs[1]) for entry in entries]
