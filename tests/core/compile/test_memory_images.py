# SPDX-License-Identifier: Apache-2.0
"""Memory images read bit by bit in plain Python, as docs/architecture.md describes them.

Written without :mod:`openeie.core.compile.unpack` and the packing functions: a mistake that those
share would show here.
"""
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.array.config import ENCODINGS, ArrayConfig
from openeie.core.array.descriptor import DESCRIPTOR_WORDS
from openeie.core.compile.compile import compile_network
from openeie.core.compile.unpack import unpack_layer
from openeie.core.entries.encoding import decode_entries, encode_entries
from openeie.core.errors import EncodingError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from support.strategies import layers


def field(word, low, width):
    """Bits ``low .. low + width - 1`` of a word."""
    return int(word) >> low & (1 << width) - 1


def signed(value, width):
    return value - (1 << width) if value >> (width - 1) else value


def read_fixed(config, encoding, words, pointer, end, codebook):
    """Entries between two pointers: slots from the low end of each word."""
    payload = config.weight_width if encoding == "csr" else config.code_width
    width = config.run_width + payload
    word, slot = pointer >> config.place_width, field(pointer, 0, config.place_width)
    while word << config.place_width | slot != end:
        entry = field(words[word], slot * width, width)
        value = entry >> config.run_width
        yield (field(entry, 0, config.run_width),
               signed(value, 16) if encoding == "csr" else int(codebook[value]))
        slot += 1
        if slot == config.word_width // width:
            word, slot = word + 1, 0


def read_huffman(config, words, bit, end, tables, codebook, run_symbols):
    """Entries between two bit numbers: bits from the high end of each word."""
    text = "".join(format(int(word), f"0{config.word_width}b") for word in words)
    text += "0" * config.max_code_length

    def rank(limit, offset, width):
        nonlocal bit
        window = int(text[bit:bit + config.max_code_length], 2)
        for length, word in enumerate(tables, start=1):
            if window < field(word, limit, 17):
                bit += length
                return (window >> (config.max_code_length - length)) + \
                    field(word, offset, 8) & (1 << width) - 1
        raise AssertionError("a window that starts with no codeword")
    while bit != end:
        assert bit < end
        run = rank(0, 17, config.run_width)
        yield int(run_symbols[run]), int(codebook[rank(25, 42, config.code_width)])


def read_layer(program, index):
    """The dense matrix of one layer, from the images and the layer's sizes alone."""
    config, plan = program.config, program.tiles[index]
    first, second = (int(word) for word in program.descriptors[index, :2])
    encoding, table = ENCODINGS[field(first, 0, 2)], field(first, 3, 8)
    base = field(second, 32, 24)
    dense = np.zeros((plan.outputs, plan.inputs), int)
    for pe in range(config.pes):
        words = program.entries[pe]
        pointers = [int(p) for p in program.pointers[pe, base:base + plan.inputs + 1]]
        for column, (start, end) in enumerate(zip(pointers, pointers[1:])):
            if encoding == "huffman":
                entries = read_huffman(config, words, start, end, program.descriptors[index, 3:],
                                       program.codebooks[table], program.run_symbols[table])
            else:
                entries = read_fixed(config, encoding, words, start, end,
                                     program.codebooks[table])
            row = -1
            for run, value in entries:
                row += run + 1
                if value:
                    dense[row * config.pes + pe, column] = value
    return dense


@st.composite
def programs(draw):
    """Two layers with any encodings on any small array."""
    first = draw(layers(name="a"))
    second = draw(layers(name="b", columns=first.outputs))
    shift = [dataclasses.replace(layer, bias=np.zeros(layer.outputs, int),
                                 multiplier=np.ones(layer.outputs, int),
                                 shift=np.full(layer.outputs, 40)) for layer in (first, second)]
    config = ArrayConfig(
        pes=draw(st.integers(1, 6)), acc_width=48, code_width=8,
        run_width=draw(st.integers(1, 8)), word_width=draw(st.sampled_from([32, 64])),
        entry_depth=1 << 15, max_code_length=draw(st.integers(8, 15)))
    return compile_network(Network(name="n", layers=tuple(shift), input_range=(-9, 9)), config)


@given(programs())
@settings(max_examples=150)
def test_the_images_say_what_the_network_says(program):
    for index, layer in enumerate(program.network.layers):
        assert np.array_equal(read_layer(program, index), layer.weights.dense())
    assert program.entries.shape[1] == max(1, sum(
        words_needed(program.config, layer, plan)
        for layer, plan in zip(program.network.layers, program.tiles)))


def words_needed(config, layer, plan):
    """Words of the fullest PE, counted entry by entry; none is wasted."""
    entries = encode_entries(layer.weights, config.pes, config.max_run)
    first, most = 0, 0
    for count in entries.count.sum(axis=1):
        mine = slice(first, first + int(count))
        first += int(count)
        if plan.encoding == "huffman":
            bits = plan.run_lengths[entries.run[mine]].astype(int).sum() \
                + plan.code_lengths[entries.code[mine]].astype(int).sum()
            most = max(most, -(-int(bits) // config.word_width))
        else:
            most = max(most, -(-int(count) // config.slots(plan.encoding)))
    return most


def example(encoding):
    """A program of two layers, 40 x 30 and 30 x 40."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 16, (40, 30)) * (rng.random((40, 30)) < 0.4)
    net = Network(name="n", layers=tuple(Linear(
        name=name, weights=SparseWeights.from_codes(matrix, np.arange(16) * 5), encoding=encoding,
        bias=np.zeros(len(matrix), int), multiplier=np.ones(len(matrix), int),
        shift=np.zeros(len(matrix), int)) for name, matrix in (("a", codes), ("b", codes.T))))
    return compile_network(net, ArrayConfig(pes=4))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_plain_reader_sees_a_changed_word(encoding):
    program = example(encoding)
    dense = program.network.layers[0].weights.dense()
    assert np.array_equal(read_layer(program, 0), dense)
    program.entries[0, 1] ^= np.uint64(1 << 12)
    try:
        changed = read_layer(program, 0)
    except (AssertionError, IndexError):        # the walk missed its end, or left the matrix
        return
    assert not np.array_equal(changed, dense)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("image", ["entries", "pointers", "codebooks", "run_symbols",
                                   "descriptors"])
def test_unpacking_damaged_images_ends_in_entries_or_one_error(encoding, image, rng):
    """Any word replaced: decoding ends, and stays inside the memories."""
    whole = example(encoding)
    for _ in range(60):
        damaged = getattr(whole, image).copy()
        words = damaged.reshape(-1)
        place = rng.integers(len(words))
        words[place] = rng.integers(0, np.iinfo(damaged.dtype).max, dtype=damaged.dtype) \
            if rng.random() < 0.5 else words[place] ^ damaged.dtype.type(1 << rng.integers(0, 7))
        program = dataclasses.replace(whole, **{image: damaged})
        for index in range(2):
            try:
                entries = unpack_layer(program, index)
            except EncodingError as error:
                assert str(error)
            else:
                assert entries.count.sum() == len(entries.run) == len(entries.value)
                assert entries.count.shape == (4, program.tiles[index].inputs)


def patched(program, index, name, value):
    """The program with one descriptor field changed."""
    descriptors = program.descriptors.copy()
    for number, word in enumerate(DESCRIPTOR_WORDS):
        low = 0
        for key, width in word:
            if key == name:
                mask = (1 << width) - 1 << low
                descriptors[index, number] = int(descriptors[index, number]) & ~mask | value << low
            low += width
    return dataclasses.replace(program, descriptors=descriptors)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("pointer_base", 50, "tile 1: pointers 50 .. 90 lie outside the 72 of the image"),
    ("pointer_base", 1 << 20, "tile 1: pointers 1048576 .. 1048616 lie outside the 72"),
    ("table", 2, "tile 1 names table 2, but the program's tables are 0 .. 1"),
    ("encoding", 3, "tile 1: encoding 3 does not exist"),
])
def test_unpacking_names_what_is_wrong(name, value, message):
    program = example("codebook")
    with pytest.raises(EncodingError, match=message):
        unpack_layer(patched(program, 1, name, value), 1)


def test_unpacking_believes_the_descriptor_not_the_plan():
    program = example("codebook")
    same = unpack_layer(patched(program, 1, "pointer_base", program.tiles[1].pointer_base), 1)
    assert np.array_equal(same.count, program.tiles[1].entry_count)
    other = unpack_layer(patched(program, 0, "pointer_base", program.tiles[1].pointer_base), 0)
    assert not np.array_equal(other.count, program.tiles[0].entry_count)


def test_unpacking_refuses_pointers_that_cannot_be():
    program = example("codebook")
    for pointer, message in ((1 << 30, "column pointers fall, or point beyond the"),
                             (8, "names slot 8 of 8")):
        pointers = program.pointers.copy()
        pointers[1, 1] = pointer
        if pointer == 8:
            pointers[1] = np.maximum(pointers[1], 8)
        with pytest.raises(EncodingError, match=message):
            unpack_layer(dataclasses.replace(program, pointers=pointers), 0)
    pointers = example("huffman").pointers.copy()
    pointers[2, 1:] -= 1                # every column of PE 2 but the first ends a bit early
    with pytest.raises(EncodingError, match="tile 0: decoding runs past the end of a column"):
        unpack_layer(dataclasses.replace(example("huffman"), pointers=pointers), 0)


def test_decoded_rows_agree_with_the_plain_reader():
    program = example("huffman")
    for index, layer in enumerate(program.network.layers):
        entries = unpack_layer(program, index)
        assert np.array_equal(decode_entries(entries, layer.outputs).dense(),
                              read_layer(program, index))
