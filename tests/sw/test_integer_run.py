# SPDX-License-Identifier: Apache-2.0
"""The fast integer values are the specification's."""
import numpy as np
import pytest
from damage import whole_network
from networks import branched
from openeie.core import golden
from openeie.core.fixed import int_range
from openeie.core.graph import Linear, Network
from openeie.core.weights import SparseWeights
from openeie.sw import integer_run
from openeie.sw.integer_run import integer_error, run_integer


@pytest.mark.parametrize("at_a_time", [1, 1 << 21])
def test_every_kind_of_layer(rng, monkeypatch, at_a_time):
    monkeypatch.setattr(integer_run, "_VALUES", at_a_time)
    for network, low, high in ((whole_network(), -5, 91), (branched(rng), 0, 50)):
        x = rng.integers(low, high, (7, network.inputs))
        expected = golden.network(network, x)[-1]
        assert np.array_equal(run_integer(network, x), expected)
        labels = expected.argmax(1)
        labels[0] = (labels[0] + 1) % expected.shape[1]
        assert integer_error(network, x, labels) == 1 / 7


def test_sums_of_48_bits_are_exact(rng):
    """The largest that an accumulator can hold: float32, or one rounding, would be seen."""
    weights = rng.integers(-(1 << 15), 1 << 15, (3, 16000)) | 1
    network = Network(name="n", act_width=16, layers=(Linear(
        name="a", weights=SparseWeights.from_dense(weights), encoding="csr", relu=False,
        bias=np.zeros(3, int), multiplier=np.full(3, 1), shift=np.full(3, 30)),))
    x = rng.choice(int_range(16), (4, 16000))
    sums = x @ weights.T
    assert np.abs(sums).max() > 1 << 36
    assert np.array_equal(run_integer(network, x), golden.network(network, x)[-1])
