# SPDX-License-Identifier: Apache-2.0
import zlib

import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.array.load_port import LOAD_RECORD, Control, Fault, Target, load_crc
from openeie.hw.loader import Loader

from .bench import cycles_of, plain, put_all, simulate, trace

CONFIG = preset("TINY")
WATCHED = ("i.ready", "write", "program_start", "first", "count", "fault")
MEMORIES = [target for target in Target if target is not Target.CONTROL]


def test_worked_example():
    """One write, its CHECK and a START, each offered for the eight cycles that it takes.

    The write's record has 16 bytes, least significant first: target 2 (ENTRY), 0, PE 3 in two
    bytes, address 5 in four, data in eight. CHECK has the CRC-32 of these bytes. Each word is
    taken in the eighth cycle; the write leaves in the cycle after, ``program_start`` comes at once.
    """
    record = bytes([2, 0, 3, 0, 5, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11])
    assert zlib.crc32(record) == 0xF7CF_12BA
    write = {"target": Target.ENTRY, "pe": 3, "address": 5, "data": 0x1122_3344_5566_7788}
    check = {"target": Target.CONTROL, "address": Control.CHECK, "data": 0xF7CF_12BA}
    start = {"target": Target.CONTROL, "address": Control.START, "data": 0x0002_0001}
    steps = [{"i.valid": 1, "i.payload": word} for word in (write, check, start) for _ in range(8)]
    rows = trace(Loader(CONFIG), [*steps, {}], *WATCHED, "word")
    assert [cycle for cycle, row in enumerate(rows) if row["i.ready"]] == [7, 15, 23]
    assert [cycle for cycle, row in enumerate(rows) if row["write"]] == [8]
    assert rows[8]["word"] == write
    assert [cycle for cycle, row in enumerate(rows) if row["program_start"]] == [23]
    assert (rows[23]["first"], rows[23]["count"]) == (1, 2)
    assert set(cycles_of(rows, "fault")) == {Fault.NONE}


def command(address, data=0):
    return {"target": Target.CONTROL, "pe": 0, "address": int(address), "data": int(data)}


def draw_words(rng, count):
    return [{"target": int(rng.choice(MEMORIES)), "pe": int(rng.integers(1 << 16)),
             "address": int(rng.integers(1 << 32)),
             "data": int(rng.integers(1 << 64, dtype=np.uint64))} for _ in range(count)]


def crc(words):
    """What CHECK expects, from the records themselves."""
    return load_crc(np.array([(w["target"], 0, w["pe"], w["address"], w["data"])
                              for w in words], LOAD_RECORD))


def start(first, count):
    return command(Control.START, first | count << 16)


class Model:
    """The load port's promises in Python: what is written, what starts, what is wrong."""
    def __init__(self):
        self.covered = []
        self.checked = False
        self.fault = Fault.NONE
        self.writes = []
        self.starts = []

    def take(self, word):
        if word["target"] != Target.CONTROL:
            self.covered.append(word)
            self.writes.append(word)
            self.checked = False
        elif word["address"] == Control.CHECK:
            self.checked = crc(self.covered) == word["data"] & 0xFFFFFFFF
            self.covered = []
            if not self.checked:
                self.fault = Fault.BAD_CRC
        elif word["address"] == Control.CLEAR:
            self.covered = []
            self.checked = False
            self.fault = Fault.NONE
        elif word["address"] == Control.START and self.fault == Fault.NONE:
            first = word["data"] & 0xFFFF
            count = word["data"] >> 16 & 0xFFFF
            if not self.checked:
                self.fault = Fault.UNCHECKED
            elif count == 0 or first + count > CONFIG.max_layers:
                self.fault = Fault.BAD_LAYERS
            else:
                self.starts.append((first, count))


def run(words, *, rng=None, busy_for=0, stopped=False):
    """Send words; returns writes, starts, the fault after each word, and the cycles taken.

    After a start the array is ``busy_for`` cycles long; ``stopped`` ends that with a watchdog.
    """
    dut = Loader(CONFIG)
    writes = []
    starts = []
    faults = []
    cycles = [0]

    async def array(ctx):
        left = 0
        async for _, _, started in ctx.tick().sample(dut.program_start):
            left = busy_for if started else max(0, left - 1)
            ctx.set(dut.busy, int(left > 0))
            ctx.set(dut.stopped, int(stopped and left == 1))

    async def drive(ctx):
        for word in words:
            await put_all(ctx, dut.i, [word], rng=rng)
            faults.append(Fault(ctx.get(dut.fault)))
        await ctx.tick().repeat(busy_for + 1)
        faults.append(Fault(ctx.get(dut.fault)))

    async def watch(ctx):
        while len(faults) <= len(words):
            if ctx.get(dut.write):
                writes.append(plain(ctx.get(dut.word)))
            if ctx.get(dut.program_start):
                starts.append((ctx.get(dut.first), ctx.get(dut.count)))
            if ctx.get(dut.busy):
                assert not ctx.get(dut.i.ready) and not ctx.get(dut.program_start)
            cycles[0] += len(faults) < len(words)
            await ctx.tick()
    simulate(dut, drive, watch, processes=[array])
    return writes, starts, faults, cycles[0]


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_random_words_and_commands(stalled, rng):
    words = []
    model = Model()
    for _ in range(60):
        part = draw_words(rng, int(rng.integers(0, 4)))
        kind = rng.choice(["check", "wrong", "start", "clear", "none", "all"],
                          p=[.25, .05, .2, .2, .05, .25])
        known = model.covered + part
        part += {"all": [command(Control.CLEAR), command(Control.CHECK, crc([])), start(1, 2)],
                 "check": [command(Control.CHECK, crc(known))],
                 "wrong": [command(Control.CHECK, crc(known) ^ 1 << int(rng.integers(32)))],
                 "start": [start(int(rng.integers(5)), int(rng.integers(6)))],
                 "clear": [command(Control.CLEAR, rng.integers(1 << 32))],
                 "none": [command(7)]}[str(kind)]
        for word in part:
            model.take(word)
        words += part
    writes, starts, faults, _ = run(words, rng=rng if stalled else None)
    assert writes == model.writes and starts == model.starts
    assert faults[-1] == model.fault
    assert len(starts) >= 3, "the draw should start something"


def test_a_word_takes_eight_cycles(rng):
    words = draw_words(rng, 20)
    writes, _, _, cycles = run(words)
    assert writes == words and cycles == Loader.cycles * len(words)


def good_image(rng):
    words = draw_words(rng, 5)
    return [*words, command(Control.CHECK, crc(words))]


def test_a_good_image_starts(rng):
    _, starts, faults, _ = run([*good_image(rng), start(1, 3)])
    assert starts == [(1, 3)] and set(faults) == {Fault.NONE}


@pytest.mark.parametrize("bit", [0, 31])
def test_bad_crc_refuses_until_clear_and_a_new_check(bit, rng):
    words = draw_words(rng, 5)
    _, starts, faults, _ = run([
        *words, command(Control.CHECK, crc(words) ^ 1 << bit), start(0, 1),
        command(Control.CLEAR), start(0, 1), command(Control.CLEAR), *good_image(rng),
        start(0, 1)])
    assert faults[5:10] == [Fault.BAD_CRC, Fault.BAD_CRC, Fault.NONE, Fault.UNCHECKED, Fault.NONE]
    assert starts == [(0, 1)] and faults[-1] is Fault.NONE


def test_every_bit_of_a_record_is_covered(rng):
    word = draw_words(rng, 1)[0]
    check = command(Control.CHECK, crc([word]))
    clear = command(Control.CLEAR)
    words = [word, check, clear]
    fields = [("pe", 16), ("address", 32), ("data", 64)]
    for name, width in fields:
        for bit in range(width):
            words += [word | {name: word[name] ^ 1 << bit}, check, clear]
    words += [word | {"target": word["target"] % 10 + 1}, check]
    _, _, faults, _ = run(words)
    assert faults[1] is Fault.NONE and set(faults[4::3]) == {Fault.BAD_CRC}


def test_a_write_after_the_check_is_unchecked(rng):
    _, starts, faults, _ = run([*good_image(rng), *draw_words(rng, 1), start(0, 1)])
    assert not starts and faults[-1] is Fault.UNCHECKED


def test_nothing_is_unchecked_after_a_reset():
    _, starts, faults, _ = run([start(0, 1)])
    assert not starts and faults[-1] is Fault.UNCHECKED


@pytest.mark.parametrize(("first", "count"), [
    (0, 0), (0, CONFIG.max_layers + 1), (CONFIG.max_layers, 1), (1, CONFIG.max_layers),
    (0xFFFF, 1), (0xFFFF, 0xFFFF), (1, 0xFFFF)])
def test_layers_beyond_the_last_are_refused(first, count, rng):
    _, starts, faults, _ = run([*good_image(rng), start(first, count), start(0, 1)])
    assert not starts and faults[-1] is Fault.BAD_LAYERS


def test_nothing_is_taken_while_busy(rng):
    more = draw_words(rng, 3)
    words = [*good_image(rng), start(0, 1), *more]
    writes, starts, _, cycles = run(words, busy_for=20)
    assert starts == [(0, 1)] and writes[-3:] == more
    assert cycles == Loader.cycles * len(words) + 20


def test_the_watchdog_is_a_fault_until_clear(rng):
    _, starts, faults, _ = run([*good_image(rng), start(0, 1), start(0, 1),
                                  command(Control.CLEAR), start(0, 1)],
                                 busy_for=10, stopped=True)
    assert starts == [(0, 1)]
    assert faults[-4:] == [Fault.WATCHDOG, Fault.NONE, Fault.UNCHECKED, Fault.UNCHECKED]
