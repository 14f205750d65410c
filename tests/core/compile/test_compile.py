# SPDX-License-Identifier: Apache-2.0
"""Placement: what fits to the last word is taken, one less is refused with the numbers."""
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.array.config import ArrayConfig
from openeie.core.compile.compile import compile_network
from openeie.core.errors import CapacityError, InputError
from openeie.core.network.bounds import accumulator_bounds
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights

CONFIG = ArrayConfig(pes=2, entry_depth=64, pointer_depth=64, act_depth=16, acc_depth=16,
                     channel_depth=32, max_layers=4, acc_width=40)


def network(m=8, n=8, *, layers=1, encoding="codebook", value=3, **fields):
    """Dense layers of equal weights."""
    codebook = np.array([0, value])
    return Network(name="net", layers=tuple(Linear(
        name=f"fc{k}", weights=SparseWeights.from_codes(np.ones((m, n), int), codebook),
        bias=np.zeros(m, int), multiplier=np.ones(m, int), shift=np.full(m, 8),
        encoding=encoding) for k in range(layers)), **fields)


@pytest.mark.parametrize(("field", "needed", "net", "message"), [
    ("act_depth", 8, network(n=16, m=2), "act_depth: the input needs 8, the array has 7"),
    ("act_depth", 8, network(n=2, m=16), "act_depth: layer 'fc0''s output needs 8, the array has"),
    ("acc_depth", 8, network(n=2, m=16), "acc_depth: layer 'fc0' needs 8, the array has 7"),
    ("channel_depth", 8, network(layers=2), "channel_depth: all layers need 8, the array has 7"),
    ("pointer_depth", 18, network(layers=2), "pointer_depth: all layers need 18, the array has"),
    ("max_layers", 2, network(layers=2), "max_layers: the network needs 2, the array has 1"),
    ("entry_depth", 4, network(), "entry_depth: PE 0, up to layer 'fc0', needs 4, the array has 2"),
])
def test_just_full_fits_and_one_less_does_not(field, needed, net, message):
    compile_network(net, CONFIG.replace(**{field: needed}))
    less = needed - (2 if field in ("entry_depth", "pointer_depth") else 1)
    if field == "entry_depth":          # the smallest legal memory is already just enough
        net, less = network(n=9), 4
        message = "entry_depth: PE 0, up to layer 'fc0', needs 5, the array has 4"
    with pytest.raises(CapacityError, match=f"network 'net' does not fit: .*{message}"):
        compile_network(net, CONFIG.replace(**{field: less}))


def test_all_problems_are_told_at_once():
    small = CONFIG.replace(act_depth=2, acc_depth=2, channel_depth=2, act_width=8)
    with pytest.raises(CapacityError) as caught:
        compile_network(network(), small)
    for name in ("act_width", "act_depth", "acc_depth", "channel_depth"):
        assert f"{name}: " in str(caught.value)


@pytest.mark.parametrize(("call", "message"), [
    ({"vectors": 0}, "vectors must be in 1 .. 65535, not 0"),
    ({"encoding": "zip"}, "encoding must be one of csr, codebook, huffman, not 'zip'"),
])
def test_bad_arguments(call, message):
    with pytest.raises(InputError, match=message):
        compile_network(network(), CONFIG, **call)


def test_encodings_that_cannot_be():
    with pytest.raises(InputError, match="'fc0' is encoded as codebook, but the array has only "
                                         "csr"):
        compile_network(network(), CONFIG.replace(encodings=("csr",)))
    compile_network(network(), CONFIG.replace(encodings=("csr",)), encoding="csr")
    in_place = Network(name="n", layers=(Linear(
        name="fc0", weights=SparseWeights.from_dense(np.ones((2, 2), int)), bias=[0, 0],
        multiplier=[1, 1], shift=[0, 0], encoding="csr"),))
    with pytest.raises(InputError, match="'fc0' has no codebook: its weights are not shared; "
                                         "encode it as csr"):
        compile_network(in_place, CONFIG, encoding="huffman")
    wide = Network(name="n", layers=(Linear(
        name="fc0", weights=SparseWeights.from_codes(np.full((2, 2), 16), np.arange(17)),
        bias=[0, 0], multiplier=[1, 1], shift=[0, 0]),))
    with pytest.raises(CapacityError, match="code_width: layer 'fc0' has 17 codebook slots, the "
                                            "array's codes have 4 bits"):
        compile_network(wide, CONFIG)
    with pytest.raises(CapacityError, match="weight_width: layer 'fc0' has weights 300 .. 300, "
                                            "8 bits hold -128 .. 127"):
        compile_network(network(value=300), CONFIG.replace(weight_width=8))


@pytest.mark.parametrize(("low", "high"), [(-32768, 32767), (0, 255), (5, 7), (-9, -3)])
def test_accumulator_proof_is_tight(low, high):
    """The bound is reached by some subset of extreme inputs, and a bit less is refused."""
    rng = np.random.default_rng(1)
    weights = SparseWeights.from_dense(rng.integers(-300, 300, (2, 6)))
    layer = Linear(name="l", weights=weights, bias=[7, -9], multiplier=[1, 1], shift=[0, 0],
                   encoding="csr")
    least, greatest = accumulator_bounds(layer, low, high)
    dense = weights.dense()
    sums = np.array([[sum(w * x for w, x in zip(row, xs))
                      for xs in itertools.product((low, 0, high), repeat=6)] for row in dense])
    assert np.array_equal(sums.min(axis=1), least) and np.array_equal(sums.max(axis=1), greatest)
    bits = max(int(max(-(least.min() - 9) - 1, greatest.max() + 7)).bit_length() + 1, 16)
    net = Network(name="n", layers=(layer,), input_range=(low, high))
    config = CONFIG.replace(weight_width=10, act_width=16, acc_width=max(26, bits))
    compile_network(net, config)


def test_accumulator_overflow_is_refused():
    net = network(n=16, m=2, value=32767)
    with pytest.raises(CapacityError, match=r"acc_width: layer 'fc0' \(sums from -17,179,344,896 "
                                            r"to 17,178,820,624\) needs 35, the array has 34"):
        compile_network(net, CONFIG.replace(acc_width=34))
    compile_network(net, CONFIG.replace(acc_width=35))


@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_every_activation_and_channel_has_one_place(pes, n, m, vectors):
    from openeie.core.array.load_port import Target
    program = compile_network(network(m, n), CONFIG.replace(
        pes=pes, entry_depth=1 << 12, act_depth=256, acc_depth=64, channel_depth=64),
        vectors=vectors)
    plan = program.tiles[0]
    x = np.arange(1, 1 + n * vectors).reshape(vectors, n)
    records = program.input_records(x)
    assert set(records["target"]) == {Target.ACT_A}
    for v, j in itertools.product(range(vectors), range(n)):
        here = records[(records["pe"] == j % pes)
                       & (records["address"] == v * plan.src_rows + j // pes)]
        assert here["data"].tolist() == [x[v, j]]
    assert np.count_nonzero(records["data"]) == x.size
