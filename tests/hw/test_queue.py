# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.hw.queue import ActivationQueue

from .bench import cycles_of, plain, simulate, trace, transfer

STALLS = pytest.mark.parametrize("stalls", [(0, 0), (1, 0), (0, 1), (1, 1)],
                                 ids=["full-rate", "slow-in", "slow-out", "stalled"])


def test_worked_example():
    """A queue for two items of 8 bits, cycle by cycle.

    Cycles 0 and 1 push 0x11 and 0x22. The first one is offered from cycle 1 on (latency 1). In
    cycle 2 the queue is full, so 0x33 has to wait, although cycle 2 pops an item: the place that
    this frees is offered in cycle 3, in which 0x33 goes in and 0x22 out.
    """
    steps = [
        {"i.valid": 1, "i.payload": 0x11},
        {"i.valid": 1, "i.payload": 0x22},
        {"i.valid": 1, "i.payload": 0x33, "o.ready": 1},
        {"i.valid": 1, "i.payload": 0x33, "o.ready": 1},
        {"o.ready": 1},
        {},
    ]
    rows = trace(ActivationQueue(8, depth=2), steps, "i.ready", "ready_two", "o.valid", "o.payload")
    assert cycles_of(rows, "i.ready") == [1, 1, 0, 1, 1, 1]
    assert cycles_of(rows, "ready_two") == [1, 0, 0, 0, 0, 1]
    assert cycles_of(rows, "o.valid") == [0, 1, 1, 1, 1, 0]
    assert cycles_of(rows, "o.payload")[1:5] == [0x11, 0x11, 0x22, 0x33]


@STALLS
@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_order_is_kept(depth, stalls, rng):
    sent = rng.integers(0, 1 << 12, 150).tolist()
    got, _ = transfer(ActivationQueue(12, depth=depth), sent, len(sent),
                      rngs=[rng if stall else None for stall in stalls])
    assert got == sent


@pytest.mark.parametrize(("depth", "cycles_per_item"), [(1, 2), (2, 1), (8, 1)])
def test_one_item_a_cycle_and_latency(depth, cycles_per_item, rng):
    """A queue of one item alternates; any deeper one is never in the way."""
    sent = rng.integers(0, 256, 40).tolist()
    got, cycles = transfer(ActivationQueue(8, depth=depth), sent, len(sent))
    assert got == sent
    assert cycles == ActivationQueue.latency + 1 + cycles_per_item * (len(sent) - 1)


@pytest.mark.parametrize("depth", [1, 3, 4])
def test_all_places_are_usable_and_a_freed_one_is_offered_a_cycle_later(depth):
    dut = ActivationQueue(8, depth=depth)

    async def bench(ctx):
        assert not ctx.get(dut.o.valid)
        for item in range(depth):
            assert ctx.get(dut.i.ready), "a queue that is not full must take an item"
            ctx.set(dut.i.payload, item)
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload) == 0
        ctx.set(dut.i.payload, 99)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.i.ready)
        ctx.set(dut.o.ready, 1)
        assert not ctx.get(dut.i.ready), "ready must not depend on the far side's ready"
        await ctx.tick()
        assert ctx.get(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        for item in range(1, depth):
            assert (ctx.get(dut.o.valid), plain(ctx.get(dut.o.payload))) == (1, item)
            await ctx.tick()
        assert not ctx.get(dut.o.valid)
    simulate(dut, bench)


@pytest.mark.parametrize("depth", [0, -1, 1.5])
def test_a_queue_without_places_is_refused(depth):
    with pytest.raises(ValueError, match=f"^depth must be a positive integer, not {depth}$"):
        ActivationQueue(8, depth=depth)
