# SPDX-License-Identifier: Apache-2.0
"""cocotb: the whole array through its ports, from any state, with random stalls."""
import json
from dataclasses import replace
from pathlib import Path

import cocotb
import numpy as np
from openeie.core import golden
from openeie.core.array.config import ArrayConfig
from openeie.core.array.counters import COUNTERS
from openeie.core.array.load_port import LOAD_RECORD, Control, Fault, Status, Target, load_crc

from cosim.network import draw
from cosim.ports import PARAMETERS, Sink, Source, generator, settled, start, tick

CONFIG = ArrayConfig.from_dict(PARAMETERS["config"]) if "config" in PARAMETERS else ArrayConfig()
PROGRAM, X = draw(CONFIG)
RECORDS = PROGRAM.records()
INPUTS = PROGRAM.input_records(X)
LAYERS = len(PROGRAM.tiles)
WANTED = [outputs.tolist() for outputs in golden.network(PROGRAM.network, X)]


class Host:
    """What a host does through the load and read ports."""
    def __init__(self, dut, rng):
        self.dut = dut
        self.rng = rng
        self.load = Source(dut, "i_load", rng=rng)
        self.request = Source(dut, "i_read", rng=rng)
        self.answer = Sink(dut, "o_read", rng=rng)

    async def reset(self):
        """The reset is registered: it acts a cycle later. Then the accumulators are wiped."""
        for port in (self.load.valid, self.request.valid, self.answer.ready):
            port.value = 0
        self.dut.rst.value = 1
        await tick(self.dut, int(self.rng.integers(1, 4)))
        self.dut.rst.value = 0
        await tick(self.dut)
        assert await self.idle(CONFIG.acc_depth + 2) >= CONFIG.acc_depth - 1

    async def idle(self, limit):
        """Cycles until nothing runs."""
        for cycle in range(limit):
            busy, = await settled(self.dut, "busy")
            await tick(self.dut)
            if not busy:
                return cycle
        raise AssertionError(f"still busy after {limit} cycles")

    async def write(self, records):
        for record in records:
            await self.load.put(int(record["target"]) | int(record["pe"]) << 4
                                | int(record["address"]) << 20 | int(record["data"]) << 52)

    async def command(self, address, data=0):
        await self.write(np.array([(Target.CONTROL, 0, 0, address, data)], LOAD_RECORD))

    async def image(self, records):
        """Write records and have them checked."""
        await self.write(records)
        await self.command(Control.CHECK, load_crc(records))

    async def read(self, target, pe, address):
        await self.request.put(int(target) | pe << 4 | address << 20)
        return await self.answer.get()

    async def fault(self):
        fault, = await settled(self.dut, "fault")
        await tick(self.dut)
        return Fault(fault)

    async def run(self):
        """Start all layers; everything there is to read afterwards."""
        await self.command(Control.START, LAYERS << 16)
        assert await self.idle(10_000) > 0
        assert await self.fault() is Fault.NONE
        return await self.results()

    async def results(self):
        results = []
        for number, plan in enumerate(PROGRAM.tiles):
            target = Target.ACT_A if number % 2 else Target.ACT_B
            words = [[await self.read(target, j % CONFIG.pes,
                                      v * plan.acc_rows + j // CONFIG.pes)
                      for j in range(plan.outputs)] for v in range(PROGRAM.vectors)]
            cycles = await self.read(Target.CYCLES, 0, number)
            counters = [[await self.read(Target.COUNTER, pe, number << 3 | index)
                         for index in range(len(COUNTERS))] for pe in range(CONFIG.pes)]
            assert all(sum(row) == cycles for row in counters), "counters add up to the cycles"
            results.append({"outputs": np.array(words, np.uint64).view(np.int64).tolist(),
                            "cycles": cycles, "counters": counters})
        assert [layer["outputs"] for layer in results] == WANTED
        return results


async def host(dut, *salt):
    """A host on an array that has just been reset from its random state."""
    rng = generator(*salt)
    one = Host(dut, rng)
    await start(dut)
    await one.reset()
    return one


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_program_through_the_ports(dut):
    one = await host(dut, 1)
    await one.image(np.concatenate([RECORDS, INPUTS]))
    first = await one.run()
    await one.image(INPUTS)
    assert await one.run() == first, "a second start differs"
    Path(PARAMETERS["results"]).write_text(json.dumps(first))


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def reads_while_busy(dut):
    """CONTROL is answered at once, everything else when the program has ended."""
    one = await host(dut, 2)
    await one.image(np.concatenate([RECORDS, INPUTS]))
    await one.command(Control.START, LAYERS << 16)
    state = await one.read(Target.CONTROL, 0, Status.STATE)
    assert state & 0x1FF == 1 << 8, "busy, without a fault"
    config = await one.read(Target.CONTROL, 0, Status.CONFIG)
    assert f"{config:016x}" == CONFIG.digest[:16]
    total = await one.read(Target.CYCLES, 0, LAYERS - 1)
    busy, = await settled(dut, "busy")
    await tick(dut)
    assert not busy
    assert (await one.results())[-1]["cycles"] == total
    state = await one.read(Target.CONTROL, 0, Status.STATE)
    assert state == LAYERS - 1 << 16


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def resets_at_random_times(dut):
    """In mid-layer the image survives; in mid-load it has to be written anew."""
    one = await host(dut, 3)
    await one.image(np.concatenate([RECORDS, INPUTS]))
    wanted = await one.run()
    total = sum(layer["cycles"] for layer in wanted)
    for _ in range(4):
        await one.command(Control.START, LAYERS << 16)
        await tick(dut, int(one.rng.integers(1, total)))
        busy, = await settled(dut, "busy")
        await tick(dut)
        assert busy, "the reset should hit a layer"
        await one.reset()
        await one.command(Control.START, LAYERS << 16)
        assert await one.fault() is Fault.UNCHECKED, "a reset forgets the check"
        await one.command(Control.CLEAR)
        await one.image(INPUTS)
        assert await one.run() == wanted
        await one.image(INPUTS)
    loading = cocotb.start_soon(one.image(RECORDS))
    await tick(dut, int(one.rng.integers(100, 400)))
    loading.cancel()
    await one.reset()
    await one.image(np.concatenate([RECORDS, INPUTS]))
    assert await one.run() == wanted


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def the_watchdog_names_the_place(dut):
    """A column of the second layer that never ends, in one PE."""
    one = await host(dut, 4)
    plan = PROGRAM.tiles[1]
    pe = int(one.rng.integers(CONFIG.pes))
    hits = np.flatnonzero(np.any(WANTED[0], axis=0) & (plan.entry_count[pe] > 0))
    column = plan.pointer_base + int(one.rng.choice(hits))
    bad = PROGRAM.pointers.copy()
    bad[pe, column + 1] |= (1 << CONFIG.place_width) - 1        # no word has such a slot
    records = replace(PROGRAM, pointers=bad).records()
    await one.image(np.concatenate([records, INPUTS]))
    await one.command(Control.START, LAYERS << 16)
    await one.idle(20_000)
    assert await one.fault() is Fault.WATCHDOG
    await one.command(Control.START, 3 | 1 << 16)               # refused, and forgets nothing
    state = await one.read(Target.CONTROL, 0, Status.STATE)
    assert state == Fault.WATCHDOG | 1 << 16, f"layer 1, not {state:#x}"
    assert await one.read(Target.CONTROL, 0, Status.PLACE) == pe
    await one.command(Control.CLEAR)
    await one.image(np.concatenate([RECORDS, INPUTS]))
    await one.run()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def a_flipped_bit_refuses_the_start(dut):
    one = await host(dut, 5)
    records = np.concatenate([RECORDS, INPUTS])
    damaged = records.copy()
    damaged["data"][one.rng.integers(len(records))] ^= np.uint64(1 << int(one.rng.integers(64)))
    await one.write(damaged)
    await one.command(Control.CHECK, load_crc(records))
    assert await one.fault() is Fault.BAD_CRC
    await one.command(Control.START, LAYERS << 16)
    assert await one.idle(10) == 0 and await one.fault() is Fault.BAD_CRC
    await one.command(Control.CLEAR)
    await one.command(Control.START, LAYERS << 16)
    assert await one.idle(10) == 0 and await one.fault() is Fault.UNCHECKED
    await one.command(Control.CLEAR)
    await one.image(records)
    await one.run()
