# SPDX-License-Identifier: Apache-2.0
"""Results between clusters: every one arrives, in time, at the PEs it is meant for."""
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.array.timing import Timing
from openeie.hw.exchange import Exchange

from .bench import plain, simulate


def test_worked_example():
    """Two clusters; in cycle 0 the PE of cluster 1 has a result for row 5 of cluster 0's memory.

    The bus' turns are cluster 0 in even cycles and cluster 1 in odd ones. The result is kept in
    cycle 1, which is its cluster's turn, so it is on the bus, and written, in cycle 2. As a result
    for cluster 0 it also writes 0 into row 5 of cluster 1. In cycle 4 the other PE has a result for
    cluster 1, which has its turn in cycle 6 and is written, alone, in cycle 7.
    """
    results = {(0, 1): {"act": 9, "address": 5, "cluster": 0},
               (4, 0): {"act": -3, "address": 5, "cluster": 1}}
    assert run(config_of(2), results, 8, clustered=1) == [
        (2, 0, 5, 9), (2, 1, 5, 0), (7, 1, 5, -3)]


def config_of(clusters):
    return preset("TINY").replace(pes=2 * clusters, clusters=clusters, act_depth=256,
                                  operations=("linear", "conv"))


def drawn(rng, clusters, cycles):
    """(cycle, cluster) -> result; a PE's results are a row's writeback apart at least."""
    results = {}
    for cluster in range(clusters):
        cycle = int(rng.integers(0, 12))
        while cycle < cycles:
            results[cycle, cluster] = {"act": int(rng.integers(-32768, 32768)),
                                       "address": int(rng.integers(0, 512)),
                                       "cluster": int(rng.integers(0, clusters))}
            cycle += Timing.row + int(rng.choice([0, 0, rng.integers(0, 9)]))
    return results


def run(config, results, cycles, clustered):
    """Every write as (cycle, memory, address, act)."""
    dut = Exchange(config)
    writes = []

    async def bench(ctx):
        ctx.set(dut.clustered, clustered)
        for cycle in range(cycles + Timing(config).exchange + 1):
            ctx.set(dut.i_valid, sum(1 << q for q in range(config.clusters)
                                     if (cycle, q) in results))
            for q in range(config.clusters):
                ctx.set(dut.i[q], results.get((cycle, q), {}))
            await ctx.delay(0)
            writes.extend((cycle, q, plain(ctx.get(dut.o[q].address)), plain(ctx.get(dut.o[q].act)))
                          for q in range(config.clusters) if ctx.get(dut.o_valid[q]))
            await ctx.tick()
    simulate(dut, bench)
    return writes


def wanted(result, cluster, clustered, clusters):
    """What one result writes, as (memory, address, act)."""
    if not clustered:
        return {(cluster, result["address"], result["act"])}
    # The lanes behind the last channel.
    fills = range(clusters) if result["cluster"] == 0 else ()
    return {(q, result["address"], 0) for q in fills if q} \
        | {(result["cluster"], result["address"], result["act"])}


@pytest.mark.parametrize("clustered", [0, 1])
@pytest.mark.parametrize("clusters", [2, 4, 8])
def test_every_result_arrives_in_time(clusters, clustered, rng):
    config = config_of(clusters)
    cycles = 200
    results = drawn(rng, clusters, cycles)
    writes = run(config, results, cycles, clustered)
    longest = 0
    for (cycle, cluster), result in results.items():
        for one in wanted(result, cluster, clustered, clusters):
            # The earliest write of this kind that no other result has claimed.
            place = next(k for k, write in enumerate(writes)
                         if write[0] > cycle and write[1:] == one)
            longest = max(longest, writes.pop(place)[0] - cycle)
    assert not writes, "a write that no result asked for"
    assert longest + 1 <= Timing(config).exchange


def test_a_pe_that_waits_longest_still_has_its_turn(rng):
    """All clusters at once, as often as a row is written back: nothing is lost."""
    config = config_of(8)
    cycles = 160
    results = {(cycle, q): {"act": cycle + q, "address": cycle, "cluster": q}
               for cycle in range(0, cycles, Timing.row) for q in range(8)}
    writes = run(config, results, cycles, 1)
    values = [write for write in writes if write[3]]
    assert len(values) == len(results) - 1                      # one of them is a 0
    assert np.all(np.diff([write[0] for write in values[1:]]) >= 1)
