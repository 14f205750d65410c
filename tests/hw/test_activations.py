# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.hw.activations import Activations

from .bench import cycles_of, trace

CONFIG = preset("TINY")
DEPTH = CONFIG.act_depth


def load(a, b):
    steps = []
    for enable, words in (("load_a", a), ("load_b", b)):
        steps += [{enable: 1, "load_address": address, "load_data": int(word)}
                  for address, word in enumerate(words)]
    return steps


def read_all(b, swap=0):
    return [{"read_en": 1, "read_b": b, "read_address": address, "swap": swap}
            for address in range(DEPTH)]


def test_worked_example():
    """The host loads A, a layer reads A and writes B, and the next layer reads B.

    Reads answer in the next cycle, and the word stays while nothing is read. In the last two
    cycles ``swap`` is high, so B is the source: what the layer before wrote there comes back.
    """
    steps = [
        {"load_a": 1, "load_address": 0, "load_data": 11},
        {"load_a": 1, "load_address": 1, "load_data": -3},
        {"read_en": 1, "read_address": 1},
        {"write_en": 1, "i": {"address": 1, "act": 40}},
        {"read_en": 1, "read_address": 0},
        {"swap": 1, "read_en": 1, "read_b": 1, "read_address": 1},
        {"swap": 1},
    ]
    rows = trace(Activations(CONFIG), steps, "data")
    assert cycles_of(rows, "data")[3:] == [-3, -3, 11, 40]


@pytest.mark.parametrize("swap", [0, 1])
def test_source_is_read_while_destination_is_written(swap, rng):
    """Every cycle reads the source and writes the destination, at one address and at others."""
    source, old, new = rng.integers(-32768, 32768, (3, DEPTH))
    steps = load(*((old, source) if swap else (source, old)))
    shift = int(rng.integers(DEPTH))
    start = len(steps)
    steps += [step | {"write_en": 1, "i": {"address": (k + shift) % DEPTH,
                                           "act": int(new[(k + shift) % DEPTH])}}
              for k, step in enumerate(read_all(swap, swap))]
    again = len(steps)
    steps += [*read_all(1 - swap, swap), *read_all(swap, swap), {}]
    rows = [row["data"] for row in trace(Activations(CONFIG), steps, "data")]
    late = Activations.latency
    assert rows[start + late:start + late + DEPTH] == source.tolist()
    assert rows[again + late:again + late + DEPTH] == new.tolist()
    assert rows[again + late + DEPTH:again + late + 2 * DEPTH] == source.tolist(), \
        "the source was written to"


def test_a_read_is_held_while_read_en_is_low(rng):
    a, b = rng.integers(-32768, 32768, (2, DEPTH))
    steps = load(a, b)
    at = len(steps)
    steps += [{"read_en": 1, "read_address": 3}, *[{"read_address": k} for k in range(4)],
              {"read_en": 1, "read_b": 1, "read_address": 5}, {}]
    rows = [row["data"] for row in trace(Activations(CONFIG), steps, "data")]
    assert rows[at + 1:at + 6] == [a[3]] * 5
    assert rows[at + 6] == b[5]


def test_layers_swap_back_and_forth(rng):
    """Layer l writes x + l + 1 of what it reads; after two layers A holds the result."""
    x = rng.integers(-1000, 1000, DEPTH)
    steps = load(x, np.zeros(DEPTH, int))
    value = x
    for layer in range(2):
        value = value + layer + 1
        steps += [{"write_en": 1, "i": {"address": k, "act": int(word)}, "swap": layer % 2}
                  for k, word in enumerate(value)]
    at = len(steps)
    steps += [*read_all(0), *read_all(1), {}]
    rows = [row["data"] for row in trace(Activations(CONFIG), steps, "data")][at + 1:]
    assert rows == [*(x + 3).tolist(), *(x + 1).tolist()]
