# SPDX-License-Identifier: Apache-2.0
"""Random values for the property-based tests: matrices, layers, networks."""
import numpy as np
from hypothesis import strategies as st
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights


@st.composite
def sparse_weights(draw, *, rows=None, columns=None, codebook=None):
    """A matrix of any density, with or without a codebook, empty rows and columns included."""
    m = rows or draw(st.integers(1, 70))
    n = columns or draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random((m, n)) < draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
    mask &= (rng.random(n) < draw(st.sampled_from([0.5, 1.0])))
    mask[rng.random(m) < draw(st.sampled_from([0.0, 0.5]))] = False
    shared = draw(st.booleans()) if codebook is None else codebook
    if not shared:
        values = rng.choice([-32768, 32767, 1, -1, *rng.integers(1, 32768, 4)], (m, n))
        return SparseWeights.from_dense(np.where(mask, values, 0))
    slots = draw(st.sampled_from([2, 3, 16, 17, 256]))
    table = np.concatenate([[0], rng.choice([-32768, 32767, -1, 1, 77], slots - 1)])
    skew = 0.5 ** np.minimum(np.arange(1, slots), 40) if draw(st.booleans()) else \
        np.ones(slots - 1)
    codes = 1 + rng.choice(slots - 1, (m, n), p=skew / skew.sum())
    return SparseWeights.from_codes(np.where(mask, codes, 0), table)


@st.composite
def layers(draw, *, name="layer", columns=None):
    """A layer in any encoding its weights allow."""
    weights = draw(sparse_weights(columns=columns))
    m = weights.shape[0]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reach = draw(st.sampled_from([0, 100, 30_000, 2_000_000, 2**31 - 1]))
    uniform = draw(st.booleans())
    encodings = ["csr"] if weights.codebook is None else ["csr", "codebook", "huffman"]
    return Linear(
        name=name, weights=weights, encoding=draw(st.sampled_from(encodings)),
        bias=rng.integers(-reach - 1, reach + 1, m), relu=draw(st.booleans()),
        multiplier=np.full(m, 12345) if uniform else rng.integers(1, 2**15, m),
        shift=np.full(m, 20) if uniform else rng.integers(0, 63, m),
        weight_scale=draw(st.floats(1e-9, 1e9)), output_scale=draw(st.floats(1e-9, 1e9)))


@st.composite
def networks(draw):
    """One to three layers whose sizes chain."""
    first = draw(layers(name="fc0"))
    rest = []
    for number in range(draw(st.integers(0, 2))):
        before = rest[-1] if rest else first
        rest.append(draw(layers(name=f"fc{number + 1}", columns=before.outputs)))
    return Network(name=draw(st.text(min_size=1, max_size=20)), layers=(first, *rest),
                   act_width=draw(st.sampled_from([8, 16])), input_range=(-100, 100),
                   input_scale=draw(st.floats(1e-9, 1e9)),
                   provenance=draw(st.dictionaries(st.text(max_size=5), st.integers(), max_size=4)))
