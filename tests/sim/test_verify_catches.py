# SPDX-License-Identifier: Apache-2.0
"""The comparison of engines fails if a single weight, pointer, cycle or counter differs."""
import dataclasses

import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.core.array.descriptor import DESCRIPTOR_WORDS
from openeie.core.compile.compile import compile_network
from openeie.core.errors import ArrayFault, EncodingError, Mismatch
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim import engines
from openeie.sim.fast import fast
from openeie.sim.verify import verify

PES = 4


def program(encoding):
    """Two layers on TINY, dense enough that every entry is used; few outputs saturate."""
    rng = np.random.default_rng(1)
    layers = tuple(
        Linear(name=name, weights=SparseWeights.from_codes(
            rng.integers(0, 4, shape), [0, 50, -70, 1000]), encoding=encoding,
            bias=np.arange(shape[0]) * 100, multiplier=np.full(shape[0], 20_000),
            shift=np.full(shape[0], shift), relu=relu)
        for name, shape, relu, shift in (("hidden", (13, 10), True, 22),
                                         ("out", (6, 13), False, 28)))
    return compile_network(Network(name="net", layers=layers), preset("TINY"))


X = np.arange(-15, 15).reshape(3, 10) * 40 + 7


def changed(image, place, bits):
    """A copy of an image with ``bits`` of one word flipped."""
    image = image.copy()
    image[place] ^= image.dtype.type(bits)
    return image


def first_used_bit(plan_program):
    """A bit of PE 0's first entry that changes its weight, not its run."""
    return 1 << plan_program.config.run_width


#: What can go wrong in an image, and the change that does it: program -> replaced fields.
FAULTS = {
    "one weight in place": ("csr", lambda p: {"entries": changed(p.entries, (0, 0),
                                                                 first_used_bit(p))}),
    "one code": ("codebook", lambda p: {"entries": changed(p.entries, (0, 0),
                                                           first_used_bit(p))}),
    "one run": ("codebook", lambda p: {"entries": changed(p.entries, (2, 0), 1)}),
    "one bit of a huffman stream": ("huffman", lambda p: {"entries": changed(
        p.entries, (1, 0), 1 << 63)}),
    "one pointer": ("codebook", lambda p: {"pointers": changed(p.pointers, (0, 1), 1)}),
    "one pointer of a huffman layer": ("huffman", lambda p: {"pointers": changed(
        p.pointers, (0, 1), 1)}),
    "one codebook weight": ("codebook", lambda p: {"codebooks": changed(p.codebooks, (0, 1), 4)}),
    "one run symbol": ("huffman", lambda p: {"run_symbols": changed(p.run_symbols, (0, 0), 1)}),
    "one bias": ("codebook", lambda p: {"channels": changed(p.channels, (3, 0), 1 << 20)}),
    "one multiplier": ("codebook", lambda p: {"channels": changed(p.channels, (3, 0), 1 << 46)}),
    "one shift": ("codebook", lambda p: {"channels": changed(p.channels, (3, 0), 1 << 47)}),
    "one relu": ("codebook", lambda p: {"descriptors": changed(p.descriptors, (0, 0), 1 << 2)}),
    "the other codebook": ("codebook", lambda p: {
        "descriptors": changed(p.descriptors, (0, 0), 1 << 3),
        "codebooks": np.stack([p.codebooks[0], p.codebooks[1] * 2])}),
    "one limit of a huffman table": ("huffman", lambda p: {"descriptors": changed(
        p.descriptors, (0, len(DESCRIPTOR_WORDS)), 1 << (p.config.max_code_length - 1))}),
}


@pytest.mark.parametrize("engine", ["fast", "rtl"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_image_is_noticed(name, engine):
    """Both engines execute the image, so both differ from the network that it was made from."""
    encoding, fault = FAULTS[name]
    honest = program(encoding)
    verify(honest, X, engines=("golden", engine))
    with pytest.raises((Mismatch, EncodingError, ArrayFault)):
        verify(dataclasses.replace(honest, **fault(honest)), X, engines=("golden", engine))


def tampered(run, layer, name, index):
    """A copy of a run in which one number is higher by 1."""
    array = getattr(run.tiles[layer], name).copy()
    array[index] += 1
    layers = list(run.tiles)
    layers[layer] = dataclasses.replace(layers[layer], **{name: array})
    return dataclasses.replace(run, tiles=tuple(layers), engine="rtl")


@pytest.mark.parametrize("layer, name, index, message", [
    (0, "outputs", (2, 12),
     r"hidden, input 2, output 12 = PE 0 word 3, cycle \d+: golden \d+, rtl \d+ \(1"),
    (1, "outputs", (0, 5), r"layer out, input 0, output 5 = PE 1 word 1"),
    (1, "cycles", (1,), r"layer out, launch 1, cycles of the layer: fast \d+, rtl \d+ \(1 of 3"),
    (0, "counters", (2, 3, 4), r"layer hidden, launch 2, PE 3, counter blocked, cycle \d+: fast"),
    (1, "counters", (0, 0, 6), r"layer out, launch 0, PE 0, counter drain"),
    (0, "saturated", (2, 1), r"layer hidden, launch 2, saturated outputs: golden 0, rtl 1"),
])
def test_one_different_number_is_noticed(monkeypatch, layer, name, index, message):
    good = program("codebook")
    monkeypatch.setitem(engines.ENGINES, "rtl",
                        lambda p, x: tampered(fast.run(p, x), layer, name, index))
    with pytest.raises(Mismatch, match=message):
        verify(good, X)
    if name == "saturated":
        with pytest.raises(Mismatch, match="layer hidden, launch 2, PE 1, saturated outputs: fast"):
            verify(good, X, engines=("fast", "rtl"))
    if name in ("cycles", "counters"):          # golden has no cycles to compare
        verify(good, X, engines=("golden", "rtl"))


def test_a_missing_layer_or_input_is_noticed(monkeypatch):
    good = program("codebook")
    run = fast.run(good, X)
    for wrong, message in (
            (dataclasses.replace(run, tiles=run.tiles[:1]), "ran 2 tiles, fast 1"),
            (fast.run(good, X[:2]), r"outputs of shape \(3, 13\) in golden, \(2, 13\) in fast")):
        monkeypatch.setitem(engines.ENGINES, "fast", lambda p, x, wrong=wrong: wrong)
        with pytest.raises(Mismatch, match=message):
            verify(good, X, engines=("golden", "fast"))


def test_what_is_compared_is_counted():
    verdict = verify(program("huffman"), X, engines=("golden", "fast"))
    # golden has one counter: the saturated outputs of each launch and layer.
    assert (verdict.words, verdict.cycles, verdict.counters) == (3 * (13 + 6), 0, 3 * 2)
