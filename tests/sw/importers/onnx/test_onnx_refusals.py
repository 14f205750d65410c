# SPDX-License-Identifier: Apache-2.0
"""What ONNX files cannot have: named with node, operator, reason and the nearest that can be."""
import numpy as np
import pytest
from onnx import TensorProto, helper
from openeie.core.errors import InputError
from openeie.sw.importers.onnx.file import load_onnx
from support.onnx_models import STATISTICS, W, model, node, saved


def conv(*more, **attributes):
    return [node("Conv", "x w", "y", **attributes), *more], {"w": W}


REFUSALS = {
    "dilation": (conv(dilations=[2, 2]), "'y' (Conv): dilations [2, 2]", "dilations [1, 1]"),
    "pads": (conv(pads=[0, 0, 1, 1]), "'y' (Conv): pads [0, 0, 1, 1], not the same on both sides",
             "pads [top, left, top, left]; ceil_mode 1, for a pool whose last window extends "
             "beyond the end"),
    "same": (conv(auto_pad="SAME_LOWER", strides=[2, 2]),
             "'y' (Conv): auto_pad SAME_LOWER of [1, 1] in all is not symmetric",
             "the same padding on both sides, in pads"),
    "auto_pad": (conv(auto_pad="SOME"), "'y' (Conv): auto_pad b'SOME'",
                 "NOTSET, VALID, SAME_UPPER or SAME_LOWER"),
    "one axis": (([node("Conv", "x w", "y")], {"w": W[..., 0]}),
                 "'y' (Conv): a weight of shape [4, 4, 3]", "two-dimensional convolutions"),
    "strides": (conv(strides=[1]), "'y' (Conv): strides [1]", "2 of them, for a map's two axes"),
    "attribute": (conv(colour=3), "'y' (Conv): attribute colour 3", ""),
    "attribute's type": (conv(group=1.5), "'y' (Conv): attribute 'group' must be int, not 1.5",
                         ""),
    "groups": (conv(group=3), "'y' (Conv): groups must divide its 4 channels, not 3", ""),
    "kernel": (conv(kernel_shape=[2, 2]), "'y' (Conv): weights must have shape [out, 4, 2, 2], "
                                          "not [4, 4, 3, 3]", ""),
    "weights": (([node("Conv", "x x", "y")], {}), "'y' (Conv): its weight depends on the input",
                "a constant weight"),
    "no weights": (([node("Conv", "x", "y")], {}), "'y' (Conv): its weight, input 1, is missing",
                   "a constant weight"),
    "half": (([node("Conv", "x w", "y")], {"w": np.float16(W)}),
             "'y' (Conv): tensor 'w' has type FLOAT16; supported: FLOAT", ""),
    "integers": (([node("Conv", "x w", "y")], {"w": W.astype(np.int32)}),
                 "'y' (Conv): its weight is int32", "float32"),
    "not finite": (([node("Conv", "x w", "y")], {"w": W * np.nan}),
                   "'y' (Conv): weights or bias that are not all finite numbers", ""),
    "window": (([node("MaxPool", "x", "y", kernel_shape=[9, 9])], {}),
               "'y' (MaxPool): a window of (9, 9), stride (1, 1), padding (0, 0) does not fit "
               "6 x 6", ""),
    "padding": (([node("MaxPool", "x", "y", kernel_shape=[3, 3], pads=[2] * 4)], {}),
                "'y' (MaxPool): a pool's padding must be at most half its kernel (3, 3), not "
                "(2, 2)", ""),
    "no kernel": (([node("MaxPool", "x", "y")], {}), "'y' (MaxPool): a window of (0, 0)", ""),
    "ceil": (([node("AveragePool", "x", "y", kernel_shape=[2, 2], strides=[4, 4], pads=[1] * 4,
                    ceil_mode=1)], {}),
             "'y' (AveragePool): a last window that begins in the padding, which ONNX counts "
             "before opset 22 and not since", "opset 22"),
    "storage": (([node("MaxPool", "x", "y", kernel_shape=[2, 2], storage_order=1)], {}),
                "'y' (MaxPool): storage_order 1", "storage_order 0"),
    "indices": (([node("MaxPool", "x", "p i", "max", kernel_shape=[2, 2]),
                  node("MaxUnpool", "p i", "y")], {}),
                "'max' (MaxPool): its output 'i' is read", "its first output"),
    "alpha": (([node("Flatten", "x", "f"), node("Gemm", "f g", "y", alpha=0.5)],
               {"g": np.ones((144, 2))}), "'y' (Gemm): alpha 0.5", "alpha 1"),
    "batch of matrices": (([node("MatMul", "x g", "y")], {"g": np.ones((6, 2))}),
                          "'y' (MatMul): it takes a vector, not (4, 6, 6); flatten it first", ""),
    "two tensors": (([node("MatMul", "x x", "y")], {}),
                    "'y' (MatMul): its weight depends on the input", "a constant weight"),
    "flatten": (([node("Flatten", "x", "y", axis=2)], {}), "'y' (Flatten): axis 2", "axis 1"),
    "reshape": (([node("Reshape", "x s", "y")], {"s": np.array([0, 8, 18])}),
                "'y' (Reshape): it turns (4, 6, 6) into (8, 18)",
                "flattening all but the batch, to (144,)"),
    "batch": (([node("Reshape", "x s", "y")], {"s": np.array([-1, 36])}),
              "'y' (Reshape): it turns [1, 4, 6, 6] into [-1, 36]", "a shape that keeps the batch"),
    "concat": (([node("Concat", "x x", "y", axis=2)], {}), "'y' (Concat): axis 2",
               "axis 1, the channels"),
    "concat nothing": (([node("Concat", "", "y", axis=1)], {}),
                       "'y' (Concat): it concatenates nothing", "two maps or more"),
    "add": (([node("Conv", "x w", "c"), node("Add", "c o", "y")], {"w": W, "o": np.ones((4, 4))}),
            "'y' (Add): it adds a constant of shape [4, 4] to (4, 4, 4)",
            "one number per channel, of shape [4, 1, 1]"),
    "offset": (([node("Relu", "x", "r"), node("Add", "r o", "y")], {"o": np.float32(1)}),
               "'y' (Add): it cannot be folded into 'r' (relu)",
               "directly after a convolution or linear layer that only it reads"),
    "norm": (([node("BatchNormalization", "x s o m v", "y")], STATISTICS),
             "'y' (BatchNormalization): it cannot be folded into 'x' (input)",
             "directly after a convolution or linear layer that only it reads"),
    "norm shared": (([node("Conv", "x w", "c"), node("BatchNormalization", "c s o m v", "n"),
                      node("Add", "n c", "y")], {"w": W, **STATISTICS}),
                    "'n' (BatchNormalization): it cannot be folded into 'c' (conv), which others "
                    "read too", "directly after a convolution or linear layer that only it reads"),
    "norm training": (([node("Conv", "x w", "c"), node("BatchNormalization", "c s o m v", "y",
                                                       training_mode=1)], {"w": W, **STATISTICS}),
                      "'y' (BatchNormalization): training_mode 1", "training_mode 0"),
    "norm channels": (([node("Conv", "x w", "c"), node("BatchNormalization", "c s s s s", "y")],
                       {"w": W, "s": np.ones(3)}),
                      "'y' (BatchNormalization): a factor and offset of shapes [3] and [3] on 4 "
                      "channels", "one per channel"),
    "clip": (([node("Clip", "x a b", "y")], {"a": np.float32(0), "b": np.float32(6)}),
             "'y' (Clip): it clips to 0.0 .. 6.0", "a ReLU, which clips to 0 .. inf"),
    "mean": (([node("ReduceMean", "x a", "y")], {"a": np.array([1])}),
             "'y' (ReduceMean): axes [1] of (4, 6, 6)", "axes [2, 3] of a map"),
    "softmax": (([node("Softmax", "x", "s", axis=1), node("Relu", "s", "y")], {}),
                "'s' (Softmax): a softmax that is not the last operator",
                "one at the end, which is left to the host"),
    "softmax axis": (([node("Softmax", "x", "y")], {}), "'y' (Softmax): a softmax along axis -1",
                     "along axis 1, the classes"),
    "dropout": (([node("Dropout", "x r t", "y")], {"r": np.float32(0.5), "t": np.array(True)}),
                "'y' (Dropout): training_mode", "inference"),
    "operator": (([node("Sigmoid", "x", "y")], {}), "'y' (Sigmoid): is not supported",
                 "a ReLU"),
    "domain": (([node("Relu", "x", "y", domain="com.microsoft")], {}),
               "'y' (Relu): an operator of 'com.microsoft'", "ONNX's own operators"),
    "loop": (([helper.make_node("If", ["t"], ["y"], name="fork", **{
        name: helper.make_graph([node("Relu", "x", "z")], name, [], [
            helper.make_tensor_value_info("z", 1, None)])
        for name in ("then_branch", "else_branch")})], {"t": np.array(True)}),
        "'fork' (If): is not supported", "one path"),
    "nothing": (([node("Relu", "q", "y")], {}), "'y' (Relu): it reads 'q', which nothing computes",
                ""),
    "growing": (([node("Concat", "w w", "v", axis=0), node("Conv", "x v", "y")], {"w": W}),
                "'v' (Concat): constants are computed up to 64 elements", ""),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name, tmp_path):
    (nodes, arrays), reason, nearest = REFUSALS[name]
    path = saved(tmp_path, model(nodes, **arrays))
    with pytest.raises(InputError) as raised:
        load_onnx(path)
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{path}: network 'small' cannot be imported:"
    wanted = f"  node {reason}" + (f"; supported: {nearest}" if nearest else "")
    assert any(line == wanted or (not nearest and line.startswith(wanted)) for line in lines), lines
    assert len([line for line in lines[1:] if line.startswith("  ")]) \
        == (2 if name == "indices" else 1)


def test_everything_unsupported_is_told_at_once(tmp_path):
    nodes = [node("Conv", "x w", "a", "first", dilations=[2, 2], pads=[0, 0, 1, 1]),
             node("Gelu", "a", "b"), node("LSTM", "b w w", "c"), node("Relu", "c", "d"),
             node("Softmax", "d", "e", axis=1), node("AveragePool", "e", "f", kernel_shape=[2, 2],
                                                     dilations=[2, 2]),
             node("Einsum", "f", "y", equation="ij")]
    with pytest.raises(InputError) as raised:
        load_onnx(saved(tmp_path, model(nodes, w=W)))
    _, *lines, last = str(raised.value).splitlines()
    assert [line.split("'")[1] for line in lines] == [
        "first", "first", "b", "c", "f", "y", "e"]
    assert last.startswith("there are Add, AveragePool, BatchNormalization, ")


def test_all_that_nothing_makes_is_told(tmp_path):
    """Of one node, too: its bias is looked at after its weights."""
    nodes = [node("Flatten", "x", "f"), node("Gemm", "f g bias", "y")]
    with pytest.raises(InputError) as raised:
        load_onnx(saved(tmp_path, model(nodes)))
    assert str(raised.value).splitlines()[1:] == [
        f"  node 'y' (Gemm): it reads {name!r}, which nothing computes" for name in ("g", "bias")]


@pytest.mark.parametrize("proto, message", [
    (model([node("Relu", "c", "a"), node("Relu", "a", "b"), node("Add", "b x", "c"),
            node("Relu", "c", "y")]),
     "nodes read each other in a loop: '[abc]' -> '[abc]' -> '[abc]' -> '[abc]'"),
    (model([node("Add", "y x", "y")]), "nodes read each other in a loop: 'y' -> 'y'"),
    (model([node("Add", "a b", "y")], inputs={"a": [1, 4, 6, 6], "b": [1, 4, 6, 6]}),
     "it must have one input, not 2: 'a', 'b'"),
    (model([node("Relu", "x", "y"), node("Relu", "y", "z")], outputs="y z"),
     "it must have one output, not 2: 'y', 'z'"),
    (model([node("Relu", "x", "y")], kind=TensorProto.FLOAT16),
     "input 'x' must be FLOAT, not FLOAT16"),
    (model([node("Relu", "x", "y")], ("batch", 4, "height", "width")),
     r"dimension 2 of input 'x' must be a positive number, not 'height'; export the model with a "
     r"fixed size; dimension 3 .* not 'width'"),
    (model([node("Relu", "x", "y")], (1, 4, None, 6)), "dimension 2 .* not 'dynamic'"),
    (model([node("Relu", "x", "y")], (1, 4, 6)), r"input 'x' must be \[batch, .* not of 3 dim"),
    (model([node("Relu", "x", "y")], ()), "not of 0 dimensions"),
    (model([node("Relu", "x", "y")], opset=8), "its opset must be 9 .. [0-9]+, not 8"),
    (model([node("Relu", "x", "y")], opset=999), "its opset must be 9 .. [0-9]+, not 999"),
    (model([node("Relu", "x", "y"), node("Relu", "x", "y")]), "tensor 'y' is computed twice"),
    (model([node("Identity", "w", "y")], w=W), "its output 'y' does not depend on its input"),
])
def test_whole_models_that_are_refused(proto, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_onnx(saved(tmp_path, proto))


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="cannot read .*nowhere"):
        load_onnx(tmp_path / "nowhere")
    (tmp_path / "text").write_text("no model, but a text")
    with pytest.raises(InputError, match="cannot read .*text"):
        load_onnx(tmp_path / "text")
    data = model([node("Relu", "x", "tensor")], outputs="tensor").SerializeToString()
    (tmp_path / "latin").write_bytes(data.replace(b"tensor", b"tens\xf6r"))
    with pytest.raises(InputError, match=r"field onnx.NodeProto.output must be UTF-8, not b'tens"):
        load_onnx(tmp_path / "latin")
