# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.hw.multiply import Multiply

from .bench import signed_range, trace

TINY = preset("TINY")


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
