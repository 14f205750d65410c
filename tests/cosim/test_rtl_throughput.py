# SPDX-License-Identifier: Apache-2.0
"""One entry per PE per cycle, in the gateware; an empty column costs at most one cycle."""
import numpy as np
import pytest

from openeie.core.compile import compile_network
from openeie.core.config import ENCODINGS, ArrayConfig
from openeie.core.graph import Linear, Network
from openeie.core.weights import SparseWeights
from openeie.core.timing import Timing
from openeie.sim import fast, rtl

CONFIG = ArrayConfig(pes=4, entry_depth=8192, pointer_depth=1024, act_depth=256, acc_depth=32,
                     channel_depth=32, max_layers=2)


def network(codes, *, encoding):
    """One layer whose outputs stay small, from codebook slots [m, n]."""
    m = len(codes)
    codebook = np.concatenate([[0], np.arange(1, 16) * 3 - 20])
    return Network(name="throughput", layers=(Linear(
        name="full", weights=SparseWeights.from_codes(codes, codebook), encoding=encoding,
        bias=np.zeros(m, int), multiplier=np.full(m, 1 << 14), shift=np.full(m, 20)),))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_full_columns_sustain_one_entry_a_cycle(encoding):
    rng = np.random.default_rng(1)
    net = network(rng.integers(1, 16, (CONFIG.pes * CONFIG.acc_depth, 512)), encoding=encoding)
    x = rng.integers(1, 256, (1, 512))
    program = compile_network(net, CONFIG)
    run = rtl.run(program, x)
    layer = run.layers[0]
    assert layer.total("busy") == CONFIG.pes * CONFIG.acc_depth * 512
    tail = Timing.row * CONFIG.acc_depth            # the one vector is written back at the end
    assert layer.total("busy") >= 0.99 * CONFIG.pes * (int(layer.cycles[0]) - tail)
    run.compare(fast.run(program, x))


def test_an_empty_column_costs_one_cycle():
    columns = 512
    codes = np.zeros((CONFIG.pes, columns), int)
    net = network(codes, encoding="codebook")
    program = compile_network(net, CONFIG)
    x = np.ones((1, columns), int)
    run = rtl.run(program, x)
    timing = Timing(CONFIG)
    empty = run.layers[0]
    assert empty.total("empty_column") == CONFIG.pes * columns
    pipeline = timing.first_scan + timing.broadcast + timing.queue + timing.pointers \
        + timing.entries + timing.token + timing.commit + timing.row * program.layers[0].dst_rows
    assert run.cycles[0] == columns + pipeline
    run.compare(fast.run(program, x))
