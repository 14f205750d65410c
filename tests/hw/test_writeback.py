# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.array.load_port import channel_words
from openeie.core.array.timing import Timing
from openeie.core.numbers.fixed import (MAX_SHIFT, MULTIPLIER_BITS, int_range, is_saturated,
                                        requantise, rescale)
from openeie.hw.writeback import Writeback

from .bench import plain, simulate

TINY = preset("TINY")


def test_worked_example():
    """A vector of two rows: accumulators 100 and -7, bias 5 and 0, multiplier 3, shift 2.

    (100 + 5) * 3 / 4 = 78.75 and -7 * 3 / 4 = -5.25, rounded to the nearest. The host has shifted
    the multiplier 3 left to 0xC000, so that the result begins at a digit of 16 bits. The first row
    is read in the cycle after ``vector_start`` and written 14 cycles later; the second one eight
    cycles after that.
    """
    channels = np.array([0x0000_C000_0000_0005, 0x0000_C000_0000_0000], np.uint64)
    written, cycles, done = write_back(TINY, layer_of(rows=2, vectors=1), np.array([[100, -7]]),
                                       channels)
    assert written == [(0, 79), (1, -5)]
    assert cycles == [15, 23]
    assert done == [1]


def write_back(config, layer, acc, channels, *, gap=0, saturated=None):
    """Write back vectors ``acc`` [vectors, rows]; returns, per cycle, what was written.

    The result has one (address, act) for each row, the cycles from ``vector_start`` to each write,
    and the cycle in which ``done`` rose after the last one. A list ``saturated`` gets a bit for
    each row; in no other cycle may that bit be up.
    """
    dut = Writeback(config)
    written = []
    cycles = []
    done = []
    saturated = [] if saturated is None else saturated
    vectors, rows = acc.shape

    async def accumulators(ctx):
        """Bank b holds vector v if v mod 2 == b; what is read comes a cycle later."""
        vector = 0
        async for _, _, en, bank, row, last in ctx.tick().sample(
                dut.read_en, dut.read_bank, dut.read_row, dut.released):
            value = -1                              # not read: whatever leaves most traces
            if en:
                assert bank == vector % 2 and row < rows
                value = int(acc[vector, row])
                vector += last
            ctx.set(dut.acc, value)

    async def bench(ctx):
        ctx.set(dut.layer, layer)
        ctx.set(dut.load_en, 1)
        for address, quarter in enumerate(channels.astype("<u8").view("<u2")):
            ctx.set(dut.load_address, 4 * layer["channel_base"] + address)
            ctx.set(dut.load_data, int(quarter))
            await ctx.tick()
        ctx.set(dut.load_en, 0)
        await ctx.tick()
        ctx.set(dut.layer_start, 1)
        await ctx.tick()
        ctx.set(dut.layer_start, 0)
        for vector in range(vectors):
            ctx.set(dut.vector_start, 1)
            ctx.set(dut.vector_bank, vector % 2)
            cycle = 0
            first = len(written)
            while len(written) < first + rows or cycle < gap:
                if ctx.get(dut.write_en):
                    assert not ctx.get(dut.done)
                    place = (ctx.get(dut.o.cluster),) if config.clusters > 1 else ()
                    written.append((*place, ctx.get(dut.o.address), plain(ctx.get(dut.o.act))))
                    cycles.append(cycle)
                    saturated.append(ctx.get(dut.saturated))
                assert ctx.get(dut.write_en) or not ctx.get(dut.saturated)
                await ctx.tick()
                cycle += 1
                ctx.set(dut.vector_start, 0)
            done.append(ctx.get(dut.done))
    simulate(dut, bench, processes=[accumulators])
    return written, cycles, done


def layer_of(rows, vectors, *, relu=0, base=0):
    return {"acc_rows": rows, "vectors": vectors, "relu": relu, "channel_base": base}


def channels_of(bias, multiplier, shift):
    return channel_words(*(np.array(values, np.int64) for values in (bias, multiplier, shift)))


def extremes(config, rng, count):
    """Sums, biases, multipliers and shifts at the ends of their ranges and in between.

    Sum plus bias stays inside the accumulator, as the compiler proves.
    """
    low, high = int_range(config.acc_width)
    bias_low = max(low // 2, -1 << 31)
    bias_high = min(high // 2, (1 << 31) - 1)
    bias = rng.choice([bias_low, -1, 0, 1, bias_high, *rng.integers(bias_low, bias_high, 3)],
                      count)
    multiplier = rng.choice([1, 2, (1 << MULTIPLIER_BITS) - 1, 1 << 14, 12345], count)
    shift = rng.choice([0, 1, 2, 14, 15, 16, 30, 45, 61, MAX_SHIFT], count)
    near = (1 << shift.astype(np.int64)) // multiplier * rng.choice(
        [-3, -1, 1, 2, 1 << config.act_width - 1], count) + rng.integers(-2, 3, count)
    acc = np.where(rng.random(count) < 0.4, near, rng.choice([low, high, 0, -1, 1], count))
    return np.clip(acc, low - np.minimum(bias, 0), high - np.maximum(bias, 0)), \
        bias, multiplier, shift


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize(("act_width", "acc_width"), [(16, 40), (16, 48), (8, 24), (8, 32)])
def test_equals_requantise(act_width, acc_width, relu, rng):
    config = TINY.replace(act_width=act_width, acc_width=acc_width, weight_width=16,
                          act_depth=512, acc_depth=256, channel_depth=512)
    acc, bias, multiplier, shift = extremes(config, rng, 240)
    wanted = requantise(acc, bias, multiplier, shift, relu=bool(relu), act_width=act_width)
    saturated = []
    written, _, _ = write_back(config, layer_of(240, 1, relu=relu, base=7), acc[np.newaxis],
                               channels_of(bias, multiplier, shift), saturated=saturated)
    assert written == list(enumerate(wanted.tolist()))
    at_an_end = is_saturated(rescale(acc, bias, multiplier, shift), relu=bool(relu),
                             act_width=act_width)
    assert saturated == at_an_end.tolist() and 20 < sum(saturated) < 200
    low, high = int_range(act_width)
    assert high in wanted and (0 if relu else low) in wanted, "both ends must be met"


@pytest.mark.parametrize(("acc", "shift", "wanted"), [
    (-1, 1, 0), (1, 1, 1), (-3, 1, -1), (3, 1, 2), (-2, 2, 0), (2, 2, 1), (-6, 2, -1),
    (-5, 0, -5), (1 << 39 - 1, 62, 0), (32767, 0, 32767), (32768, 0, 32767),
    (-32768, 0, -32768), (-32769, 0, -32768)])
def test_halves_round_up_and_ends_saturate(acc, shift, wanted):
    written, _, _ = write_back(TINY, layer_of(1, 1), np.array([[acc]]),
                               channels_of([0], [1], [shift]))
    assert written == [(0, wanted)]


def test_rate_latency_and_addresses(rng):
    rows = 5
    vectors = 3
    acc = rng.integers(-1000, 1000, (vectors, rows))
    written, cycles, done = write_back(TINY, layer_of(rows, vectors, base=11), acc,
                                       channels_of([0] * rows, [1] * rows, [0] * rows), gap=60)
    assert written == list(enumerate(acc.reshape(-1).tolist()))
    # A row is read in the cycle after start, and shows `latency` later what is then written.
    assert cycles == [1 + Timing.row * row + Writeback.latency for row in range(rows)] * vectors
    assert done == [0, 0, 1]


def test_vectors_of_one_row(rng):
    acc = rng.integers(-1000, 1000, (4, 1))
    written, _, done = write_back(TINY, layer_of(1, 4), acc, channels_of([5, -1], [1, 1], [0, 0]))
    assert written == list(enumerate((acc[:, 0] + 5).tolist()))
    assert done == [0, 0, 0, 1]


@pytest.mark.parametrize("rows", [1, 3, 4, 5])
def test_rows_of_a_clustered_layer_share_addresses(rows, rng):
    """Four rows have one address, for four clusters; the next vector is ``dst_step`` further."""
    config = TINY.replace(pes=4, clusters=4, act_depth=256, operations=("linear", "conv"))
    acc = rng.integers(-1000, 1000, (3, rows))
    layer = layer_of(rows, 3) | {"clustered": 1, "dst_origin": 9, "dst_step": 20}
    written, _, done = write_back(config, layer, acc,
                                  channels_of([0] * rows, [1] * rows, [0] * rows))
    lines = -(-rows // 4)
    assert written == [(row % 4, 9 + vector * (lines - 1 + 20) + row // 4, int(acc[vector, row]))
                       for vector in range(3) for row in range(rows)]
    assert done == [0, 0, 1]
