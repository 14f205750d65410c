# SPDX-License-Identifier: Apache-2.0
"""The network that the array benches run: two layers, Huffman and codebook, the same every time."""
import numpy as np
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights

SIZES = (13, 11, 9)
VECTORS = 2


def draw(config):
    """Program and inputs [vectors, n]; every PE has entries in most columns."""
    rng = np.random.default_rng(7)
    table = np.concatenate([[0], rng.integers(1, 2000, 15) * np.tile([1, -1], 8)[:15]])
    layers = []
    for number, (n, m) in enumerate(zip(SIZES, SIZES[1:])):
        codes = rng.integers(1, 16, (m, n)) * (rng.random((m, n)) < 0.5)
        codes[:, 3] = 0                     # an empty column
        layers.append(Linear(
            name=f"fc{number}", weights=SparseWeights.from_codes(codes, table),
            encoding=("huffman", "codebook")[number], bias=rng.integers(-10**5, 10**5, m),
            multiplier=rng.integers(1 << 14, 1 << 15, m), shift=np.full(m, 22), relu=number == 0))
    network = Network(name="cosim", layers=tuple(layers), input_range=(-300, 300))
    x = rng.integers(-300, 300, (VECTORS, SIZES[0])) * (rng.random((VECTORS, SIZES[0])) < 0.7)
    return compile_network(network, config, vectors=VECTORS), x
