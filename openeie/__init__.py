# SPDX-License-Identifier: Apache-2.0
"""OpenEIE: a compressed network, a cycle count that equals the hardware's, and the hardware.

>>> import openeie
>>> model = openeie.load(openeie.shipped("lenet-300-100"))
>>> model.inputs, model.outputs
(784, 10)
"""
from importlib.resources import files as _files
from os import PathLike as _PathLike
from pathlib import Path as _Path

from .core.artefact import load, save
from .core.compile import compile_network as compile
from .core.config import PRESETS, ArrayConfig, preset
from .core.errors import (ArrayFault, ArtefactError, CapacityError, ConfigError, EncodingError,
                          InputError, Mismatch, OpenEIEError, ToolError)
from .core.graph import Linear, Network
from .core.weights import SparseWeights
from .core.inspect import Contents, inspect
from .core.program import Program
from .core.run import LayerRun, Run

__version__ = "0.1.0"

__all__ = ["load", "save", "shipped", "compile", "inspect", "simulate", "verify", "preset",
           "ArrayConfig", "PRESETS", "Network", "Linear", "SparseWeights", "Program", "Run",
           "LayerRun", "Contents", "OpenEIEError", "ConfigError", "InputError", "EncodingError",
           "CapacityError", "ArtefactError", "ToolError", "ArrayFault", "Mismatch"]


def shipped(name: str) -> _Path:
    """Path of an artefact that comes with the package: ``"lenet-300-100"``."""
    path = _Path(str(_files("openeie.sw") / "assets" / f"{name}.eie"))
    if not path.is_file():
        names = sorted(p.stem for p in path.parent.glob("*.eie"))
        raise InputError(f"no artefact {name!r} comes with the package; there are: "
                         f"{', '.join(names) or 'none'}")
    return path


def _program(model, config, vectors: int, encoding: str | None) -> Program:
    if isinstance(model, Program):
        return model
    if isinstance(model, (str, _PathLike)):
        model = load(model)
    if isinstance(config, str):
        config = preset(config)
    return compile(model, config, vectors=vectors, encoding=encoding)


def simulate(model, x, *, config: str | ArrayConfig = "EIE64", engine: str = "fast",
             vectors: int = 1, encoding: str | None = None, **options) -> Run:
    """Run inputs through one engine.

    Parameters
    ----------
    model : a :class:`Network`, the path of an artefact, or a :class:`Program` (then ``config``,
        ``vectors`` and ``encoding`` do not apply).
    x : integers [batch, n]; see :meth:`Network.check_inputs`.
    config : a preset's name or an :class:`ArrayConfig`.
    engine : ``"golden"`` (values), ``"fast"`` or ``"rtl"`` (values, cycles, counters).
    vectors : inputs of one start; the batch must be a multiple.
    encoding : of every layer, instead of the layers' own.
    options : ``jobs`` of ``fast``; ``trace`` and ``seed`` of ``rtl``.

    Raises
    ------
    OpenEIEError : one of its kinds, saying what is wrong.
    """
    from .sim.engines import simulate as execute
    return execute(_program(model, config, vectors, encoding), x, engine, **options)


def verify(model, x, *, config: str | ArrayConfig = "TINY", vectors: int = 1,
           encoding: str | None = None, engines: tuple[str, ...] = ("golden", "fast", "rtl")):
    """Run inputs through several engines and compare every word, cycle and counter.

    Raises
    ------
    Mismatch : naming the first difference.
    """
    from .sim.verify import verify as compare
    return compare(_program(model, config, vectors, encoding), x, engines=engines)
