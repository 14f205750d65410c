# SPDX-License-Identifier: Apache-2.0
"""The array as generated Verilog under cocotb: ports, resets, faults, any initial state."""
import functools
import json

import pytest
from openeie.core.array.config import preset
from openeie.sim.fast import fast
from openeie.sim.rtl.verilog import TOP, generate

from .network import draw
from .runner import run

pytestmark = pytest.mark.slow

CONFIG = preset("TINY").replace(pes=3, queue_depth=2, max_code_length=5)
VERILOG = functools.cache(generate)


def run_bench(simulator, seed, path, tests=None):
    run(simulator, VERILOG(CONFIG), TOP, "bench_array", seed=seed, tests=tests,
        config=CONFIG.to_dict(), results=str(path))


def check_with_fast(path):
    """Outputs, cycles and counters equal those of the fast engine."""
    program, x = draw(CONFIG)
    wanted = fast.run(program, x)
    for got, layer in zip(json.loads(path.read_text()), wanted.tiles, strict=True):
        assert got["outputs"] == layer.outputs.tolist()
        assert [got["cycles"]] == layer.cycles.tolist()
        assert [got["counters"]] == layer.counters.tolist()


@pytest.mark.parametrize("state", range(3))
def test_array_in_verilator(state, seed, tmp_path):
    """All benches, each time from another random state and with other stalls."""
    run_bench("verilator", seed + state, tmp_path / "results.json")
    check_with_fast(tmp_path / "results.json")


def test_array_in_icarus(seed, tmp_path):
    """An event-driven simulator with unknown values: no X from a reset reaches a port."""
    run_bench("icarus", seed, tmp_path / "results.json", "a_program_through_the_ports")
    check_with_fast(tmp_path / "results.json")
