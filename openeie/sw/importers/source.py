# SPDX-License-Identifier: Apache-2.0
"""One entry to all importers; torch and onnx are imported only when they are needed."""
from os import PathLike
from typing import Any

import numpy as np

from ...core.host.extras import need
from ..float.graph import FloatGraph

__all__ = ["as_graph"]


def as_graph(source: Any, example: np.ndarray) -> FloatGraph:
    """The float graph of a network.

    Parameters
    ----------
    source : a live torch module, the path of an ONNX file, or a :class:`FloatGraph`.
    example : an input float32 [batch, ...], on which a module is traced.

    Raises
    ------
    InputError : another source; everything in it that is not supported, listed at once.
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
    # A batch of two: with one, a squeeze() would remove the batch dimension, too.
    return load_module(source, np.repeat(example[:1], 2, axis=0))
