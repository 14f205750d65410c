# SPDX-License-Identifier: Apache-2.0
"""Random layers on random configurations: golden = fast = rtl, down to the last counter.

The same, larger: ``openeie verify --random 8500 --configurations 48 --seed 2026``.
"""
import pytest
from openeie.sim.random.coverage import BINS
from openeie.sim.verify import verify_random

pytestmark = pytest.mark.slow

LAYERS, CONFIGURATIONS = 250, 6
#: Each seed, and how many convolutions there are at least among its layers.
SEEDS = {11: 60, 14: 50, 17: 115, 21: 75}


@pytest.mark.timeout(2400)         # six builds of the gateware, on a machine that does other things
@pytest.mark.parametrize("seed", SEEDS)
def test_random_layers(seed):
    assert len(SEEDS) * LAYERS >= 1000 and len(SEEDS) * CONFIGURATIONS >= 20
    verdict = verify_random(LAYERS, seed, CONFIGURATIONS)
    assert verdict.layers >= LAYERS and verdict.configurations == CONFIGURATIONS
    assert verdict.kinds["conv"] >= SEEDS[seed] and sum(SEEDS.values()) >= 300
    assert len(verdict.bins) > len(BINS) // 2, verdict.missed
