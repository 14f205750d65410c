# SPDX-License-Identifier: Apache-2.0
"""Damaged ONNX files end in one error or a graph."""
import resource
import time

import numpy as np
from openeie.core.errors import InputError
from openeie.sw.importers.onnx.file import load_onnx
from support.onnx_models import STATISTICS, W, model, node, saved, tensors


def whole():
    """A model with a bit of everything, the shape arithmetic of exporters among it."""
    return model([
        node("Conv", "x w", "c", pads=[1] * 4), node("BatchNormalization", "c s o m v", "n"),
        node("Relu", "n", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Concat", "p p", "k", axis=1), node("Shape", "k", "sh"),
        node("Constant", "", "zero", value=tensors(t=np.array(0))[0]),
        node("Gather", "sh zero", "b"), node("Constant", "", "axes", value_ints=[0]),
        node("Unsqueeze", "b axes", "u"), node("Concat", "u rest", "to", axis=0),
        node("Reshape", "k to", "f"), node("Transpose", "g", "gt"), node("MatMul", "f gt", "q"),
        node("Add", "q bias", "a"), node("Softmax", "a", "y")],
        w=W, **STATISTICS, rest=np.array([-1]), g=np.ones((3, 72)), bias=np.ones(3))


def damaged(rng, data):
    """A file with bits flipped, or bytes replaced, cut out, or repeated."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        kind, place = rng.integers(5), int(rng.integers(len(data)))
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place] = int(rng.choice([0, 1, 2, 127, 128, 255]))
        elif kind == 2:
            del data[place:place + int(rng.integers(1, 30))]
        elif kind == 3:
            data[place:place] = data[place:place + int(rng.integers(1, 200))]
        else:
            data[place:place + 4] = rng.bytes(4)
    return bytes(data)


def test_damaged_files_end_in_one_error_or_a_graph(rng, tmp_path):
    """5,000 of them, structure and weights: nothing else, and not much memory or time."""
    data, path, outcomes = whole().SerializeToString(), tmp_path / "damaged.onnx", []
    weights = data.index(W.astype("<f4").tobytes())
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert load_onnx(saved(tmp_path, whole())).shapes["q"] == (3,)
    for number in range(5_000):
        part = data if number % 4 == 0 else data[:weights]      # mostly the nodes
        path.write_bytes(damaged(rng, part) + data[len(part):])
        try:
            graph = load_onnx(path)
            outcomes.append(graph.shapes[graph.output] != ())
        except InputError:
            outcomes.append(None)
    assert all(outcome in (True, None) for outcome in outcomes)
    assert 1_000 < outcomes.count(None) < 4_900
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10      # KiB
    assert time.monotonic() - begun < 300


def test_damaged_models_that_are_well_formed(rng, tmp_path):
    """3,000 models whose tensors, attributes and wiring are absurd, but readable."""
    numbers = [0, -1, 1, 2, 3, 7, 1 << 20, 1 << 40, (1 << 63) - 1, -(1 << 63)]
    refused = 0
    for _ in range(3_000):
        proto = whole()
        for _ in range(int(rng.integers(1, 4))):
            one = proto.graph.node[int(rng.integers(len(proto.graph.node)))]
            kind = rng.integers(6)
            if kind == 0 and one.attribute:
                attribute = one.attribute[int(rng.integers(len(one.attribute)))]
                attribute.i = int(rng.choice(numbers))
                if attribute.ints:
                    attribute.ints[0] = int(rng.choice(numbers))
            elif kind == 1 and one.attribute:
                one.attribute[0].type = int(rng.integers(0, 15))
            elif kind == 2 and one.input:
                names = [name for other in proto.graph.node for name in other.output] + ["x", ""]
                one.input[int(rng.integers(len(one.input)))] = str(rng.choice(names))
            elif kind == 3:
                one.op_type = proto.graph.node[int(rng.integers(len(proto.graph.node)))].op_type
            elif kind == 4:
                tensor = proto.graph.initializer[int(rng.integers(len(proto.graph.initializer)))]
                tensor.dims[0] = int(rng.choice(numbers))
            else:
                size = proto.graph.input[0].type.tensor_type.shape.dim[int(rng.integers(4))]
                size.dim_value = int(rng.choice(numbers))
        try:
            load_onnx(saved(tmp_path, proto))
        except InputError:
            refused += 1
    assert 1_500 < refused < 3_000
