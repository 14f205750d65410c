# SPDX-License-Identifier: Apache-2.0
"""The columns of Deep Compression's tables, counted a second time in plain Python."""
import dataclasses
import heapq
import json
from collections import Counter

import numpy as np
import openeie
import pytest
from support.damage import flip, whole_network
from hypothesis import given, settings
from openeie.core.artefact import artefact
from openeie.core.errors import ArtefactError
from openeie.core.network.graph import Pool
from support.strategies import layers


def entries_of(layer, longest):
    """(run, symbol) of the column-major matrix, one weight after the other; symbol 0 a filler."""
    weights, result, run = layer.weights, [], 0
    symbols = np.zeros(weights.shape, int)
    symbols[weights.rows, weights.columns] = weights.values if weights.codes is None \
        else weights.codes
    for symbol in symbols.T.reshape(-1).tolist():
        if not symbol:
            run += 1
            continue
        result += [(longest, 0)] * (run // (longest + 1))
        result.append((run % (longest + 1), symbol))
        run = 0
    return result


def huffman_bits(symbols):
    """Bits of an unbounded Huffman code: never more than the bounded one takes."""
    counts = list(Counter(symbols).values())
    if len(counts) == 1:
        return counts[0]
    heapq.heapify(counts)
    total = 0
    while len(counts) > 1:
        total += (merged := heapq.heappop(counts) + heapq.heappop(counts))
        heapq.heappush(counts, merged)
    return total


@given(layers())
@settings(max_examples=120)
def test_every_column_of_one_layer(layer):
    net = openeie.Network(name="n", layers=(layer,))
    data = artefact.dumps(net)
    contents = openeie.inspect(data)
    columns = contents.layers[0]
    m, n = layer.weights.shape
    run_width = int(columns.index_bits)
    entries = entries_of(layer, (1 << run_width) - 1)
    slots = 0 if layer.weights.codebook is None else len(layer.weights.codebook)
    width = max(1, int(np.ceil(np.log2(slots)))) if slots else 16
    assert (columns.weights, columns.kept) == (m * n, layer.weights.nnz)
    assert columns.fillers == len(entries) - layer.weights.nnz
    assert columns.weight_bits == width
    assert columns.bytes_shared == len(entries) * (run_width + width) / 8 + 2 * slots
    assert columns.kept_share == layer.weights.nnz / (m * n)
    runs, codes = ([entry[k] for entry in entries] for k in (0, 1))
    stored = len(entries) * (run_width + width)
    if layer.encoding == "huffman":
        stored = 0
        for got, symbols in ((columns.index_bits_huffman, runs),
                             (columns.weight_bits_huffman, codes)):
            best, got = huffman_bits(symbols) if symbols else 0, round(got * len(symbols))
            assert best <= got <= 1.01 * best + 1       # 15 bits bound few codes, and by little
            stored += got
        stored += 8 * (-(-(1 << run_width) // 2) - (-slots // 2))
    elif entries:
        assert (columns.index_bits_huffman, columns.weight_bits_huffman) == (run_width, width)
    assert columns.bytes_stored - 2 * slots == pytest.approx(stored / 8, abs=1)
    assert contents.payload_bytes == columns.bytes_stored + columns.bytes_other
    assert contents.file_bytes == len(data)
    assert contents.float_bytes == 4 * (m * n + m)
    assert contents.factor == contents.float_bytes / len(data)


def test_the_chosen_run_width_gives_the_smallest_payload():
    """All eight, counted by hand."""
    rng = np.random.default_rng(8)
    for density in (0.001, 0.02, 0.1, 0.9):
        codes = rng.integers(1, 16, (100, 60)) * (rng.random((100, 60)) < density)
        layer = openeie.Linear(
            name="l", weights=openeie.SparseWeights.from_codes(codes, np.arange(16)),
            bias=np.zeros(100, int), multiplier=np.ones(100, int), shift=np.zeros(100, int))
        sizes = {w: len(entries_of(layer, (1 << w) - 1)) * (w + 4) for w in range(1, 9)}
        columns = openeie.inspect(artefact.dumps(
            openeie.Network(name="n", layers=(layer,)))).layers[0]
        assert int(columns.index_bits) == min(sizes, key=lambda w: (sizes[w], w))


def test_totals_are_sums_and_means_over_entries():
    contents = openeie.inspect(openeie.shipped("lenet-300-100"))
    total, parts = contents.total, contents.layers
    assert [part.weights for part in parts] == [784 * 300, 300 * 100, 100 * 10]
    assert total.weights == 266_200 and total.name == "total"
    for name in ("kept", "fillers", "bytes_shared", "bytes_stored", "bytes_other"):
        assert getattr(total, name) == sum(getattr(part, name) for part in parts)
    entries = np.array([part.kept + part.fillers for part in parts])
    for name in ("weight_bits", "index_bits", "weight_bits_huffman", "index_bits_huffman"):
        wanted = np.dot(entries, [getattr(part, name) for part in parts]) / entries.sum()
        assert getattr(total, name) == pytest.approx(wanted)
    assert total.rate_stored < total.rate_shared < total.kept_share
    assert contents.factor == 4 * (266_200 + 410) / contents.file_bytes


def test_convolutions_and_pools():
    """A layer with a matrix has its columns, a pool none; they add nothing to the total."""
    net = whole_network()
    contents = openeie.inspect(artefact.dumps(net))
    parts = dict(zip((layer.name for layer in net.layers), contents.layers))
    for layer in net.layers:
        part = parts[layer.name]
        assert part.window == getattr(layer, "window", None)
        if layer.encoding is None:
            kind = f"{layer.reduce} pool" if isinstance(layer, Pool) else "add"
            assert part.kind == kind and part.encoding == ""
            assert {part.weights, part.kept, part.fillers, part.bytes_shared, part.bytes_stored,
                    part.bytes_other, part.kept_share, part.rate_shared, part.rate_stored} == {0}
        else:
            assert (part.weights, part.kept, part.encoding) == (
                layer.weights.shape[0] * layer.weights.shape[1], layer.weights.nnz,
                layer.encoding)
    matrices = [layer for layer in net.layers if layer.encoding is not None]
    assert contents.total.weights == 72 + 8 + 108 + 10 + 70
    assert contents.float_bytes == 4 * (268 + sum(len(layer.bias) for layer in matrices))
    assert contents.payload_bytes == contents.total.bytes_stored + contents.total.bytes_other


@pytest.mark.parametrize("source", [openeie.shipped("lenet-300-100"),
                                    artefact.dumps(whole_network())], ids=["shipped", "whole"])
def test_plain_values_survive_json(source):
    contents = openeie.inspect(source)
    plain = contents.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["layers"][0]["kept_share"] == contents.layers[0].kept_share
    assert plain["total"]["rate_stored"] == contents.total.rate_stored
    assert set(plain["layers"][1]) == {"kept_share", "rate_shared", "rate_stored"} | {
        field.name for field in dataclasses.fields(contents.layers[1])}


def test_a_damaged_file_is_not_inspected(tmp_path):
    data = openeie.shipped("lenet-300-100").read_bytes()
    payload = 8 + int.from_bytes(data[:8], "little")
    (tmp_path / "x.eie").write_bytes(flip(data, payload))
    with pytest.raises(ArtefactError, match=r"x.eie, layer \d .*CRC-32"):
        openeie.inspect(tmp_path / "x.eie")


def test_the_chosen_run_width_pays_for_its_own_code_lengths():
    """A dozen weights: wider runs would save bits in the stream and lose them in the table."""
    rng = np.random.default_rng(2)
    for density in (0.005, 0.02, 0.05, 0.3):
        codes = rng.integers(1, 4, (40, 30)) * (rng.random((40, 30)) < density)
        layer = openeie.Linear(
            name="l", weights=openeie.SparseWeights.from_codes(codes, np.arange(4)),
            bias=np.zeros(40, int), multiplier=np.ones(40, int), shift=np.zeros(40, int),
            encoding="huffman")
        sizes = {}
        for width in range(1, 9):
            entries = entries_of(layer, (1 << width) - 1)
            bits = sum(huffman_bits([entry[k] for entry in entries]) for k in (0, 1))
            sizes[width] = bits + 4 * (1 << width)
        columns = openeie.inspect(artefact.dumps(
            openeie.Network(name="n", layers=(layer,)))).layers[0]
        assert int(columns.index_bits) == min(sizes, key=lambda w: (sizes[w], w))
