# SPDX-License-Identifier: Apache-2.0
"""Importer of live torch modules, traced by ``torch.export`` in this process."""
import contextlib
import io
import logging
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from ....core.errors import InputError
from ...float.graph import FloatGraph
from ...float.plain_weights import check_real
from ..draft import Draft, Place
from .operators import OPERATORS, TorchCall

__all__ = ["load_module"]


def load_module(module: nn.Module, example: Any) -> FloatGraph:
    """The network of a module in ``eval`` mode; the module itself is not changed.

    Batch normalisation is folded into the layer before it, dropout does nothing, and a softmax
    at the end is left to the host. Weights that are computed from parameters alone, such as
    masked ones, get the values that they have now.

    Parameters
    ----------
    module : takes one float32 tensor [batch, ...] and returns one. Its ``forward`` is run.
    example : such an input, as tensor or array; its shape, without the batch, is the network's.

    Raises
    ------
    InputError : the example is no such input; the module has no weights yet, or cannot be traced
        on the example; unsupported operators, arguments, inputs or outputs, listed at once.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"a module must be a live torch.nn.Module, not {type(module).__name__}")
    check_real(module)
    try:
        example = torch.as_tensor(example)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the example must be one tensor: {error}") from error
    if example.dtype != torch.float32 or example.ndim not in (2, 4) or not example.numel():
        raise InputError(f"the example must be float32 [batch, channels, height, width] or "
                         f"[batch, length], not {str(example.dtype).removeprefix('torch.')} "
                         f"{list(example.shape)}")
    return _Reader(type(module).__name__, _export(module, example)).graph()


def _export(module: nn.Module, example: torch.Tensor) -> torch.export.ExportedProgram:
    """The module as one functional graph, in eval mode."""
    modes = {inner: inner.training for inner in module.modules()}
    device = next((parameter.device for parameter in module.parameters()), example.device)
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad(), _silence():
            warnings.simplefilter("ignore")         # torch warns of its own releases
            exported = torch.export.export(module, (example.to(device),), strict=False)
            # This decomposes no operator, but replaces in-place ones.
            return exported.run_decompositions({})
    except Exception as error:      # whatever the module's own code or the tracer raises
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise InputError(
            f"{type(module).__name__} cannot be traced on an input of shape "
            f"{list(example.shape)}: {type(error).__name__}: {reason.strip()}; "
            f"{_advice(module, error)}") from error
    finally:
        for inner, training in modes.items():
            inner.training = training


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hide the graphs and tracebacks that torch logs and prints before it raises."""
    handlers: list[logging.Handler] = []
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] == "torch" and isinstance(logger, logging.Logger):
            handlers += logger.handlers
    for handler in handlers:
        handler.addFilter(_nothing)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _advice(module: nn.Module, error: Exception) -> str:
    """How to change a module that cannot be traced."""
    if isinstance(error, GuardOnDataDependentSymNode):
        return "control flow and shapes must not depend on the data"
    kinds = {tensor.dtype for tensor in (*module.parameters(), *module.buffers())
             if tensor.is_floating_point()} - {torch.float32}
    if kinds:
        return f"parameters and buffers must be torch.float32, not " \
               f"{', '.join(sorted(map(str, kinds)))}; call .float() on the module"
    if "dtype" in str(error) or "scalar type" in str(error):
        return "everything in it must be computed in torch.float32"
    if isinstance(error, TypeError):
        return "its forward must run on one tensor and nothing else"
    return "its forward must run on an input of that shape"


class _Reader:
    """One pass over a program's graph, in execution order."""
    def __init__(self, name: str, program: torch.export.ExportedProgram) -> None:
        self.draft = Draft(name)
        self.program = program
        signature = program.graph_signature
        self.nodes: dict[str, fx.Node] = {node.name: node for node in program.graph.nodes}
        self.inputs = [self.nodes[spec.arg.name] for spec in signature.input_specs
                       if spec.kind == InputKind.USER_INPUT and spec.arg.name in self.nodes]
        self.outputs = [getattr(spec.arg, "name", None) for spec in signature.output_specs
                        if spec.kind == OutputKind.USER_OUTPUT]
        self.changed = [str(spec.target) for spec in signature.output_specs
                        if spec.kind == OutputKind.BUFFER_MUTATION]
        self.constants: dict[fx.Node, torch.Tensor] = {}
        self.stems: dict[fx.Node, str] = {}         # weight -> path of the module that holds it
        for spec in signature.input_specs:
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
                node = self.nodes[spec.arg.name]
                stored = program.state_dict if spec.target in program.state_dict \
                    else program.constants
                self.constants[node] = stored[spec.target].detach()
                if spec.kind == InputKind.PARAMETER:
                    self.stems[node] = str(spec.target).rpartition(".")[0]

    def graph(self) -> FloatGraph:
        """The float graph."""
        self._check_ends()
        output = self.nodes[self.outputs[0]]
        wanted = _ancestors(output)
        for node in self.program.graph.nodes:
            if node in wanted and node not in self.constants and not self._constant(node):
                self._node(node)
        if output in self.constants or not self.draft.knows(output.name):
            raise InputError(f"{self.draft.name} returns a value that does not depend on its input")
        operators = {name.split(".")[1].lstrip("_") for name in OPERATORS}
        return self.draft.finish(output.name, "torch", operators)

    def _check_ends(self) -> None:
        """Refuse a module without exactly one tensor in and one out."""
        problems = []
        if len(self.inputs) != 1:
            problems.append(f"it must take one tensor, not {len(self.inputs)}")
        if len(self.outputs) != 1 or self.outputs[0] not in self.nodes:
            problems.append(f"it must return one tensor, not {len(self.outputs)}: "
                            f"{', '.join(map(str, self.outputs))}")
        if self.changed:
            problems.append(f"it changes its buffers in eval mode: {', '.join(self.changed)}")
        if problems:
            raise InputError(f"{self.draft.name} cannot be imported: {'; '.join(problems)}")

    def _constant(self, node: fx.Node) -> bool:
        """True if a node depends on constants alone; its value is then kept."""
        inputs = node.all_input_nodes
        if node.op != "call_function" or any(one not in self.constants for one in inputs) \
                or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return False
        compute = cast(Callable[..., Any], node.target)     # op is call_function
        args = fx.map_arg(node.args, self.constants.__getitem__)
        options = fx.map_arg(node.kwargs, self.constants.__getitem__)
        with torch.no_grad():
            self.constants[node] = compute(*args, **options)
        return True

    def _node(self, node: fx.Node) -> None:
        """Add a node to the draft."""
        if node.op == "get_attr":                   # a branch of control flow
            return
        if node.op == "placeholder":
            self.draft.add(Place(tensor=node.name, name=node.name, operator="input"), "input", [],
                           shape=tuple(node.meta["val"].shape[1:]))
            return
        place = Place(tensor=node.name, name=self._name(node), operator=str(node.target))
        make = OPERATORS.get(str(node.target))
        if node.target is operator.getitem:
            source, number = cast(tuple[fx.Node, int], node.args)
            if number == 0 and self.draft.knows(source.name):
                self.draft.alias(place, source.name)
            else:
                self.draft.refuse(place, f"result {number} of {source.name!r}", "the first result")
        elif make is None:
            self.draft.unsupported(place, str(node.target).removeprefix("aten."))
        else:
            make(TorchCall(draft=self.draft, place=place, node=node, constants=self.constants))

    def _name(self, node: fx.Node) -> str:
        """The path of the module whose weights a node reads; else the path of the ``torch.nn``
        layer that computes it; else torch's name of the node."""
        for one in node.all_input_nodes:
            if self.stems.get(one):
                return self.stems[one]
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path, kind = stack[-1] if stack else ("", "")
        if path and str(kind).startswith("torch.nn.modules."):
            return path
        return node.name


def _ancestors(output: fx.Node) -> set[fx.Node]:
    """The nodes that an output depends on, and itself."""
    wanted = {output}
    waiting = [output]
    while waiting:
        new = set(waiting.pop().all_input_nodes) - wanted
        wanted |= new
        waiting.extend(new)
    return wanted


