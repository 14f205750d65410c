# SPDX-License-Identifier: Apache-2.0
"""The float network that is to be compressed: how a module and a graph of it are made."""
import functools
import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from ...core.errors import InputError
from ..float.graph import FloatGraph
from ..float.plain_weights import ADVICE, check_real, computed_weights, copied, make_plain
from ..importers.source import as_graph
from ..importers.torch.module import load_module
from ..importers.torch.user_class import load_factory
from ..importers.torch.weights import check_finite, load_weights
from .checkpoint import digest
from .graph_module import GraphModule, with_weights
from .methods.prune import weighted_layers

__all__ = ["Source", "find_source", "code_digest", "structure_digest"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A float network.

    Attributes
    ----------
    title : the user's name for it, for messages and provenance.
    make : gives a new module.
    trained : the modules of ``make`` have their final weights.
    weights : file with the weights, or None.
    imported : the graph, if the network was given as one and not as a module.
    masked : layers whose weights were masked by torch's own pruning in the given module.
    """
    title: str
    make: Callable[[], nn.Module]
    trained: bool
    weights: Path | None = None
    imported: FloatGraph | None = None
    masked: tuple[str, ...] = ()

    @property
    def has_weights(self) -> bool:
        """True if it needs no training."""
        return self.trained or self.weights is not None

    def module(self) -> nn.Module:
        """A new module, with its weights if it has any; see :meth:`start`."""
        return self.start()[0]

    def start(self) -> tuple[nn.Module, tuple[str, ...]]:
        """A new module, and the names of layers whose zeros must be kept.

        The module has its weights, if there are any, as plain parameters. Zeros are kept in layers
        that torch's own pruning had masked.

        Raises
        ------
        InputError : the user's code raises; weights that do not fit or are not finite; weights to
            train that torch would compute from other tensors.
        """
        module = self.make()
        check_real(module)
        computed = [] if self.has_weights else computed_weights(module)
        if computed:
            raise InputError(f"weights of {self.title} must be plain parameters, not computed from "
                             f"others, to be trained: {', '.join(computed)}; {ADVICE}. Or train "
                             f"it yourself, and give the module, or its weights in a file")
        loaded = () if self.weights is None else load_weights(module, self.weights)
        masked = {*self.masked, *loaded, *make_plain(module)}
        check_finite(module)
        return module, tuple(name for name in weighted_layers(module) if name in masked)

    def empty(self) -> nn.Module:
        """A new module with plain parameters of any values, to be replaced."""
        module = self.make()
        make_plain(module)
        return module

    def graph(self, module: nn.Module, example: np.ndarray) -> FloatGraph:
        """The graph of a module of this source, with batch normalisation folded.

        Parameters
        ----------
        module : on the CPU.
        example : a float input [1, ...], on which the module is traced.

        Raises
        ------
        InputError : lists everything that the importer refuses.
        """
        if self.imported is not None:
            return with_weights(self.imported, module)
        return load_module(module, np.repeat(example[:1], 2, axis=0))

    def weights_digest(self, module: nn.Module) -> str:
        """SHA-256 of the initial weights, hex: of the file, or of ``module``, made by
        :attr:`make`."""
        if self.weights is not None:
            return hashlib.sha256(self.weights.read_bytes()).hexdigest()
        return digest(module.state_dict(), *self.masked)


def code_digest(make: Callable[..., Any] | None, module: nn.Module) -> str:
    """SHA-256 of source files, hex: those of the classes of a module and its parts, of their bases,
    and of the function that made the module, if it is known. torch's own files and code without a
    file are left out."""
    code: list[Any] = [] if make is None else [inspect.unwrap(make)]
    for part in module.modules():
        code += type(part).__mro__
    files = {file for thing in code if (file := _file_of(thing)) is not None}
    contents = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256(" ".join(contents).encode()).hexdigest()


def _file_of(thing: Any) -> Path | None:
    """The source file of a class or function, if there is one and it is not torch's."""
    if (getattr(thing, "__module__", None) or "").partition(".")[0] == "torch":
        return None
    try:
        file = inspect.getsourcefile(thing)
    except (TypeError, OSError):        # a builtin, a partial, or code typed at a prompt
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


def structure_digest(graph: FloatGraph) -> str:
    """SHA-256 of a graph's operators, names and shapes, hex; weights are left out."""
    rows = [(node.name, node.op, node.inputs, node.shape, node.kernel, node.stride, node.pad,
             node.groups, node.ceil, node.pad_counts,
             None if node.weight is None else node.weight.shape, node.bias is None)
            for node in graph.nodes]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def find_source(network: "nn.Module | Callable[[], nn.Module] | FloatGraph | str | PathLike",
                weights: "str | PathLike | None" = None) -> Source:
    """The source for the network that a user gives.

    Parameters
    ----------
    network : ``FILE.py:CLASS`` or ``MODULE:CLASS``; the path of an ONNX file; a live module,
        which is copied; a class or function that makes one; or a graph.
    weights : file with the weights, see :func:`~openeie.sw.importers.torch.weights.read_weights`.

    Raises
    ------
    InputError : something else, or a file of weights for a network that has its own.
    """
    file = None if weights is None else Path(weights)
    if file is not None and not file.is_file():
        raise InputError(f"cannot read weights from {file}: no such file, or no regular one")
    if isinstance(network, (str, PathLike)) and not str(network).endswith(".onnx"):
        return Source(title=str(network), make=load_factory(str(network)), trained=False,
                      weights=file)
    if isinstance(network, nn.Module):
        check_real(network)
        frozen = copied(network).cpu()
        masked = make_plain(frozen)
        return Source(title=type(network).__name__, make=lambda: copied(frozen),
                      trained=True, weights=file, masked=masked)
    if isinstance(network, (str, PathLike, FloatGraph)):
        return _imported(network, file)
    if callable(network):
        return Source(title=getattr(network, "__name__", "network"), make=_checked(network),
                      trained=False, weights=file)
    raise InputError(f"a network must be FILE.py:CLASS, MODULE:CLASS, an ONNX file, a module, or a "
                     f"class or function that makes one, not {type(network).__name__}")


def _imported(network: "FloatGraph | str | PathLike", file: Path | None) -> Source:
    """The source for a graph, or for the path of an ONNX file."""
    is_graph = isinstance(network, FloatGraph)
    if file is not None:
        raise InputError(f"{'a graph' if is_graph else network} has its weights; leave out {file}")
    graph = as_graph(network, np.zeros((0,), np.float32))
    title = graph.name if is_graph else Path(cast(str | PathLike, network)).name
    return Source(title=title, make=lambda: GraphModule(graph), trained=True, imported=graph)


def _checked(factory: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The factory, with a check of what it makes."""
    def make() -> nn.Module:
        module = factory()
        if not isinstance(module, nn.Module):
            raise InputError(f"{factory!r} must make a torch.nn.Module, "
                             f"not {type(module).__name__}")
        return module
    return functools.update_wrapper(make, factory, updated=())


