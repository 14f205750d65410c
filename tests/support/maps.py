# SPDX-License-Identifier: Apache-2.0
"""Layers on maps for tests: random windows, layers with random weights."""
import numpy as np
from hypothesis import strategies as st
from openeie.core.network.graph import Conv, Depthwise
from openeie.core.network.window import Window
from openeie.core.numbers.sparse import SparseWeights


@st.composite
def windows(draw):
    """A window with at least one position."""
    axis = st.tuples(st.integers(1, 9), st.integers(0, 3), st.integers(0, 3), st.integers(1, 4))
    (height, top, bottom, down), (width, left, right, along) = draw(axis), draw(axis)
    kernel = draw(st.integers(1, min(7, height + top + bottom))), \
        draw(st.integers(1, min(7, width + left + right)))
    return Window(height=height, width=width, channels=draw(st.integers(1, 11)), kernel=kernel,
                  stride=(down, along), pad=(top, left, bottom, right))


def layer(rng, window, m, cls=Conv, **fields):
    """A layer with random weights, biases and scales."""
    columns = window.columns if cls is Conv else window
    weights = rng.integers(-9, 10, (m, columns)) * (rng.random((m, columns)) < 0.5)
    if cls is Conv:
        fields["window"] = window
    return cls(name=fields.pop("name", "conv"), weights=SparseWeights.from_dense(weights),
               encoding="csr", bias=rng.integers(-99, 99, m), multiplier=np.full(m, 3),
               shift=np.full(m, 5), relu=False, **fields)


def depthwise(rng, window, *, slots=0, **fields):
    """A depthwise layer with random weights, in place or of a codebook with ``slots``."""
    m, places = window.channels, window.kernel[0] * window.kernel[1]
    if slots:
        weights = SparseWeights.from_codes(rng.integers(0, slots, (m, places)), np.concatenate(
            [[0], rng.integers(1, 100, slots - 1)]))
    else:
        weights = SparseWeights.from_dense(
            rng.integers(-9, 10, (m, places)) * (rng.random((m, places)) < 0.8))
    return Depthwise(**{"name": "depthwise", "window": window, "weights": weights,
                        "encoding": "csr", "relu": False, "bias": rng.integers(-99, 99, m),
                        "multiplier": rng.integers(1, 9, m), "shift": np.full(m, 5)} | fields)
