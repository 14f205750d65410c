# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.core.array.counters import COUNTERS
from openeie.core.array.descriptor import (DESCRIPTOR_WORDS, TABLE_WORD, descriptor_stride,
                                           descriptor_words, pack)
from openeie.core.array.timing import Timing
from openeie.hw.sequencer import Sequencer

from .bench import plain, simulate

TINY = preset("TINY")
FIXED = TINY.replace(encodings=("csr", "codebook"))
CONFIGS = pytest.mark.parametrize("config", [TINY, FIXED], ids=["huffman", "fixed"])


def draw_layers(rng, config, limit=1000):
    """Random descriptors: fields and, in an array with huffman, tables."""
    widths = {"table": config.layer_width, "pointer_base": config.column_address_width,
              "channel_base": config.channel_address_width}
    layers = []
    for _ in range(config.max_layers):
        layer = {name: int(rng.integers(1 << min(width, widths.get(name, 32))))
                 for word in DESCRIPTOR_WORDS for name, width in word}
        layer["cycle_limit"] = limit
        if config.huffman:
            layer["tables"] = [{name: int(rng.integers(1 << width)) for name, width in TABLE_WORD}
                               for _ in range(config.max_code_length)]
        layers.append(layer)
    return layers


def words_of(layer):
    return [pack(word, layer) for word in DESCRIPTOR_WORDS] \
        + [pack(TABLE_WORD, row) for row in layer.get("tables", [])]


def test_worked_example():
    """A program of layers 1 and 2 on an array that takes 5 cycles, then 3, from ``scan_start``.

    In cycle 0 the host starts the program. Then, for each layer, eight cycles of FETCH: the seven
    counters are cleared and the descriptor is read, ``layer_start`` is in the first cycle and
    ``scan_start`` in the last. The sequencer sees ``done`` a cycle late, so the layers take 8 + 6
    and 8 + 4 cycles, and the second one layer_starts in the cycle after the first one's last.
    """
    layers = [{"table": 3, "vectors": 1, "cycle_limit": 100} for _ in range(4)]
    names = [name for word in DESCRIPTOR_WORDS for name, _ in word]
    bench = Bench(FIXED, [dict.fromkeys(names, 0) | layer for layer in layers], [9, 5, 3, 9])
    totals = []

    async def run(ctx):
        await bench.load(ctx)
        await bench.tick(ctx, 5)
        bench.log.clear()
        await bench.start(ctx, first=1, count=2)
        for number in (1, 2):
            ctx.set(bench.dut.cycles_address, number)
            await ctx.delay(0)
            totals.append(ctx.get(bench.dut.cycles))
    bench.run(run)
    assert bench.during("layer_start") == [1, 15]
    assert bench.during("clear") == [1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18, 19, 20, 21]
    assert bench.during("scan_start") == [8, 22]
    assert bench.during("running") == [9, 10, 11, 12, 13, 14, 23, 24, 25, 26]
    assert bench.during("busy") == list(range(1, 27))
    assert [row["layer"]["number"] for row in bench.log[9:27]] == [1] * 6 + [2] * 12
    assert totals == [14, 12]


class Bench:
    """A sequencer with an array that takes ``work`` cycles from ``scan_start`` for each layer.

    Layer ``hangs`` does not end, and shows ``done`` and ``full`` as ``stand`` says.
    """
    def __init__(self, config, layers, work, *, hangs=None, stand=(0, 0)):
        self.config = config
        self.layers = layers
        self.work = work
        self.hangs = hangs
        self.stand = stand
        self.dut = Sequencer(config)
        self.log = []                   # one row of every output a cycle
        self.cycle = 0

    async def tick(self, ctx, count=1):
        dut = self.dut
        for _ in range(count):
            self.log.append({name: ctx.get(getattr(dut, name)) for name in (
                "busy", "layer_start", "clear", "clear_index", "scan_start", "running",
                "wipe", "wipe_row", "stopped")} | {"layer": plain(ctx.get(dut.layer))})
            await ctx.tick()
            self.cycle += 1

    async def load(self, ctx):
        dut = self.dut
        ctx.set(dut.load_en, 1)
        for number, layer in enumerate(self.layers):
            words = words_of(layer)
            assert len(words) == descriptor_words(self.config)
            for place, word in enumerate(words):
                ctx.set(dut.load_address, number * descriptor_stride(self.config) + place)
                ctx.set(dut.load_data, word)
                await self.tick(ctx)
        ctx.set(dut.load_en, 0)

    async def start(self, ctx, first, count):
        dut = self.dut
        ctx.set(dut.first, first)
        ctx.set(dut.count, count)
        ctx.set(dut.program_start, 1)
        await self.tick(ctx)
        ctx.set(dut.program_start, 0)
        ctx.set(dut.first, 0x5A5A)      # what comes next on the load port
        ctx.set(dut.count, 0x5A5A)
        while ctx.get(dut.busy):
            await self.tick(ctx)

    async def array(self, ctx):
        """``done`` of every PE, the last one ``work`` cycles after ``scan_start``."""
        left = None
        async for _, _, layer_start, scan_start, number in ctx.tick().sample(
                self.dut.layer_start, self.dut.scan_start, self.dut.layer.number):
            if layer_start:
                ctx.set(self.dut.done, 0)
            if scan_start and number == self.hangs:
                ctx.set(self.dut.done, self.stand[0])
                ctx.set(self.dut.full, self.stand[1])
                return
            if scan_start:
                left = self.work[number] - 1
            elif left is not None:
                left -= 1
            if left == 1:
                ctx.set(self.dut.done, (1 << self.config.pes) - 2)
            if left == 0:
                ctx.set(self.dut.done, (1 << self.config.pes) - 1)

    def run(self, bench):
        simulate(self.dut, bench, processes=[self.array])

    def during(self, name):
        """Cycles in which an output is high."""
        return [cycle for cycle, row in enumerate(self.log) if row[name]]


@CONFIGS
@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 4), (2, 2), (3, 1)])
def test_layers_run_one_after_the_other(config, first, count, rng):
    layers = draw_layers(rng, config)
    work = [int(w) for w in rng.integers(3, 60, config.max_layers)]
    bench = Bench(config, layers, work)
    fetch = Timing(config).fetch
    totals = []

    async def run(ctx):
        await bench.load(ctx)
        await bench.tick(ctx, 5)
        bench.log.clear()
        await bench.start(ctx, first, count)
        for number in range(config.max_layers):
            ctx.set(bench.dut.cycles_address, number)
            await ctx.delay(0)
            totals.append(ctx.get(bench.dut.cycles))
    bench.run(run)
    numbers = range(first, first + count)
    work = {number: work[number] + 1 for number in numbers}     # it sees ``done`` a cycle later
    layer_starts = []
    cycle = 1
    for number in numbers:
        layer_starts.append(cycle)
        cycle += fetch + work[number]
    assert bench.during("layer_start") == layer_starts
    assert bench.during("scan_start") == [cycle + fetch - 1 for cycle in layer_starts]
    assert [totals[number] for number in numbers] == [fetch + work[number] for number in numbers]
    assert len(bench.log) == cycle, "no cycle is lost between layers"
    for begin, number in zip(layer_starts, numbers):
        clear = [row for row in bench.log[begin:begin + fetch] if row["clear"]]
        assert [row["clear_index"] for row in clear] == list(range(len(COUNTERS)))
        for row in bench.log[begin + fetch:begin + fetch + work[number]]:
            assert row["layer"] == {"number": number, **layers[number]}, "constant while it runs"
        at_start = bench.log[begin + fetch - 1]["layer"]        # what the scan takes with it
        assert at_start["pointer_base"] == layers[number]["pointer_base"]
    running = {c for begin, number in zip(layer_starts, numbers)
               for c in range(begin + fetch, begin + fetch + work[number])}
    assert set(bench.during("running")) == running
    assert not bench.during("stopped") and not bench.during("wipe")


def test_accumulators_are_wiped_after_a_reset():
    bench = Bench(TINY, [], [])

    async def run(ctx):
        await bench.tick(ctx, TINY.acc_depth + 3)
    bench.run(run)
    assert bench.during("wipe") == bench.during("busy") == list(range(TINY.acc_depth))
    assert [row["wipe_row"] for row in bench.log[:TINY.acc_depth]] == list(range(TINY.acc_depth))


@pytest.mark.parametrize(("full", "done", "place"), [
    (0b0000, 0b0000, 0), (0b0000, 0b0011, 2), (0b0000, 0b0111, 3), (0b0110, 0b0000, 1),
    (0b1000, 0b0001, 3)])
def test_the_watchdog_stops_at_the_limit_and_names_the_place(full, done, place, rng):
    limit = 70
    layers = draw_layers(rng, TINY, limit)
    bench = Bench(TINY, layers, [30] * 4, hangs=1, stand=(done, full))

    async def run(ctx):
        await bench.load(ctx)
        await bench.tick(ctx, 20)
        bench.log.clear()
        await bench.start(ctx, 0, 4)
        await bench.tick(ctx, 3)
        assert ctx.get(bench.dut.place) == place
        assert ctx.get(bench.dut.layer.number) == 1, "the last layer stays on show"
    bench.run(run)
    begin = bench.during("layer_start")
    stopped = bench.during("stopped")
    assert len(begin) == 2 and stopped == [begin[1] + limit + 1]
    assert bench.during("wipe") == [stopped[0] + 1 + row for row in range(TINY.acc_depth)]
    assert bench.during("busy")[-1] == bench.during("wipe")[-1]
    assert not any(row["running"] for row in bench.log[stopped[0] + 1:])
