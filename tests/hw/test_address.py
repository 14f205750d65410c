# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.hw.address import RowAddress

from .bench import cycles_of, trace

CONFIG = preset("TINY").replace(acc_depth=256)


def test_worked_example():
    """A column with entries in rows 0, 3 and 21, then a column with one entry in row 4.

    The run counts the zeros before an entry: 0 of them, then 2 (rows 1 and 2). From row 3 to row 21
    there are 17 zeros, more than a run of 4 bits can say, so a filler (run 15, weight 0) takes
    row 19, and one more zero follows. The next column counts from row 0 again.
    """
    steps = [
        {"i_valid": 1, "i": {"first": 1, "run": 0, "weight": 7}},
        {"i_valid": 1, "i": {"first": 0, "run": 2, "weight": -5}},
        {"i_valid": 1, "i": {"first": 0, "run": 15, "weight": 0}},
        {"i_valid": 1, "i": {"first": 0, "run": 1, "weight": 9}},
        {"i_valid": 1, "i": {"first": 1, "run": 4, "weight": 2}},
        {},
    ]
    rows = trace(RowAddress(CONFIG), steps, "o_valid", "o", "filler")
    assert cycles_of(rows, "o_valid") == [0, 1, 1, 1, 1, 1]
    assert [o["row"] for o in cycles_of(rows, "o")[1:]] == [0, 3, 19, 21, 4]
    assert [o["weight"] for o in cycles_of(rows, "o")[1:]] == [7, -5, 0, 9, 2]
    assert cycles_of(rows, "filler") == [0, 0, 0, 1, 0, 0]


def reference(entries):
    """Rows and fillers of entries, as EIE's section III counts runs."""
    results = []
    next_row = 0
    for entry in entries:
        row = (0 if entry["first"] else next_row) + entry["run"]
        filler = entry["run"] == CONFIG.max_run and entry["weight"] == 0
        results.append({"filler": int(filler), "o_valid": 1, "row": row})
        next_row = row + 1
    return results


def draw_columns(rng, columns):
    """Entries of columns whose rows fit the accumulators, fillers among them."""
    entries = []
    for column in range(columns):
        row = 0
        first = 1
        while True:
            run = int(rng.choice([0, 0, 1, rng.integers(16), CONFIG.max_run]))
            if row + run >= CONFIG.acc_depth or (not first and rng.random() < 0.1):
                break
            weight = int(rng.choice([0, -1, 1, -32768, 32767]))
            entries.append({"act": int(rng.integers(-32768, 32768)), "run": run, "code": 0,
                            "weight": weight, "first": first, "bank": column % 2})
            row += run + 1
            first = 0
    return entries


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "gaps"])
def test_rows_of_columns(stalled, rng):
    entries = draw_columns(rng, 30)
    steps = []
    places = []
    for entry in entries:
        while stalled and rng.random() < 0.3:       # what a gap holds must not matter
            steps.append({"i": {**entry, "run": 5, "weight": 0}})
        places.append(len(steps))
        steps.append({"i_valid": 1, "i": entry})
    rows = trace(RowAddress(CONFIG), [*steps, {}], "o_valid", "o", "filler")
    for place, entry, wanted in zip(places, entries, reference(entries)):
        row = rows[place + RowAddress.latency]
        got = {"filler": row["filler"], "o_valid": row["o_valid"], "row": row["o"]["row"]}
        assert got == wanted
        assert all(row["o"][name] == entry[name] for name in ("act", "weight", "bank"))
    gaps = set(range(len(steps))) - set(places)
    assert not any(rows[c + RowAddress.latency][name] for c in gaps
                   for name in ("o_valid", "filler"))


def test_a_filler_is_longest_run_and_weight_zero():
    entries = [{"run": run, "weight": weight, "first": 1} for run in (0, 14, 15)
               for weight in (0, 1)]
    rows = trace(RowAddress(CONFIG), [*({"i_valid": 1, "i": e} for e in entries), {}],
                 "o_valid", "filler")
    assert [row["filler"] for row in rows[1:]] == [0, 0, 0, 0, 1, 0]
    assert [row["o_valid"] for row in rows[1:]] == [1] * 6
