# SPDX-License-Identifier: Apache-2.0
"""Binary layers: their sums element by element, files, damage, and arrays that refuse them."""
import json
import zlib
from dataclasses import replace

import numpy as np
import openeie
import pytest
from support.binary_networks import draw_binary, plain_sums, signs, writeback
from support.damage import header_text, mutate, repack
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core import golden
from openeie.core.artefact import artefact
from openeie.core.errors import ArtefactError, CapacityError, InputError
from openeie.core.network import bounds
from openeie.core.network.binary import SignConv, SignLinear
from openeie.core.network.graph import Network
from openeie.core.network.window import Window
from openeie.core.numbers.fixed import int_range, requantise

SEEDS = st.integers(0, 2**32 - 1)


def layer(rng, m=3, n=5, mode="bwn", **fields):
    """A linear layer."""
    return SignLinear(**{"name": "fc", "mode": mode, "signs": signs(rng, m, n)}
                      | writeback(rng, m) | fields)


@given(SEEDS)
@settings(max_examples=60)
def test_sums_element_by_element(seed):
    net = draw_binary(seed)
    x = np.random.default_rng(seed).integers(-100, 121, (2, net.inputs))
    x[:, ::3] = 0                                   # of which the sign is +1
    values = dict(zip([this.name for this in net.layers], golden.network(net, x)))
    for number, this in enumerate(net.layers):
        if isinstance(this, SignLinear):
            read = x if not number else values[net.layers[number - 1].name]
            expected = np.array([plain_sums(this, one) for one in read.tolist()])
            sums = this.sums(read, net.act_width)
            assert sums.dtype == np.int64 and np.array_equal(sums, expected)
            written = requantise(expected, **this.writeback(net.act_width), relu=this.relu,
                                 act_width=net.act_width)
            assert np.array_equal(values[this.name], written.reshape(len(x), -1))


@given(SEEDS)
@settings(max_examples=60)
def test_no_sum_leaves_the_bounds_and_some_reach_them(seed):
    rng = np.random.default_rng(seed)
    low, high = -int(rng.integers(0, 200)), int(rng.integers(1, 200))
    for mode in ("bwn", "xnor"):
        this = layer(rng, mode=mode)
        least, greatest = bounds.accumulator_bounds(this, low, high)
        x = rng.integers(low, high + 1, (50, 5))
        best = np.where(this.signs.dense()[0] > 0, high, low)       # of a row's greatest sum
        x[0] = best
        sums = this.sums(x, 16)[:, 0]
        assert (sums >= least).all() and (sums <= greatest).all()
        if mode == "bwn":
            assert sums[0, 0] == greatest[0]
    assert (greatest == 25 * max(-low, high)).all()


def test_padding_is_no_sign_and_has_no_magnitude():
    """The signs of a row of ones add up to the number of places inside the map."""
    window = Window(height=2, width=2, channels=1, kernel=(3, 3), pad=(1, 1, 1, 1))
    conv = SignConv(name="c", mode="xnor", window=window, bias=[0], multiplier=[1], shift=[0],
                    signs=openeie.core.numbers.signs.SignMatrix.from_signs(np.ones((1, 9))))
    assert conv.sums(np.array([[1, 2, 3, 4]]), 16).ravel().tolist() == [4 * 10] * 4
    corner = replace(conv, window=replace(window, pad=(2, 2, 0, 0)))
    assert corner.sums(np.array([[-1, 2, 3, 4]]), 16).ravel().tolist() == [-1, 0, 0, 2 * 10]


@given(SEEDS)
@settings(max_examples=60)
def test_the_matrix_as_other_layers_have_it(seed):
    """In bwn mode a binary layer is a linear one with a codebook of 1 and -1."""
    net = draw_binary(seed)
    this = net.layers[-1]
    same = openeie.Linear(name="fc", weights=this.weights, bias=this.bias,
                          multiplier=this.multiplier, shift=this.shift, relu=this.relu)
    x = np.random.default_rng(seed).integers(-100, 101, (2, this.inputs))
    assert np.array_equal(golden.layer(same, x, 16), golden.layer(replace(this, mode="bwn"), x, 16))


@pytest.mark.parametrize(("change", "message"), [
    ({"mode": "ternary"}, "layer 'fc': mode must be bwn or xnor, not 'ternary'"),
    ({"bias": [1, 2]}, r"bias must have shape \(3,\), not \(2,\)"),
    ({"multiplier": [0, 1, 1]}, "multiplier must be in 1 .. 32767, not 0 .. 1"),
    ({"shift": [63, 0, 0]}, "shift must be in 0 .. 62, not 0 .. 63")])
def test_fields_that_cannot_be(change, message, rng):
    with pytest.raises(InputError, match=message):
        layer(rng, **change)


def test_an_xnor_layer_has_a_widest_matrix(rng):
    with pytest.raises(InputError, match="at most 65,536 columns, not 65,537"):
        layer(rng, n=65_537, mode="xnor")
    layer(rng, n=65_537)
    window = Window(height=3, width=3, channels=2, kernel=(2, 2))
    with pytest.raises(InputError, match="signs must have 8 columns, one for each element of the "
                                         "kernel, not 7"):
        SignConv(name="c", mode="bwn", window=window, signs=signs(rng, 3, 7), **writeback(rng, 3))


def test_golden_refuses_sums_it_could_not_compute_exactly(rng):
    """|products| <= n and |magnitudes| <= n * 2**15."""
    wide = layer(rng, m=1, n=1 << 16, mode="xnor", bias=[0])
    net = Network(name="n", layers=(wide,), input_range=(-100, 100))
    assert golden.run(net, np.zeros((1, 1 << 16), int)).outputs.shape == (1, 1)
    net = replace(net, input_range=int_range(16))
    with pytest.raises(CapacityError, match="layer 'fc': its sums must fit 48 bits, but reach "
                                            "-140,737,488,355,328 .. .*, which needs 49"):
        golden.run(net, np.zeros((1, 1 << 16), int))


@given(SEEDS)
@settings(max_examples=60)
def test_files_give_everything_back_with_a_bit_a_weight(seed):
    net = draw_binary(seed)
    data = artefact.dumps(net, encoding="huffman")
    again = artefact.loads(data)
    assert artefact.dumps(again, encoding="huffman") == data
    for ours, theirs in zip(net.layers, again.layers):
        assert type(ours) is type(theirs)
        if not isinstance(ours, SignLinear):
            continue
        assert np.array_equal(ours.signs.bits, theirs.signs.bits)
        for name in ("name", "mode", "relu", "sources", "output_scale"):
            assert getattr(ours, name) == getattr(theirs, name), name
        for name in ("bias", "multiplier", "shift"):
            one, two = getattr(ours, name), getattr(theirs, name)
            assert np.array_equal(one, two) and one.dtype == two.dtype, name
        assert getattr(ours, "window", None) == getattr(theirs, "window", None)
    x = np.random.default_rng(seed).integers(-100, 121, (2, net.inputs))
    assert np.array_equal(golden.run(net, x).outputs, golden.run(again, x).outputs)
    contents = openeie.inspect(data)
    for ours, columns in zip(net.layers, contents.layers):
        if isinstance(ours, SignLinear):
            m, n = ours.signs.shape
            assert (columns.weights, columns.kept, columns.fillers) == (m * n, m * n, 0)
            assert (columns.weight_bits, columns.weight_bits_huffman) == (1, 1)
            assert columns.index_bits == columns.index_bits_huffman == 0
            assert columns.bytes_stored == columns.bytes_shared == -(-m * n // 8)
            assert columns.encoding == ours.mode and columns.kind.startswith(ours.mode)
            assert 4 * m <= columns.bytes_other <= 7 * m


NET = draw_binary(3)
DATA = artefact.dumps(NET)


def test_the_damaged_network_has_both_kinds():
    assert {type(this) for this in NET.layers} >= {SignConv, SignLinear}


def test_damaged_files_give_only_the_documented_error():
    rng, text, survived = np.random.default_rng(7), header_text(DATA), 0
    for _ in range(3000):
        try:
            artefact.loads(mutate(rng, DATA, text))
            survived += 1
        except ArtefactError as error:
            assert len(str(error)) < 500
    assert 0 < survived < 1500                  # such as a weight or a scale that is another


def changed(number=-1, *, payload=None, **fields):
    """The network's file with other fields or bytes of a layer, and a CRC that is right."""
    header = json.loads(header_text(DATA))
    number %= len(header["layers"])
    header["layers"][number] |= fields
    more = {}
    if payload is not None:
        header["layers"][number]["crc"] = zlib.crc32(payload)
        more[str(number)] = np.frombuffer(payload, np.uint8)
    return repack(DATA, json.dumps(header), **more)


def payload_of(number=-1):
    """A layer's payload."""
    return artefact.read_header(DATA)[1][number]


LAST = len(NET.layers) - 1
ROWS, COLS = NET.layers[-1].signs.shape


@pytest.mark.parametrize(("data", "message"), [
    (changed(mode="ternary"), rf"layers.{LAST}.mode: Input should be 'bwn' or 'xnor'"),
    (changed(rows=ROWS + 1), r"layer \d \(fc\): the payload has \d+ bytes, its header asks for"),
    (changed(cols=COLS + 1), rf"layer {LAST} takes {COLS + 1} inputs"),
    (changed(crc=5), r"layer \d \(fc\): CRC-32 is \w+, the header says 00000005: the file is dam"),
    (changed(bias_bytes=5), "bias_bytes: Input should be less than or equal to 4"),
    (changed(encoding="csr"), rf"layers.{LAST}.encoding: Extra inputs are not permitted"),
    (changed(payload=payload_of()[:-1]), r"the payload has \d+ bytes, its header asks for \d+"),
    (changed(payload=b"\xff" * len(payload_of())), "behind the last sign must be 0"),
    (changed(0, window=[1] * 4 + [1, 1, 1, 0, 0, 0, 0]), r"takes 1 inputs|gives|columns"),
    (changed(0, kind="binary_linear"), "layers.0.window: Extra inputs are not permitted"),
], ids=lambda value: None if isinstance(value, bytes) else value[:30])
def test_a_file_that_lies_about_a_binary_layer_is_refused(data, message):
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(data)


REFUSAL = "layer 'conv' of network 'binary' is binary, and no array has a binary mode yet; run " \
          "the network with the engine golden"


@pytest.mark.parametrize("act", [
    lambda x: openeie.compile(NET, openeie.preset("NET16")),
    lambda x: openeie.compile(NET, openeie.preset("NET16"), balance=True),
    lambda x: openeie.simulate(NET, x, config="NET16", engine="fast"),
    lambda x: openeie.simulate(NET, x, engine="rtl"),
    lambda x: openeie.simulate(NET, x, config="NET16", engine="golden"),
    lambda x: openeie.verify(NET, x),
    lambda x: openeie.balanced(NET, 4)],
    ids=["compile", "balance", "fast", "rtl", "golden on an array", "verify", "balanced"])
def test_arrays_refuse(act):
    with pytest.raises(InputError, match=REFUSAL):
        act(np.zeros((1, NET.inputs), int))


def test_golden_without_an_array(tmp_path, rng):
    x = rng.integers(-100, 121, (3, NET.inputs))
    openeie.save(NET, tmp_path / "n.eie")
    with pytest.warns(openeie.NumericWarning, match="layer norm: 18 of 18 outputs"):
        simulated = [openeie.simulate(net, x, engine="golden") for net in (NET, tmp_path / "n.eie")]
    for run in (*simulated, golden.run(NET, x)):
        assert run.config is None and [this.name for this in run.tiles] \
            == [this.name for this in NET.layers]
        assert np.array_equal(run.outputs, golden.network(NET, x)[-1])
    with pytest.raises(InputError, match=r"input \[0, 0\] must be in -100 .. 120, not 121"):
        golden.run(NET, np.full((1, NET.inputs), 121))


def test_golden_in_batches_is_golden_at_once(rng):
    x = rng.integers(-100, 121, (601, NET.inputs))
    for this, outputs in zip(golden.run(NET, x).layers, golden.network(NET, x)):
        assert np.array_equal(this.outputs, outputs)
