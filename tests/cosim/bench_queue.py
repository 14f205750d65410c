# SPDX-License-Identifier: Apache-2.0
"""cocotb: the queue, from any state, against a Python deque."""
from collections import deque

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from cosim.ports import PARAMETERS, Sink, Source, generator, start

DEPTH = PARAMETERS.get("depth", 1)


async def transfer(dut, stalls):
    rng = generator(*stalls)
    source = Source(dut, "i", rng=rng if stalls[0] else None)
    sink = Sink(dut, "o", rng=rng if stalls[1] else None)
    await start(dut)
    sent = rng.integers(0, 1 << 12, 200).tolist()

    async def drive():
        for item in sent:
            await source.put(item)
    cocotb.start_soon(drive())
    assert [await sink.get() for _ in sent] == sent


@cocotb.test(timeout_time=100, timeout_unit="us")
async def order_is_kept_at_full_rate(dut):
    await transfer(dut, (0, 0))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def order_is_kept_with_stalls(dut):
    for stalls in ((1, 0), (0, 1), (1, 1)):
        await transfer(dut, stalls)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def every_cycle_as_a_deque(dut):
    """valid, ready and payload in each cycle, with inputs that change at will."""
    dut.i__valid.value = dut.i__payload.value = dut.o__ready.value = 0
    await start(dut)
    rng = generator(9)
    model = deque()
    for bias in (0.2, 0.5, 0.8):
        for _ in range(300):
            valid = rng.random() < bias
            ready = rng.random() < 1 - bias
            item = rng.integers(4096)
            dut.i__valid.value = int(valid)
            dut.o__ready.value = int(ready)
            dut.i__payload.value = int(item)
            await ReadOnly()
            assert bool(dut.o__valid.value) == bool(model)
            assert bool(dut.i__ready.value) == (len(model) < DEPTH)
            push = valid and len(model) < DEPTH
            if model:
                assert int(dut.o__payload.value) == model[0]
                if ready:
                    model.popleft()
            if push:
                model.append(int(item))
            await FallingEdge(dut.clk)
