# SPDX-License-Identifier: Apache-2.0
"""Shared by the block tests: drivers and monitors for streams, a clock with a watchdog."""
from operator import attrgetter

from amaranth import ClockDomain, Module
from amaranth.lib import data
from amaranth.sim import Simulator

STALL = 0.3             # how often a stalled stream pauses before a transfer


def simulate(dut, *benches, processes=(), limit=20_000):
    """Run testbenches to their end; more than ``limit`` cycles is a hang, and fails.

    ``processes`` stand for hardware around the block: testbenches see what they set.
    """
    top = Module()
    top.domains.sync = ClockDomain()            # a combinational block has none of its own
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-6)
    for bench in benches:
        sim.add_testbench(bench)
    for process in processes:
        sim.add_process(process)

    async def watchdog(ctx):
        for _ in range(limit):
            await ctx.tick()
        raise AssertionError(f"no result after {limit} cycles")
    sim.add_testbench(watchdog, background=True)
    sim.run()


async def put_all(ctx, port, payloads, *, rng=None):
    """Offer payloads on a stream, one after the other; with ``rng`` random pauses between."""
    for payload in payloads:
        while rng is not None and rng.random() < STALL:
            await ctx.tick()
        ctx.set(port.payload, payload)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


async def get_n(ctx, port, count, *, rng=None):
    """Take ``count`` payloads from a stream; with ``rng`` random pauses between."""
    got = []
    for _ in range(count):
        while rng is not None and rng.random() < STALL:
            await ctx.tick()
        ctx.set(port.ready, 1)
        payload, = await ctx.tick().sample(port.payload).until(port.valid)
        ctx.set(port.ready, 0)
        got.append(plain(payload))
    return got


def transfer(dut, payloads, count, *, i=None, o=None, rngs=(None, None), prepare=None,
             limit=20_000):
    """Push payloads through a block, in at ``i`` and out at ``o``.

    ``prepare``, a testbench, runs first, while both sides wait. Returns ``count`` outputs, and the
    cycles from the first input offered to the last output taken.
    """
    i = dut.i if i is None else i
    o = dut.o if o is None else o
    got = []
    cycles = [0]
    prepared = [prepare is None]

    async def drive(ctx):
        if prepare is not None:
            await prepare(ctx)
            prepared[0] = True
        await put_all(ctx, i, payloads, rng=rngs[0])

    async def monitor(ctx):
        got.extend(await get_n(ctx, o, count, rng=rngs[1]))

    async def count_cycles(ctx):
        while len(got) < count:
            counted = prepared[0]
            await ctx.tick()
            cycles[0] += counted
    simulate(dut, drive, monitor, count_cycles, limit=limit)
    return got, cycles[0]


def trace(dut, steps, *watch, hold=None):
    """Drive a block cycle by cycle, and watch it.

    ``steps`` has one mapping of port name to value a cycle, such as ``{"i.valid": 1}``; a port
    that a step does not name is 0 in that cycle. ``hold`` is set once. Returns what the ``watch``
    ports show in each cycle, one mapping a cycle, so that the answer to step c is in row
    c + latency.
    """
    driven = sorted({name for step in steps for name in step})
    ports = {name: attrgetter(name)(dut) for name in (*driven, *watch, *(hold or {}))}
    zeros = {name: {} if isinstance(getattr(ports[name], "shape", int)(), data.Layout) else 0
             for name in driven}
    rows = []

    async def bench(ctx):
        for name, value in (hold or {}).items():
            ctx.set(ports[name], value)
        for step in steps:
            for name in driven:
                ctx.set(ports[name], step.get(name, zeros[name]))
            await ctx.delay(0)
            rows.append({name: plain(ctx.get(ports[name])) for name in watch})
            await ctx.tick()
    simulate(dut, bench, limit=len(steps) + 2)
    return rows


def cycles_of(rows, name):
    """What one port showed, cycle by cycle."""
    return [row[name] for row in rows]


def plain(value):
    """Structs as dicts, arrays as lists, everything else as an integer."""
    if not isinstance(value, data.Const):
        return int(value)
    layout = value.shape()
    if isinstance(layout, data.ArrayLayout):
        return [plain(value[index]) for index in range(layout.length)]
    return {name: plain(value[name]) for name, _ in layout}


def signed_range(width):
    """Least and greatest signed number of ``width`` bits."""
    return -(1 << width - 1), (1 << width - 1) - 1
