# SPDX-License-Identifier: Apache-2.0
"""The simulator's side of the cocotb benches: clock, reset, stream drivers and monitors.

Everything is driven after a falling edge and sampled before the rising one, when the block's
combinational outputs have settled; so the benches do not depend on how a simulator orders the
events of one edge.
"""
import json
import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

#: What :func:`cosim.runner.run` was given.
PARAMETERS = json.loads(os.environ.get("OPENEIE_COSIM", '{"seed": 1}'))

STALL = 0.3


def generator(*salt):
    """Random numbers of this run; ``salt`` tells independent uses apart."""
    return np.random.default_rng([PARAMETERS["seed"], *salt])


async def start(dut, **inputs):
    """Set inputs, start the clock and reset for one cycle."""
    for name, value in inputs.items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


async def tick(dut, count=1):
    """Let cycles pass."""
    for _ in range(count):
        await FallingEdge(dut.clk)


async def settled(dut, *names):
    """Values before the next rising edge; the caller must then let a cycle pass."""
    await ReadOnly()
    return tuple(int(getattr(dut, name).value) for name in names)


class Source:
    """Drives a stream port ``<name>__{payload,valid,ready}``; payloads are integers."""
    def __init__(self, dut, name, *, rng=None):
        self.clk = dut.clk
        self.rng = rng
        self.payload, self.valid, self.ready = (
            getattr(dut, f"{name}__{part}") for part in ("payload", "valid", "ready"))
        self.valid.value = 0

    async def put(self, payload):
        while self.rng is not None and self.rng.random() < STALL:
            await FallingEdge(self.clk)
        self.payload.value = payload
        self.valid.value = 1
        await ReadOnly()
        while not self.ready.value:
            await RisingEdge(self.ready)        # cheaper than to look in every cycle
            if self.clk.value:
                await FallingEdge(self.clk)
            await ReadOnly()
        await FallingEdge(self.clk)
        self.valid.value = 0


class Sink:
    """Takes from a stream port."""
    def __init__(self, dut, name, *, rng=None):
        self.clk = dut.clk
        self.rng = rng
        self.payload, self.valid, self.ready = (
            getattr(dut, f"{name}__{part}") for part in ("payload", "valid", "ready"))
        self.ready.value = 0

    async def get(self):
        while self.rng is not None and self.rng.random() < STALL:
            await FallingEdge(self.clk)
        self.ready.value = 1
        await ReadOnly()
        while not self.valid.value:
            await RisingEdge(self.valid)
            if self.clk.value:
                await FallingEdge(self.clk)
            await ReadOnly()
        payload = int(self.payload.value)
        await FallingEdge(self.clk)
        self.ready.value = 0
        return payload
