# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.hw.lnzd import Lnzd

from .bench import cycles_of, signed_range, trace, transfer

TINY = preset("TINY")
LANES = [1, 3, 4, 5, 16, 64]


def test_worked_example():
    """Two rows of four activations become two items and a token, without a gap.

    The first row, 0 7 0 -2, has hits in columns 1 and 3. The second row is all zero, but it is the
    vector's last, so it makes the token. A row is taken in cycle 0; its first hit is offered in
    cycle 1 (latency 1), its second one in cycle 2, in which the next row is taken.
    """
    first = {"acts": [0, 7, 0, -2], "column": 0, "last": 0}
    second = {"acts": [0, 0, 0, 0], "column": 4, "last": 1}
    steps = [
        {"o.ready": 1, "i.valid": 1, "i.payload": first},
        {"o.ready": 1, "i.valid": 1, "i.payload": second},
        {"o.ready": 1, "i.valid": 1, "i.payload": second},
        {"o.ready": 1},
        {"o.ready": 1},
    ]
    rows = trace(Lnzd(config_of(4)), steps, "i.ready", "o.valid", "o.payload")
    assert cycles_of(rows, "i.ready") == [1, 0, 1, 1, 1]
    assert cycles_of(rows, "o.valid") == [0, 1, 1, 1, 0]
    items = cycles_of(rows, "o.payload")
    assert items[1] == {"act": 7, "column": 1, "token": 0}
    assert items[2] == {"act": -2, "column": 3, "token": 0}
    assert items[3]["token"] == 1


def config_of(lanes):
    return TINY.replace(pes=lanes, pointer_depth=4096)


def reference(rows):
    """Items of rows, as EIE's section IV says: non-zero ones in order, then the token."""
    items = []
    for row in rows:
        items += [{"act": act, "column": row["column"] + lane, "token": 0}
                  for lane, act in enumerate(row["acts"]) if act != 0]
        items += [{"act": None, "column": None, "token": 1}] * row["last"]
    return items


def draw_rows(rng, config, vectors=4):
    """Vectors that have a row of each kind, in random order."""
    lanes = config.pes
    (low, high) = signed_range(config.act_width)
    rows = []
    for _ in range(vectors):
        full = rng.choice([low, -1, 1, high], lanes)
        kinds = [np.zeros(lanes, int), full, full * (rng.random(lanes) < 0.3),
                 full * (np.arange(lanes) == lanes - 1), full * (np.arange(lanes) == 0),
                 np.full(lanes, -1), np.zeros(lanes, int)]
        kinds = [kinds[k] for k in rng.permutation(len(kinds))[:rng.integers(1, len(kinds) + 1)]]
        rows += [{"acts": acts.tolist(), "column": lanes * k, "last": int(k == len(kinds) - 1)}
                 for k, acts in enumerate(kinds)]
    return rows


def masked(items):
    """A token's value and column mean nothing."""
    return [item if not item["token"] else {"act": None, "column": None, "token": 1}
            for item in items]


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
@pytest.mark.parametrize("lanes", LANES)
def test_items_of_rows(lanes, stalled, rng):
    config = config_of(lanes)
    rows = draw_rows(rng, config)
    wanted = reference(rows)
    got, _ = transfer(Lnzd(config), rows, len(wanted), rngs=[rng if stalled else None] * 2)
    assert masked(got) == wanted


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_one_hit_a_cycle_and_an_empty_row_costs_one(lanes, rng):
    config = config_of(lanes)
    rows = draw_rows(rng, config)
    wanted = reference(rows)
    got, cycles = transfer(Lnzd(config), rows, len(wanted))
    spent = sum(max(1, np.count_nonzero(row["acts"])) for row in rows if not row["last"]) \
        + sum(np.count_nonzero(row["acts"]) + 1 for row in rows if row["last"])
    assert masked(got) == wanted
    assert cycles == Lnzd.latency + spent


def test_vectors_of_zeros_are_tokens_only():
    config = config_of(5)
    rows = [{"acts": [0] * 5, "column": 0, "last": 1}] * 6
    got, cycles = transfer(Lnzd(config), rows, 6)
    assert [item["token"] for item in got] == [1] * 6
    assert cycles == Lnzd.latency + 6
