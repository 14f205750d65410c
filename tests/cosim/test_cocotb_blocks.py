# SPDX-License-Identifier: Apache-2.0
"""Blocks as generated Verilog, without power-up values, in two simulators."""
import pytest
from openeie.core.array.config import preset
from openeie.hw.accumulators import Accumulators
from openeie.hw.entries import EntryReader
from openeie.hw.queue import ActivationQueue
from openeie.sim.rtl.verilog import convert

from .runner import SIMULATORS, run

pytestmark = pytest.mark.slow

TINY = preset("TINY").replace(pes=1)


@pytest.mark.parametrize(("simulator", "depth"), [("verilator", 3), ("icarus", 1), ("icarus", 3)])
def test_queue(simulator, depth, seed):
    run(simulator, convert(ActivationQueue(12, depth=depth), "queue"), "queue", "bench_queue",
        seed=seed, depth=depth)


@SIMULATORS
def test_accumulators(simulator, seed):
    run(simulator, convert(Accumulators(TINY), "accumulators"), "accumulators",
        "bench_accumulators", seed=seed, config=TINY.to_dict())


@pytest.mark.parametrize(("simulator", "word_width"),
                         [("verilator", 64), ("icarus", 32), ("icarus", 64)])
def test_entries(simulator, word_width, seed):
    config = TINY.replace(word_width=word_width)
    run(simulator, convert(EntryReader(config), "entries"), "entries", "bench_entries", seed=seed,
        config=config.to_dict())
