# SPDX-License-Identifier: Apache-2.0
"""Whatever a user has as a float graph; torch and onnx are loaded when they are needed."""
from os import PathLike

import numpy as np

from ...core.host.extras import need
from ..float.graph import FloatGraph

__all__ = ["as_graph"]


def as_graph(source, example: np.ndarray) -> FloatGraph:
    """The graph of a live torch module, an ONNX file's path, or a graph itself.

    Parameters
    ----------
    example : an input float32 [batch, ...], on which a module is traced.

    Raises
    ------
    InputError : another source; what is not supported of it, all at once.
    ToolError : torch or onnx is not installed.
    """
    need("train", "a float network", "torch")
    if isinstance(source, FloatGraph):
        return source
    if isinstance(source, (str, PathLike)):
        need("onnx", "an ONNX file", "onnx")
        from .onnx.file import load_onnx
        return load_onnx(source)
    from .torch.module import load_module
    # Two: with a batch of one, a squeeze() would take the batch away too.
    return load_module(source, np.repeat(example[:1], 2, axis=0))
