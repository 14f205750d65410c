# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.core.array.counters import COUNTERS, SATURATED
from openeie.core.array.timing import Timing
from openeie.hw.counters import Counters

from .bench import cycles_of, trace

CONFIG = preset("TINY")
FETCH = Timing(CONFIG).fetch
IDLE = {}


def clear(layer):
    return [{"clear": 1, "clear_index": index, "layer": layer}
            for index in range(len(COUNTERS))]


def read(layer):
    return [{"address": layer << 3 | index, "layer": 0} for index in range(len(COUNTERS))]


def test_worked_example():
    """A layer of seven cycles, of which each of the seven counters gets one.

    The entry reader decodes an entry, another one that turns out to be a filler, an empty column
    and a token; then it is idle: while the broadcast was refused, while nothing came, and after
    the last token. Before that, clearing puts the 16 cycles of the descriptor fetch into
    ``starved``.
    """
    steps = [
        {"entry": 1},
        {"entry": 1},                   # a filler, as is known four cycles later
        {"empty": 1},
        {"token": 1},
        {"blocked": 1, "running": 1},   # counting begins with the first entry
        {"running": 1, "filler": 1},
        {"finished": 1, "running": 1},
        {"running": 1},
        {"running": 1},
        {"running": 1},
        {"running": 1},
        IDLE,
        IDLE,
        IDLE,
    ]
    before = [*clear(0), IDLE]
    rows = trace(Counters(CONFIG), [*before, *steps, *read(0), IDLE], "data")
    counts = dict(zip(COUNTERS, cycles_of(rows, "data")[len(before) + len(steps) + 1:]))
    assert counts == {"busy": 1, "filler": 1, "empty_column": 1, "starved": 16 + 1, "blocked": 1,
                      "writeback": 1, "drain": 1}


def name_of(step, filler):
    """The table of docs/timing.md: the first line that matches counts."""
    for port, name in (("entry", "filler" if filler else "busy"), ("empty", "empty_column"),
                       ("token", "writeback"), ("pending", "writeback"), ("finished", "drain"),
                       ("blocked", "blocked")):
        if step.get(port):
            return name
    return "starved"


def draw(rng, cycles):
    """What is decoded in each cycle, and whether an entry will turn out to be a filler."""
    steps = []
    fillers = []
    for _ in range(cycles):
        held = str(rng.choice(["entry", "empty", "token", "nothing"]))
        step = {name: int(rng.integers(2)) for name in ("pending", "finished", "blocked")}
        steps.append(step | ({} if held == "nothing" else {held: 1}))
        fillers.append(int(held == "entry" and rng.random() < 0.3))
    return steps, fillers


def count(steps, fillers, layer):
    """Count ``steps`` and read the layer's counters; the ports run ``latency`` behind."""
    late = Counters.latency
    run = [{"layer": layer, **step} for step in [*steps, *[IDLE] * late]]
    for cycle, filler in enumerate(fillers):
        run[cycle + late]["filler"] = filler
    for cycle in range(len(steps)):
        run[cycle + late]["running"] = 1
    before = [*clear(layer), IDLE]
    run += [IDLE] * 3                               # read, held and written
    rows = trace(Counters(CONFIG), [*before, *run, *read(layer), IDLE], "data")
    return dict(zip(COUNTERS, (row["data"] for row in rows[len(before) + len(run) + 1:])))


@pytest.mark.parametrize("layer", [0, CONFIG.max_layers - 1])
def test_exactly_one_counter_a_cycle(layer, rng):
    steps, fillers = draw(rng, 300)
    wanted = dict.fromkeys(COUNTERS, 0) | {"starved": FETCH}
    for step, filler in zip(steps, fillers):
        wanted[name_of(step, filler)] += 1
    got = count(steps, fillers, layer)
    assert got == wanted
    assert sum(got.values()) == FETCH + len(steps)


@pytest.mark.parametrize(("step", "name"), [
    ({"entry": 1}, "busy"), ({"empty": 1}, "empty_column"), ({"token": 1}, "writeback"),
    ({"pending": 1}, "writeback"), ({"finished": 1}, "drain"), ({"blocked": 1}, "blocked"),
    ({}, "starved")])
def test_the_same_counter_in_every_cycle(step, name):
    got = count([step] * 20, [0] * 20, 1)
    assert got[name] == 20 + FETCH * (name == "starved")
    assert sum(got.values()) == 20 + FETCH


def test_layers_have_counters_of_their_own():
    steps = []
    for layer in range(CONFIG.max_layers):
        steps += clear(layer)
        steps += [IDLE, *[{"layer": layer, "running": 1}] * (layer + 1)]
    steps += [IDLE] * 3
    at = len(steps)
    for layer in range(CONFIG.max_layers):
        steps += read(layer)
    rows = trace(Counters(CONFIG), [*steps, IDLE], "data")
    got = [row["data"] for row in rows[at + 1:]]
    assert got == [value for layer in range(CONFIG.max_layers)
                   for value in (0, 0, 0, FETCH + layer + 1, 0, 0, 0)]


def layer_with(saturated, layer, cycles=20):
    """Steps of a layer that is cleared, and of whose outputs ``saturated`` saturate."""
    fetch = [*clear(layer), *[{"layer": layer}] * (FETCH - len(COUNTERS))]
    run = [{"layer": layer, "running": 1} for _ in range(cycles)]
    for cycle in range(saturated):
        run[-1 - cycle]["saturated"] = 1
    return fetch + run


def stored(steps, layers):
    """What stands behind the seven of each layer after ``steps``."""
    steps = [*steps, *[IDLE] * 4]                   # read, held, written, and the eighth written
    reads = [{"address": layer << 3 | SATURATED} for layer in layers]
    rows = trace(Counters(CONFIG), [*steps, *reads, IDLE], "data")
    return [row["data"] for row in rows[len(steps) + 1:]]


@pytest.mark.parametrize("counts", [[0], [3], [3, 0], [0, 5, 20, 1]])
def test_saturated_outputs_of_layers_without_a_pause_between_them(counts):
    """The next layer's clearing takes the write port in the very cycle after a layer's last."""
    steps = [step for layer, count in enumerate(counts) for step in layer_with(count, layer)]
    assert stored(steps, range(len(counts))) == counts


def test_saturated_outputs_of_a_layer_that_runs_again():
    assert stored([*layer_with(7, 1), *[IDLE] * 20, *layer_with(2, 1)], [1]) == [2]
