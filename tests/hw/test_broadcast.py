# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.hw.broadcast import Broadcast

from .bench import cycles_of, plain, put_all, simulate, trace

CONFIG = preset("TINY").replace(pes=3)


def test_worked_example():
    """Three items for three queues, of which the second one is full in cycles 1 to 3.

    What the queues say is used a cycle later. Item 5 is taken in cycle 0 and pushed in cycle 1,
    since in cycle 0 all queues had room. In cycle 1 queue 1 has none; so item 6 waits in cycles 2,
    3 and 4, which count as blocked, and is pushed in cycle 5. There is room for two in that cycle,
    so item 7 follows in cycle 6.
    """
    full = {"ready": 0b101, "ready_two": 0b101}
    room = {"ready": 0b111, "ready_two": 0b111}
    queues = [room, full, full, full, room, room, room, room]
    offered = [5, 6, 7, 7, 7, 7, 0, 0]
    steps = [queue | {"i.valid": int(act > 0), "i.payload": {"act": act}}
             for queue, act in zip(queues, offered)]
    rows = trace(Broadcast(CONFIG, 3), steps, "i.ready", "push", "blocked", "item")
    assert cycles_of(rows, "i.ready") == [1, 1, 0, 0, 0, 1, 1, 1]
    assert cycles_of(rows, "push") == [0, 1, 0, 0, 0, 1, 1, 0]
    assert cycles_of(rows, "blocked") == [0, 0, 1, 1, 1, 0, 0, 0]
    assert [row["item"]["act"] for row in rows if row["push"]] == [5, 6, 7]


def items_of(rng, count):
    return [{"act": int(a), "column": k % 64, "token": int(k == count - 1)}
            for k, a in enumerate(rng.integers(-32768, 32768, count))]


def run(sent, readies, rng=None):
    """Broadcast items while the queues' ``ready`` follow ``readies`` (bool [cycles, PEs]), with
    room for two in every other cycle that has room for one.

    Returns the items pushed, the cycles of the pushes, and the cycles that were ``blocked``.
    """
    dut = Broadcast(CONFIG, CONFIG.pes)
    pushed = []
    when = []
    blocked = []
    allowed = [False]               # what the queues said of this cycle in the one before

    async def drive(ctx):
        await put_all(ctx, dut.i, sent, rng=rng)

    async def queues(ctx):
        for cycle, ready in enumerate(readies):
            ready_two = ready & bool(cycle % 2)
            ctx.set(dut.ready, sum(int(bit) << pe for pe, bit in enumerate(ready)))
            ctx.set(dut.ready_two, sum(int(bit) << pe for pe, bit in enumerate(ready_two)))
            await ctx.delay(0)
            push = bool(ctx.get(dut.push))
            assert not push or allowed[-1], "an item was pushed into a full queue"
            if push:
                pushed.append(plain(ctx.get(dut.item)))
                when.append(cycle)
            if ctx.get(dut.blocked):
                assert not allowed[-1] and not push
                blocked.append(cycle)
            allowed.append((ready_two if push else ready).all())
            await ctx.tick()
    simulate(dut, drive, queues)
    return pushed, when, blocked


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "slow-in"])
def test_all_queues_or_none(stalled, rng):
    sent = items_of(rng, 60)
    readies = rng.random((800, CONFIG.pes)) < 0.8
    pushed, _, _ = run(sent, readies, rng if stalled else None)
    assert pushed == sent


def test_one_item_a_cycle_and_latency(rng):
    """At full rate as long as there is room for two: here, in every other cycle."""
    sent = items_of(rng, 20)
    pushed, when, blocked = run(sent, np.ones((60, CONFIG.pes), bool))
    assert pushed == sent
    # Pushed in an odd cycle: room for two, so in the next one too, which has room for one.
    assert when[:5] == [Broadcast.latency, 2, 4, 6, 8] and blocked[:3] == [3, 5, 7]


def test_blocked_while_one_queue_is_full(rng):
    sent = items_of(rng, 3)
    readies = np.ones((20, CONFIG.pes), bool)
    readies[2:7, 1] = False                 # the second item's place was known before
    pushed, when, blocked = run(sent, readies)
    assert pushed == sent
    assert when == [1, 2, 8] and blocked == [3, 4, 5, 6, 7]


def test_nothing_to_send_is_not_blocked():
    assert run([], np.zeros((10, CONFIG.pes), bool)) == ([], [], [])
