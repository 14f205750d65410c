# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.hw.address import RowAddress

from .bench import trace

CONFIG = preset("TINY").replace(acc_depth=256)


def reference(entries):
    """Rows and fillers of entries, as EIE's section III counts runs."""
    results, following = [], 0
    for entry in entries:
        row = (0 if entry["first"] else following) + entry["run"]
        filler = entry["run"] == CONFIG.max_run and entry["weight"] == 0
        results.append({"filler": int(filler), "o_valid": 1, "row": row})
        following = row + 1
    return results


def draw_columns(rng, columns):
    """Entries of columns whose rows fit the accumulators, fillers among them."""
    entries = []
    for column in range(columns):
        row, first = 0, 1
        while True:
            run = int(rng.choice([0, 0, 1, rng.integers(16), CONFIG.max_run]))
            if row + run >= CONFIG.acc_depth or (not first and rng.random() < 0.1):
                break
            weight = int(rng.choice([0, -1, 1, -32768, 32767]))
            entries.append({"act": int(rng.integers(-32768, 32768)), "run": run, "code": 0,
                            "weight": weight, "first": first, "bank": column % 2})
            row, first = row + run + 1, 0
    return entries


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "gaps"])
def test_rows_of_columns(stalled, rng):
    entries = draw_columns(rng, 30)
    steps, places = [], []
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
