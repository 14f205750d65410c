# SPDX-License-Identifier: Apache-2.0
"""The fast integer values are the specification's."""
import numpy as np
import pytest
from openeie.core import golden
from openeie.core.errors import InputError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.fixed import int_range
from openeie.core.numbers.sparse import SparseWeights
from openeie.sw.quantise import integer_run
from openeie.sw.quantise.integer_run import integer_error, run_integer
from support.damage import whole_network
from support.networks import branched


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
    """Nearly the largest that an accumulator can hold, and one off in the last bit would be seen:
    two rows have the same weights, and biases with which one rounds just up and one just down."""
    n, shift = (1 << 17) - 1, 32
    x = rng.choice(int_range(16), (3, n))
    weights = np.sign(x) * (rng.integers((1 << 15) - 512, 1 << 15, (3, n)) | 1)
    sums = np.sum(x * weights, axis=1)                  # row k is aligned with input k
    assert np.all(sums > 0.98 * (1 << 47)) and np.all(sums < 1 << 47)
    half = 1 << (shift - 1)
    up = (half - sums + half) % (1 << shift) - half     # sums + up: half a unit of the output over
    network = Network(name="n", act_width=16, layers=(Linear(
        name="a", weights=SparseWeights.from_dense(np.tile(weights, (2, 1))), encoding="csr",
        relu=False, bias=np.concatenate([up, up - 1]),
        multiplier=np.full(6, 1), shift=np.full(6, shift)),))
    outputs = run_integer(network, x)
    aligned = outputs.reshape(3, 2, 3)[range(3), :, range(3)]
    assert np.array_equal(aligned[:, 0], aligned[:, 1] + 1) and aligned.max() < (1 << 15) - 1
    assert np.array_equal(outputs, golden.network(network, x)[-1])


def test_no_input_has_outputs_of_no_rows(rng):
    for network in (whole_network(), branched(rng)):
        outputs = run_integer(network, np.zeros((0, network.inputs), int))
        assert outputs.shape == (0, network.outputs) and outputs.dtype == np.int64


@pytest.mark.parametrize(("inputs", "labels", "message"), [
    (0, np.zeros(0, int), r"an error is of at least one input, not of shape \[0, {n}\]"),
    (3, [0], r"labels must be integers \[3\], one for each input, not int64 \[1\]"),
    (3, 0, r"labels must be integers \[3\], .* not int64 \[\]"),
    (3, [[0], [0], [0]], r"labels must be integers \[3\], .* not int64 \[3, 1\]"),
    (3, [0.0, 1.0, 2.0], r"labels must be integers \[3\], .* not float64 \[3\]")])
def test_labels_that_are_not_one_for_each_input(inputs, labels, message):
    network = whole_network()
    with pytest.raises(InputError, match=message.replace("{n}", str(network.inputs))):
        integer_error(network, np.zeros((inputs, network.inputs), int), labels)
