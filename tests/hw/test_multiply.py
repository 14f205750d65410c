# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.hw.multiply import Multiply

from .bench import signed_range, trace

TINY = preset("TINY")


def test_worked_example():
    """3 x -4 for row 5, one cycle later; nothing follows it."""
    steps = [{"i_valid": 1, "i": {"act": 3, "weight": -4, "row": 5, "bank": 1}}, {}, {}]
    rows = trace(Multiply(TINY), steps, "o_valid", "o")
    assert [row["o_valid"] for row in rows] == [0, 1, 0]
    assert rows[1]["o"] == {"value": -12, "row": 5, "bank": 1}


@pytest.mark.parametrize(("act_width", "weight_width"), [(16, 16), (8, 4), (8, 16)])
def test_exact_products_one_a_cycle(act_width, weight_width, rng):
    config = TINY.replace(act_width=act_width, weight_width=weight_width)
    acts = [*signed_range(act_width), -1, 0, 1]
    weights = [*signed_range(weight_width), -1, 0, 1]
    pairs = [(a, w) for a in acts for w in weights]
    steps = [{"i_valid": int(rng.integers(2)), "i": {
        "act": a, "weight": w, "row": int(rng.integers(16)), "bank": int(rng.integers(2))}}
        for a, w in pairs]
    rows = trace(Multiply(config), [*steps, {}], "o_valid", "o")
    for step, row in zip(steps, rows[Multiply.latency:]):
        i = step["i"]
        assert row == {"o_valid": step["i_valid"], "o": {
            "value": i["act"] * i["weight"], "row": i["row"], "bank": i["bank"]}}
