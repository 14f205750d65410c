# SPDX-License-Identifier: Apache-2.0
"""A network of AlexNet's size on the paper's array: 4096 -> 4096 -> 1000, 9 % dense, 64 PEs."""
import numpy as np
import pytest

from openeie.core.array.config import preset
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.fast import fast
from openeie.sim.rtl import rtl

pytestmark = pytest.mark.slow


def large_network(seed=1, sizes=(4096, 4096, 1000), density=0.09):
    """Random weights; scales keep a third or so of the hidden activations alive."""
    rng = np.random.default_rng(seed)
    codebook = np.concatenate([[0], rng.integers(50, 1500, 15) * np.tile([1, -1], 8)[:15]])
    layers = []
    for number, (n, m) in enumerate(zip(sizes, sizes[1:])):
        codes = rng.integers(1, 16, (m, n), dtype=np.uint8)
        codes[rng.random((m, n)) >= density] = 0
        layers.append(Linear(
            name=f"fc{number + 6}", weights=SparseWeights.from_codes(codes, codebook),
            bias=rng.integers(-1 << 20, 1 << 18, m), multiplier=np.full(m, 1 << 14),
            shift=np.full(m, 26), relu=number == 0, encoding="codebook"))
    return Network(name="large", layers=tuple(layers), input_range=(0, 4095))


def test_large_network_is_equal_on_rtl_and_fast():
    rng = np.random.default_rng(2)
    net = large_network()
    x = rng.integers(1, 4096, (1, 4096)) * (rng.random((1, 4096)) < 0.35)
    program = compile_network(net, preset("EIE64"))
    run = rtl.run(program, x)
    compared = run.compare(fast.run(program, x))
    assert compared == sum(plan.outputs + 1 + 64 * 8 for plan in program.tiles)
    assert run.tiles[1].utilisation > 0.3
