# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.entries.huffman import CanonicalCode, package_merge, table_words
from openeie.hw.huffman import HuffmanDecoder

from .bench import simulate, trace

TINY = preset("TINY")


def test_worked_example():
    """Runs with the codewords 0, 10, 11, codes with 0 and 1; three entries, one window each.

    ``limit`` of length l is the first window, cut to 4 bits, that is above all codewords of length
    l or less: 1000 for 0, and 10000 for the rest. ``offset`` takes a codeword to its rank: 10 and
    11 are 2 and 3 as numbers, so -1 makes them the ranks 1 and 2.
    """
    run_limits = [0b1000, 0b10000, 0b10000, 0b10000]
    run_offsets = [0, 0xFF, 0, 0]
    code_limits = [0b10000, 0b10000, 0b10000, 0b10000]
    code_offsets = [0, 0, 0, 0]
    tables = [{"run_limit": run_limit, "run_offset": run_offset, "code_limit": code_limit,
               "code_offset": code_offset} for run_limit, run_offset, code_limit, code_offset
              in zip(run_limits, run_offsets, code_limits, code_offsets)]
    steps = [{"window": 0b0_1_000000}, {"window": 0b10_0_11111}, {"window": 0b11_1_01010}]
    rows = trace(HuffmanDecoder(config_of(4)), steps, "run", "code", "length",
                 hold={"tables": tables})
    assert [(row["run"], row["code"], row["length"]) for row in rows] == [
        (0, 1, 2), (1, 0, 3), (2, 1, 3)]


def config_of(longest, code_width=4, run_width=4):
    return TINY.replace(max_code_length=longest, code_width=code_width, run_width=run_width)


def random_code(rng, symbols, longest):
    """A code for some of ``symbols``: even, skewed, steep, or of a single symbol."""
    used = int(rng.integers(1, symbols + 1))
    frequencies = np.zeros(symbols, np.int64)
    kind = rng.integers(3)
    values = (np.ones(used), 1 + 1000 // np.arange(1, used + 1),
              2 ** np.minimum(np.arange(used), 40))[kind]
    frequencies[rng.permutation(symbols)[:used]] = values
    return CanonicalCode(package_merge(frequencies, longest))


def one_symbol(symbols):
    return CanonicalCode(package_merge(np.eye(1, symbols, 1, dtype=int)[0], 1))


def steep(symbols, longest):
    """A code with codewords of every length from 1 to ``longest``."""
    lengths = np.zeros(symbols, np.uint8)
    lengths[:longest] = np.arange(1, longest + 1)
    lengths[longest] = longest
    return CanonicalCode(lengths)


def bits(code, rank):
    """Codeword of a rank, first bit first."""
    symbol = code.ranked[rank]
    return f"{code.codewords[symbol]:0{code.lengths[symbol]}b}"


def check(config, run, code, pairs, rng):
    """Decode every (run rank, code rank), with random bits behind the two codewords."""
    size = 2 * config.max_code_length
    dut = HuffmanDecoder(config)

    async def bench(ctx):
        ctx.set(dut.tables, table_words(run, code, config.max_code_length))
        for a, b in pairs:
            entry = bits(run, a) + bits(code, b)
            for rest in (rng.integers(0, 2, size), np.zeros(size, int), np.ones(size, int)):
                window = (entry + "".join(map(str, rest)))[:size]
                ctx.set(dut.window, int(window, 2))
                await ctx.delay(0)
                got = tuple(ctx.get(port) for port in (dut.run, dut.code, dut.length))
                assert got == (a, b, len(entry)), window
    simulate(dut, bench)


@pytest.mark.parametrize(("longest", "code_width", "run_width"),
                         [(4, 4, 4), (12, 4, 4), (12, 8, 4), (15, 8, 8), (15, 8, 5)])
def test_every_pair_of_random_codes(longest, code_width, run_width, rng):
    config = config_of(longest, code_width, run_width)
    for _ in range(4):
        run = random_code(rng, 1 << run_width, longest)
        code = random_code(rng, 1 << code_width, longest)
        pairs = [(int(rng.integers(len(run.ranked))), b) for b in range(len(code.ranked))] \
            + [(a, int(rng.integers(len(code.ranked)))) for a in range(len(run.ranked))]
        check(config, run, code, pairs, rng)


@pytest.mark.parametrize("longest", [4, 12, 15])
def test_shortest_and_longest_codewords(longest, rng):
    """Lengths 1 and greatest in the same code, and a lone symbol beside it."""
    config = config_of(longest)
    long = steep(16, longest)
    lone = one_symbol(16)
    ends = [0, len(long.ranked) - 1, len(long.ranked) - 2]
    check(config, long, long, [(a, b) for a in ends for b in ends], rng)
    check(config, lone, long, [(0, b) for b in range(len(long.ranked))], rng)
    check(config, long, lone, [(a, 0) for a in range(len(long.ranked))], rng)
    check(config, lone, lone, [(0, 0)], rng)


def test_a_window_without_codeword_still_advances():
    """A lone symbol leaves half of the windows without codeword."""
    config = config_of(6)
    lone = one_symbol(16)
    dut = HuffmanDecoder(config)

    async def bench(ctx):
        ctx.set(dut.tables, table_words(lone, lone, 6))
        ctx.set(dut.window, 0xFFF)
        await ctx.delay(0)
        assert ctx.get(dut.length) == 12
    simulate(dut, bench)
