# SPDX-License-Identifier: Apache-2.0
"""The law on random layers x random configurations: golden = fast = rtl, to the last counter.

The same, larger: ``openeie verify --random 10000 --configurations 60 --seed 2026``.
"""
import pytest
from openeie.sim.coverage import BINS
from openeie.sim.verify import verify_random

LAYERS, CONFIGURATIONS, SEEDS = 250, 6, (11, 12, 13, 14)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_layers(seed):
    assert len(SEEDS) * LAYERS >= 1000 and len(SEEDS) * CONFIGURATIONS >= 20
    verdict = verify_random(LAYERS, seed, CONFIGURATIONS)
    assert verdict.layers >= LAYERS and verdict.configurations == CONFIGURATIONS
    assert verdict.kinds["conv"] >= 75, "300 convolutions altogether"
    assert len(verdict.bins) > len(BINS) // 2, verdict.missed
