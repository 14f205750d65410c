# SPDX-License-Identifier: Apache-2.0
"""cocotb: the entry reader, from any state, with random stalls, against the entries drawn."""
import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from openeie.core.array.config import ArrayConfig
from openeie.hw.structs import Column, FetchedEntry, LayerFields
from support.columns import TOKEN, Stream, draw_counts, draw_sequence, reference, visible

from cosim.ports import PARAMETERS, Source, generator, start

CONFIG = ArrayConfig.from_dict(PARAMETERS["config"]) if "config" in PARAMETERS else ArrayConfig()
NAMES = ("act", "run", "code", "weight", "first", "bank")


def unpack(word):
    entry = FetchedEntry(CONFIG).from_bits(word)
    return {name: int(entry[name]) for name in NAMES}


async def release(dut, rng):
    """The writeback: some cycles after each token its bank is released."""
    while True:
        await ReadOnly()
        token = bool(dut.token.value)
        await FallingEdge(dut.clk)
        if token:
            for _ in range(int(rng.integers(0, 9))):
                await FallingEdge(dut.clk)
            dut.released.value = 1
            await FallingEdge(dut.clk)
            dut.released.value = 0


async def load(dut, words):
    dut.load_en.value = 1
    for address, word in enumerate(words):
        dut.load_address.value = address
        dut.load_data.value = word
        await FallingEdge(dut.clk)
    dut.load_en.value = 0


@cocotb.test(timeout_time=500, timeout_unit="us")
async def entries_of_columns(dut):
    await start(dut, layer_start=0, released=0, load_en=0, i__valid=0)
    for number in range(4):
        rng = generator(number)
        stream = Stream(rng, CONFIG, "huffman", draw_counts(rng))
        junk = [int(word) for word in rng.integers(0, 1 << 32, CONFIG.entry_depth)]
        await load(dut, [*stream.words, *junk[len(stream.words):]])
        sequence = draw_sequence(rng, len(stream.columns))
        tokens = sequence.count(None)
        dut.layer.value = LayerFields(CONFIG).const(stream.layer | {"vectors": tokens}).as_bits()
        dut.rst.value = 1                   # also between the rounds: the memory survives
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        dut.layer_start.value = 1
        await FallingEdge(dut.clk)
        dut.layer_start.value = 0
        task = cocotb.start_soon(release(dut, rng))
        source = Source(dut, "i", rng=rng if number % 2 else None)

        async def drive(source=source, sequence=sequence, stream=stream):
            for act, column in enumerate(sequence, start=-7):
                item = TOKEN if column is None else stream.item(column, act)
                await source.put(Column(CONFIG).const(item).as_bits())
        cocotb.start_soon(drive())
        got = []
        wanted = reference(stream, sequence)
        while len(got) < len(wanted) or not dut.finished.value or dut.pending.value:
            await ReadOnly()
            if dut.o_valid.value:
                got.append(unpack(int(dut.o.value) if dut.o.value.is_resolvable else
                                  int(str(dut.o.value).replace("X", "0"), 2)))
            await FallingEdge(dut.clk)
        assert visible(got, "huffman") == visible(wanted, "huffman")
        task.cancel()
        dut.released.value = 0
