# SPDX-License-Identifier: Apache-2.0
"""ONNX files as float graphs: what torch and ONNX's reference implementation compute."""
import re

import numpy as np
import onnx
import onnx.reference
import pytest
import torch
from support.modules import MODULES, draw
from onnx import TensorProto
from openeie.core.errors import InputError
from openeie.sw.float.run import run_float
from openeie.sw.importers.onnx.file import load_onnx
from openeie.sw.importers.torch.module import load_module
from support.onnx_models import STATISTICS, W, model, node, saved


def agrees(proto, tmp_path, rng, batch=2):
    """Whether the graph computes what ONNX's reference implementation computes."""
    graph = load_onnx(saved(tmp_path, proto))
    x = rng.normal(size=(batch, *graph.shapes[graph.input.name])).astype(np.float32)
    expected, = onnx.reference.ReferenceEvaluator(proto).run(None, {"x": x})
    got = run_float(graph, x)
    return got.size == expected.size and np.abs(got.reshape(expected.shape) - expected).max() \
        < 1e-5 * max(1, np.abs(expected).max())


# Networks -------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore")               # torch's exporters about their own future
@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("exporter", ["dynamo", "script"])
@pytest.mark.parametrize("name", MODULES)
def test_what_torch_exports(name, exporter, dynamic, rng, tmp_path):
    """Both exporters, with a batch that is a number or a name: the module's own graph."""
    module, x = draw(name, rng)
    options = {"dynamo": exporter == "dynamo", "verbose": False, "input_names": ["x"]}
    if dynamic and exporter == "dynamo":
        options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif dynamic:
        options["dynamic_axes"] = {"x": {0: "batch"}}
    path = tmp_path / "exported.onnx"
    torch.onnx.export(module, (x,), path, **options)
    expected = run_float(load_module(module, x), x.numpy())
    got = run_float(load_onnx(path), x.numpy())
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() < 1e-5 * max(1, np.abs(expected).max())


FORMS = {
    "conv": ([node("Conv", "x w b", "y", group=2, strides=[2, 1], pads=[1, 0, 1, 0])],
             {"w": W[:, :2], "b": [1.0, 2, 3, 4]}),
    "conv same": ([node("Conv", "x w", "y", auto_pad="SAME_UPPER", kernel_shape=[3, 3])],
                  {"w": W}),
    "conv valid": ([node("Conv", "x w", "y", auto_pad="VALID")], {"w": W}),
    "norm": ([node("Conv", "x w", "c"), node("BatchNormalization", "c s o m v", "y",
                                             epsilon=0.01)], {"w": W, **STATISTICS}),
    "norm twice": ([node("Conv", "x w", "c"), node("Identity", "c", "i"),
                    node("BatchNormalization", "i s o m v", "n"),
                    node("BatchNormalization", "n s o m v", "y")], {"w": W, **STATISTICS}),
    "bias behind": ([node("Conv", "x w", "c"), node("Add", "o c", "y")],
                    {"w": W, "o": np.arange(4.0).reshape(4, 1, 1)}),
    "gemm": ([node("Flatten", "x", "f"), node("Gemm", "f g b", "y")],
             {"g": np.linspace(-1, 1, 144 * 3).reshape(144, 3), "b": [[1.0, 2, 3]]}),
    "matmul": ([node("Flatten", "x", "f", axis=-3), node("MatMul", "f g", "p"),
                node("Add", "p b", "y")],
               {"g": np.linspace(-1, 1, 144 * 3).reshape(144, 3), "b": [1.0, 2, 3]}),
    "transposed": ([node("Transpose", "g", "t", perm=[1, 0]), node("Flatten", "x", "f"),
                    node("MatMul", "f t", "y")],
                   {"g": np.linspace(-1, 1, 144 * 3).reshape(3, 144)}),
    "max": ([node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0],
                  ceil_mode=1)], {}),
    "average": ([node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1] * 4)], {}),
    "average with padding": ([node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1] * 4,
                                   strides=[2, 2], count_include_pad=1)], {}),
    "global": ([node("GlobalAveragePool", "x", "y")], {}),
    "mean": ([node("ReduceMean", "x a", "y", keepdims=0)], {"a": np.array([2, -1])}),
    "squeeze": ([node("GlobalAveragePool", "x", "p"), node("Squeeze", "p a", "y")],
                {"a": np.array([3, 2])}),
    "concat": ([node("Relu", "x", "r"), node("Clip", "x z", "c"), node("Concat", "r c x", "y",
                                                                      axis=1)],
               {"z": np.float32(0)}),
    "add": ([node("Relu", "x", "r"), node("Add", "r x", "y")], {}),
    "reshape": ([node("Dropout", "x", "d"), node("Reshape", "d s", "y")],
                {"s": np.array([0, -1])}),
    "shape": ([node("Shape", "x", "n", start=0, end=1), node("Concat", "n one", "s", axis=0),
               node("Reshape", "x s", "y")], {"one": np.array([-1])}),
    "unsorted": ([node("Add", "r x", "y"), node("Relu", "x", "r")], {}),
    "dead": ([node("Relu", "x", "y"), node("Einsum", "x", "z", equation="ij")], {}),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_operators(name, rng, tmp_path):
    nodes, arrays = FORMS[name]
    if name in ("unsorted", "dead"):
        plain = model(sorted([one for one in nodes if one.op_type != "Einsum"],
                             key=lambda one: one.op_type != "Relu"), **arrays)
        assert agrees(plain, tmp_path, rng)
        assert load_onnx(saved(tmp_path, model(nodes, **arrays))).output == "y"
        return
    assert agrees(model(nodes, **arrays), tmp_path, rng)
    if "w" in arrays:                               # and the comparison sees a wrong weight
        proto = model(nodes, **arrays)
        graph = load_onnx(saved(tmp_path, proto))
        assert np.array_equal(graph.nodes[1].weight, np.float32(arrays["w"])) \
            or "norm" in name
        x = rng.normal(size=(1, 4, 6, 6)).astype(np.float32)
        expected, = onnx.reference.ReferenceEvaluator(model(nodes, **{
            **arrays, "w": np.asarray(arrays["w"]) * 1.01})).run(None, {"x": x})
        assert np.abs(run_float(graph, x) - expected).max() > 1e-3


def test_older_opsets(rng, tmp_path):
    """Axes and bounds that were attributes, a softmax along axis 1."""
    nodes = [node("ReduceMean", "x", "m", axes=[2, 3], keepdims=1),
             node("Squeeze", "m", "q", axes=[2, 3]), node("Clip", "q", "y", min=0.0)]
    assert agrees(model(nodes, opset=10), tmp_path, rng)
    last = model([node("Relu", "x", "r"), node("Softmax", "r", "y")], opset=10)
    assert load_onnx(saved(tmp_path, last)).output == "r"


# External data --------------------------------------------------------------------------------
def external(location, **more):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=W.shape,
                         data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return model([node("Conv", "x w", "y")], stored=[tensor])


def test_external_data(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "w.bin").write_bytes(b"1234" + W.astype("<f4").tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    graph = load_onnx(saved(folder, external("w.bin", offset="4", length="576")))
    assert np.array_equal(graph.nodes[1].weight, np.float32(W))

    def refused(message, *arguments, **more):
        with pytest.raises(InputError, match=message):
            load_onnx(saved(folder, external(*arguments, **more)))
    for outside in ("../w.bin", str(tmp_path / "w.bin"), "link.bin"):
        refused(f"tensor 'w': its external data '{re.escape(outside)}' lie outside the model's "
                f"folder", outside, offset="4")
    refused("'nowhere' are not in the model's folder", "nowhere")
    refused("are not in the model's folder", ".")
    refused("end 100 bytes too early", "w.bin", offset="104")
    refused("but its shape needs 576 bytes", "w.bin", length="575")
    refused("external data of offset '-4'", "w.bin", offset="-4")
    refused("embedded null", "w\0bin")
