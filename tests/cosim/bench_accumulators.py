# SPDX-License-Identifier: Apache-2.0
"""cocotb: the accumulators, from any state, against two rows of Python integers."""
import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from openeie.core.array.config import ArrayConfig

from cosim.ports import PARAMETERS, generator, start

CONFIG = ArrayConfig.from_dict(PARAMETERS["config"]) if "config" in PARAMETERS else ArrayConfig()
WIDTH = CONFIG.act_width + CONFIG.weight_width
INPUTS = ("i_valid", "read_en", "clear", "wipe", "i", "read_bank", "read_row", "wipe_row")


async def wipe(dut):
    await start(dut, **dict.fromkeys(INPUTS, 0))
    for row in range(CONFIG.acc_depth):
        dut.wipe.value = 1
        dut.wipe_row.value = row
        await FallingEdge(dut.clk)
    dut.wipe.value = 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def add_to_one_bank_and_empty_the_other(dut):
    """The banks change sides now and then; in between both ports are used at random."""
    await wipe(dut)
    rng = generator(1)
    sums = [[0] * CONFIG.acc_depth, [0] * CONFIG.acc_depth]
    reading = None
    for phase in range(12):
        adding = phase % 2
        for cycle in range(60):
            quiet = cycle >= 56             # the last product's sum must be in memory
            valid = rng.random() < 0.8 and not quiet
            row = int(rng.integers(3))
            value = int(rng.integers(-1 << 31, 1 << 31))
            read = rng.random() < 0.5
            read_row = int(rng.integers(CONFIG.acc_depth))
            if quiet:
                read = False
            dut.i_valid.value = int(valid)
            dut.i.value = value & (1 << WIDTH) - 1 | row << WIDTH \
                | adding << WIDTH + CONFIG.row_width
            dut.read_en.value = int(read)
            dut.read_bank.value = 1 - adding
            dut.clear.value = int(read)
            dut.read_row.value = read_row
            await ReadOnly()
            if reading is not None:
                assert dut.acc.value.to_signed() == reading
            await FallingEdge(dut.clk)
            reading = None
            if read:
                reading = sums[1 - adding][read_row]
                sums[1 - adding][read_row] = 0
            if valid:
                sums[adding][row] += value
