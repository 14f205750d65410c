# SPDX-License-Identifier: Apache-2.0
"""What a file gives back is exactly the quantised tensors that went into it."""
import numpy as np
import openeie
import pytest
from support.damage import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.artefact import artefact
from openeie.core.network.graph import Linear, Network
from openeie.core.network.layers import Weighted
from openeie.core.numbers.sparse import SparseWeights


@given(st.integers(1, 40), st.integers(1, 20), st.sampled_from([2, 3, 16, 17, 64, 256]),
       st.sampled_from([0, 0.02, 0.1, 0.5, 1]), st.sampled_from(["csr", "codebook", "huffman"]),
       st.integers(0, 2**32 - 1))
@settings(max_examples=5_000)
def test_tensors_come_back(rows, columns, slots, density, encoding, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, slots, (rows, columns)) * (rng.random((rows, columns)) < density)
    table = np.append(0, rng.choice(np.delete(np.arange(-32768, 32768), 32768), slots - 1))
    bias, multiplier, shift = (rng.integers(low, high, rows) for low, high in (
        (-2**31, 2**31), (1, 2**15), (0, 63)))
    layer = Linear(name="fc", weights=SparseWeights.from_codes(codes, table), bias=bias,
                   multiplier=multiplier, shift=shift, encoding=encoding)
    read, = artefact.loads(artefact.dumps(Network(name="n", layers=(layer,)))).layers
    assert np.array_equal(read.weights.dense(), table[codes])
    assert np.array_equal(read.bias, bias)
    assert np.array_equal(read.multiplier, multiplier) and np.array_equal(read.shift, shift)
    if encoding != "csr":
        assert np.array_equal(read.weights.codes, codes.T[codes.T != 0])
        assert np.array_equal(read.weights.codebook, table)


@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
def test_networks_of_the_zoo_come_back_in_every_encoding(name):
    network = openeie.load(openeie.shipped(name))
    assert artefact.dumps(network) == openeie.shipped(name).read_bytes()
    for encoding in ("csr", "codebook", "huffman"):
        read = artefact.loads(artefact.dumps(network, encoding=encoding))
        for layer, original in zip(read.layers, network.layers, strict=True):
            if isinstance(original, Weighted):
                assert layer.encoding == encoding
                assert np.array_equal(layer.weights.dense(), original.weights.dense())
    assert_same(artefact.loads(artefact.dumps(network)), network)
