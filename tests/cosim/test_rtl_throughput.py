# SPDX-License-Identifier: Apache-2.0
"""One entry per PE per cycle, in the gateware; an empty column costs at most one cycle; N
multiplications a cycle in layers that work on every channel by itself."""
import numpy as np
import pytest

from openeie.core.array.config import ENCODINGS, ArrayConfig
from openeie.core.array.timing import Timing
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import INPUT, Add, Depthwise, Linear, Network
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.fast import fast
from openeie.sim.rtl import rtl

pytestmark = pytest.mark.slow

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
    layer = run.tiles[0]
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
    empty = run.tiles[0]
    assert empty.total("empty_column") == CONFIG.pes * columns
    pipeline = timing.first_scan + timing.broadcast + timing.queue + timing.pointers \
        + timing.entries + timing.token + timing.commit + timing.row * program.tiles[0].acc_rows
    assert run.cycles[0] == columns + pipeline
    run.compare(fast.run(program, x))


MAPS = CONFIG.replace(operations=("linear", "conv", "pool"), act_depth=4096, encodings=("csr",))


def depthwise(channels, size, **fields):
    """A 3 x 3 depthwise convolution without a weight of 0."""
    return Depthwise(**{
        "name": "depthwise", "encoding": "csr",
        "window": Window(height=size, width=size, channels=channels, kernel=(3, 3)),
        "weights": SparseWeights.from_dense(np.arange(1, 9 * channels + 1).reshape(channels, 9)),
        "bias": np.zeros(channels, int), "multiplier": np.full(channels, 1 << 14),
        "shift": np.full(channels, 30)} | fields)


def cycles_of_positions(program, x, number, work):
    """Cycles and entries of a layer whose positions each have ``work`` items and a token, where
    writing back the position before may take longer."""
    plan, config = program.tiles[number], program.config
    run = rtl.run(program, x)
    run.compare(fast.run(program, x))
    layer, timing = run.tiles[number], Timing(config)
    write = timing.token + timing.row * plan.acc_rows
    position, positions = max(work + 1, write), plan.walk.positions
    assert position * (positions - 1) < layer.cycles[0]
    assert layer.cycles[0] < position * positions + timing.first_scan + write + timing.commit + 8
    return layer


@pytest.mark.parametrize("channels", [15, 16, 17, 64])
def test_a_depthwise_position_takes_a_cycle_for_each_row_it_sees(channels):
    """9 x ceil(C / N) cycles, whatever the activations are."""
    network = Network(name="n", layers=(depthwise(channels, 10),))
    x = np.random.default_rng(2).integers(-1, 2, (1, network.inputs))
    rows, positions = -(-channels // MAPS.pes), 64
    layer = cycles_of_positions(compile_network(network, MAPS), x, 0, 9 * rows)
    assert layer.total("busy") == 9 * channels * positions      # an entry a multiplication
    assert channels < 64 or layer.utilisation > 0.97


def test_an_addition_takes_two_cycles_a_row_and_eight_to_write_it_back():
    channels, pixels = 24, 100
    network = Network(name="n", layers=(
        depthwise(channels, 12), depthwise(channels, 12, name="other", sources=(INPUT,)),
        Add(name="sum", pixels=pixels, channels=channels, factors=(3, -2),
            sources=("depthwise", "other"))))
    program = compile_network(network, MAPS.replace(max_layers=3, channel_depth=64))
    x = np.random.default_rng(2).integers(-1, 2, (1, network.inputs))
    layer = cycles_of_positions(program, x, 2, 2 * channels // MAPS.pes)
    assert layer.total("busy") == 2 * channels * pixels
