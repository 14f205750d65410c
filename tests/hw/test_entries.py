# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import ENCODINGS, preset
from openeie.hw.entries import EntryReader
from support.columns import TOKEN, Stream, draw_counts, draw_sequence, reference, visible

from .bench import cycles_of, plain, put_all, simulate, trace

TINY = preset("TINY")


def test_worked_example():
    """Three columns of two, no and one entry, then a token; entries of ``csr``, three in a word.

    An entry is a run of 4 bits below a weight of 16 bits; word 0 has (0, 2), (1, 5) and (0, 1). A
    position is the number of the word, then two bits for the entry in it.

    The first column comes in cycle 1, is in ``next_column`` in cycle 2 and in ``decode_column`` in
    cycles 3 and 4, one for each of its entries. The empty column takes cycle 5, the last entry
    cycle 6, the token cycle 7: no cycle is lost. ``o`` has each entry two cycles later. ``pending``
    stays until the writeback releases the bank, here in cycle 9.
    """
    config = TINY.replace(pes=1, encodings=("csr",))
    steps = [
        {"load_en": 1, "load_address": 0, "load_data": 0x00010_00051_00020, "layer_start": 1},
        {"i.valid": 1, "i.payload": {"act": 7, "start": 0b0_00, "end": 0b0_10}},
        {"i.valid": 1, "i.payload": {"act": 8, "start": 0b0_10, "end": 0b0_10}},
        {"i.valid": 1, "i.payload": {"act": 9, "start": 0b0_10, "end": 0b1_00}},
        {"i.valid": 1, "i.payload": {"act": 9, "start": 0b0_10, "end": 0b1_00}},
        {"i.valid": 1, "i.payload": {"token": 1}},
        {},
        {},
        {},
        {"released": 1},
        {},
    ]
    rows = trace(EntryReader(config), steps, "i.ready", "entry", "empty", "token", "pending",
                 "finished", "o_valid", "o", hold={"layer": {"vectors": 1}})
    assert cycles_of(rows, "i.ready") == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
    assert cycles_of(rows, "entry") == [0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0]
    assert cycles_of(rows, "empty") == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert cycles_of(rows, "token") == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert cycles_of(rows, "pending") == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]
    assert cycles_of(rows, "finished") == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert cycles_of(rows, "o_valid") == [0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0]
    entries = [row["o"] for row in rows if row["o_valid"]]
    assert [(o["act"], o["first"], o["run"], o["weight"]) for o in entries] == [
        (7, 1, 0, 2), (7, 0, 1, 5), (9, 1, 0, 1)]


def walk(stream, sequence, *, rng=None, release=3, vectors=None, rounds=1):
    """Feed columns (numbers) and tokens (None).

    ``release`` cycles after a token was decoded its bank is released. Returns the entries, and
    what was decoded in each cycle.
    """
    dut = EntryReader(stream.config)
    out = []
    held = []
    acts = [k - 7 for k in range(len(sequence))]
    items = [TOKEN if n is None else stream.item(n, act) for n, act in zip(sequence, acts)]
    tokens = sequence.count(None)
    work = sum(1 if n is None else max(1, len(stream.columns[n])) for n in sequence)

    async def writeback(ctx):
        due = []
        async for _, _, token in ctx.tick().sample(dut.token):
            due = [left - 1 for left in due] + ([release - 1] if token else [])
            ctx.set(dut.released, int(0 in due))

    async def drive(ctx):
        ctx.set(dut.load_en, 1)
        for address, word in enumerate(stream.words):
            ctx.set(dut.load_address, stream.base + address)
            ctx.set(dut.load_data, word)
            await ctx.tick()
        ctx.set(dut.load_en, 0)
        ctx.set(dut.layer, stream.layer | {"vectors": tokens if vectors is None else vectors})
        for _ in range(rounds):
            ctx.set(dut.layer_start, 1)
            await ctx.tick()
            ctx.set(dut.layer_start, 0)
            await ctx.tick()
            assert not ctx.get(dut.finished) or not tokens
            held.append([])
            out.append([])
            await put_all(ctx, dut.i, items, rng=rng)
            while sum(state != "" for state in held[-1]) < work or ctx.get(dut.pending):
                await ctx.tick()
            await ctx.tick().repeat(2)

    async def watch(ctx):
        while len(held) < rounds or len(out[-1]) < sum(
                len(stream.columns[n]) for n in sequence if n is not None) or sum(
                state != "" for state in held[-1]) < work or ctx.get(dut.pending):
            if held:
                states = [name for name in ("entry", "empty", "token")
                          if ctx.get(getattr(dut, name))]
                assert len(states) <= 1
                held[-1].append("".join(states))
                if ctx.get(dut.o_valid):
                    out[-1].append(plain(ctx.get(dut.o)))
            await ctx.tick()
        assert ctx.get(dut.finished) == (vectors is None)
    simulate(dut, drive, watch, processes=[writeback], limit=40_000)
    return out, held


def timeline(stream, sequence, release):
    """What is decoded in each cycle if columns are always offered (``docs/timing.md``)."""
    states = []
    accepted = -1
    read = -2
    work = 0
    token = None
    for number in sequence:
        accepted = max(accepted + 1, read)
        read_before = read
        read = max(accepted + 1, read + work)
        if number is None and token is not None:
            read = max(read, token + release)
        count = None if number is None else len(stream.columns[number])
        states += [""] * (read + 1 - len(states))
        states += ["token"] if count is None else ["entry"] * count or ["empty"]
        work = 1 if count is None else max(1, count)
        token = read + 1 if number is None else token
        assert read > read_before
    return states


CASES = pytest.mark.parametrize(("encoding", "changes"), [
    ("csr", {}), ("csr", {"word_width": 32}), ("csr", {"encodings": ("csr",)}),
    ("csr", {"weight_width": 8, "run_width": 8}),
    ("codebook", {}), ("codebook", {"word_width": 32}), ("codebook", {"encodings": ("codebook",)}),
    ("codebook", {"code_width": 8, "run_width": 5, "encodings": ("codebook", "csr")}),
    ("huffman", {}), ("huffman", {"word_width": 32}), ("huffman", {"encodings": ("huffman",)}),
    ("huffman", {"word_width": 32, "code_width": 8, "run_width": 8, "max_code_length": 15}),
    ("huffman", {"max_code_length": 4}),
], ids=lambda value: value if isinstance(value, str) else
    "-".join(f"{k}={v if isinstance(v, int) else '+'.join(v)}" for k, v in value.items())
    or "default")


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
@CASES
def test_entries_of_columns(encoding, changes, stalled, rng):
    config = TINY.replace(pes=1, entry_depth=128, **changes)
    stream = Stream(rng, config, encoding, draw_counts(rng), base=int(rng.integers(0, 40)))
    sequence = draw_sequence(rng, len(stream.columns))
    release = int(rng.integers(2, 12))
    (got,), _ = walk(stream, sequence, rng=rng if stalled else None, release=release)
    wanted = reference(stream, sequence)
    assert visible(got, encoding) == visible(wanted, encoding)


@CASES
def test_when_entries_are_decoded(encoding, changes, rng):
    """What is decoded in each cycle while columns are always offered."""
    config = TINY.replace(pes=1, entry_depth=128, **changes)
    stream = Stream(rng, config, encoding, draw_counts(rng), base=int(rng.integers(0, 40)))
    sequence = draw_sequence(rng, len(stream.columns))
    release = int(rng.integers(2, 12))
    _, (held,) = walk(stream, sequence, release=release)
    first = next(cycle for cycle, state in enumerate(held) if state)
    model = timeline(stream, sequence, release)
    assert model.index(next(filter(None, model))) == EntryReader.latency
    assert held[first:first + len(model) - EntryReader.latency] == model[EntryReader.latency:]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_one_entry_a_cycle_without_bubbles(encoding, rng):
    """Long columns, then columns of one entry, then empty ones: no cycle is lost between them."""
    stream = Stream(rng, TINY.replace(pes=1, entry_depth=256), encoding,
                    [40, 33, *[1] * 15, *[0] * 10, 2])
    sequence = [*range(len(stream.columns)), None]
    (got,), (held,) = walk(stream, sequence)
    assert visible(got, encoding) == visible(reference(stream, sequence), encoding)
    busy = "".join({"": " ", "entry": "e", "empty": "0", "token": "t"}[s] for s in held).strip()
    assert busy == "e" * 88 + "0" * 10 + "ee" + "t"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_last_word_of_the_memory(encoding, rng):
    config = TINY.replace(pes=1)
    counts = [5, 1, 0, 9]
    size = len(Stream(np.random.default_rng(5), config, encoding, counts).words)
    stream = Stream(np.random.default_rng(5), config, encoding, counts,
                    base=config.entry_depth - size)
    sequence = [3, 0, 1, 2, 3, None]
    (got,), _ = walk(stream, sequence, rng=rng)
    assert visible(got, encoding) == visible(reference(stream, sequence), encoding)


@pytest.mark.parametrize("release", [2, 3, 9, 30])
def test_a_token_waits_for_the_bank_before_it(release, rng):
    """Columns after a token go on at once; only the next token waits."""
    stream = Stream(rng, TINY.replace(pes=1), "codebook", [2, 0, 1])
    sequence = [0, None, 1, 2, None, None, 0, None]
    (got,), (held,) = walk(stream, sequence, release=release)
    assert visible(got, "codebook") == visible(reference(stream, sequence), "codebook")
    model = timeline(stream, sequence, release)[EntryReader.latency:]
    first = next(cycle for cycle, state in enumerate(held) if state)
    assert held[first:first + len(model)] == model


def test_layers_begin_anew(rng):
    """After ``layer_start`` tokens are counted from none; the banks go on alternating."""
    stream = Stream(rng, TINY.replace(pes=1), "codebook", [1, 2])
    sequence = [0, None, 1, None, 0, None]
    got, _ = walk(stream, sequence, rounds=2)
    wanted = visible(reference(stream, sequence), "codebook")
    assert visible(got[0], "codebook") == wanted
    assert visible(got[1], "codebook") == [e | {"bank": 1 - e["bank"]} for e in wanted]
