# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models written node by node."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT

#: Weights of a convolution, and statistics of a normalisation, of four channels.
W = np.linspace(-1, 1, 4 * 4 * 9).reshape(4, 4, 3, 3)
STATISTICS = {"s": [1.0, 2, 3, 4], "o": [0.5, 0, 1, 2], "m": [1.0, 1, 2, 0], "v": [1.0, 2, 3, 4]}


def saved(folder, proto):
    """Path of the model in a file."""
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def node(kind, inputs, output, name="", **attributes):
    """A node; names of several tensors are separated by spaces."""
    return helper.make_node(kind, inputs.split(), output.split(), name=name or output,
                            **attributes)


def tensors(**arrays):
    """Stored tensors by name; float64 becomes float32."""
    return [numpy_helper.from_array(np.asarray(
        array, np.float32 if np.asarray(array).dtype == np.float64 else None), name)
        for name, array in arrays.items()]


def model(nodes, shape=("batch", 4, 6, 6), *, outputs="y", opset=20, inputs=None, kind=FLOAT,
          stored=(), **arrays):
    """A model with one input ``x``, unless told otherwise."""
    ends = [helper.make_tensor_value_info(name, kind, size)
            for name, size in (inputs or {"x": shape}).items()]
    graph = helper.make_graph(
        nodes, "small", ends, [helper.make_tensor_value_info(name, FLOAT, None)
                               for name in outputs.split()],
        [*tensors(**arrays), *stored])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
