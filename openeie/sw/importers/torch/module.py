# SPDX-License-Identifier: Apache-2.0
"""Live torch modules: traced by ``torch.export`` in this process, never read from a file."""
import contextlib
import io
import logging
import operator
import warnings
from collections.abc import Callable, Iterator

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


def load_module(module: nn.Module, example) -> FloatGraph:
    """The network of a module as it runs in ``eval`` mode; the module is left as it was.

    Batch normalisation is folded into the layer before it, dropout does nothing, and a softmax
    at the end is left to the host. Weights that are computed from parameters alone, such as
    masked ones, are taken as they are now.

    Parameters
    ----------
    module : takes one float32 tensor [batch, ...] and returns one. Its ``forward`` is run.
    example : such an input, tensor or array; its shape, without the batch, is the network's.

    Raises
    ------
    InputError : the example is no such input; the module has no weights yet, or cannot be traced
        on it; operators, arguments, inputs or outputs that are not supported, all at once.
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
            warnings.simplefilter("ignore")         # torch about its own releases
            exported = torch.export.export(module, (example.to(device),), strict=False)
            # No operator is decomposed, but in-place ones become plain.
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
    """Keeps off the terminal what torch logs and prints before it raises: graphs, tracebacks."""
    handlers = [handler for name, logger in list(logging.root.manager.loggerDict.items())
                if name.partition(".")[0] == "torch" and isinstance(logger, logging.Logger)
                for handler in logger.handlers]
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
    """What to change in a module that cannot be traced."""
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
    """One pass over a program's graph, in order."""
    def __init__(self, name: str, program: torch.export.ExportedProgram):
        self.draft = Draft(name)
        self.program = program
        signature = program.graph_signature
        nodes = {node.name: node for node in program.graph.nodes}
        self.inputs = [nodes[spec.arg.name] for spec in signature.input_specs
                       if spec.kind == InputKind.USER_INPUT and spec.arg.name in nodes]
        self.outputs = [spec.arg for spec in signature.output_specs
                        if spec.kind == OutputKind.USER_OUTPUT]
        self.constants: dict[fx.Node, torch.Tensor] = {}
        self.stems: dict[fx.Node, str] = {}         # of a weight: the module that holds it
        for spec in signature.input_specs:
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
                node = nodes[spec.arg.name]
                stored = program.state_dict if spec.target in program.state_dict \
                    else program.constants
                self.constants[node] = stored[spec.target].detach()
                if spec.kind == InputKind.PARAMETER:
                    self.stems[node] = str(spec.target).rpartition(".")[0]
        self.changed = [str(spec.target) for spec in signature.output_specs
                        if spec.kind == OutputKind.BUFFER_MUTATION]
        self.nodes = nodes

    def graph(self) -> FloatGraph:
        self._check_ends()
        output = self.nodes[self.outputs[0].name]
        wanted = _ancestors(output)
        for node in self.program.graph.nodes:
            if node in wanted and node not in self.constants and not self._constant(node):
                self._node(node)
        if output in self.constants or not self.draft.knows(output.name):
            raise InputError(f"{self.draft.name} returns what does not depend on its input")
        return self.draft.finish(output.name, "torch",
                                 {name.split(".")[1].lstrip("_") for name in OPERATORS})

    def _check_ends(self) -> None:
        """Refuses what has not one tensor in and one out."""
        name, problems = self.draft.name, []
        if len(self.inputs) != 1:
            problems.append(f"it must take one tensor, not {len(self.inputs)}")
        names = [getattr(arg, "name", None) for arg in self.outputs]
        if len(names) != 1 or names[0] not in self.nodes:
            problems.append(f"it must return one tensor, not {len(names)}: "
                            f"{', '.join(map(str, names))}")
        if self.changed:
            problems.append(f"it changes its buffers in eval mode: {', '.join(self.changed)}")
        if problems:
            raise InputError(f"{name} cannot be imported: {'; '.join(problems)}")

    def _constant(self, node: fx.Node) -> bool:
        """Whether a node follows from constants alone, and then its value."""
        inputs = node.all_input_nodes
        if node.op != "call_function" or any(one not in self.constants for one in inputs) \
                or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return False
        with torch.no_grad():
            self.constants[node] = node.target(*fx.map_arg(node.args, self.constants.__getitem__),
                                               **fx.map_arg(node.kwargs,
                                                            self.constants.__getitem__))
        return True

    def _node(self, node: fx.Node) -> None:
        """Adds what a node becomes."""
        if node.op == "get_attr":                   # the branches of control flow
            return
        if node.op == "placeholder":
            self.draft.add(Place(tensor=node.name, name=node.name, operator="input"), "input", [],
                           shape=tuple(node.meta["val"].shape[1:]))
            return
        place = Place(tensor=node.name, name=self._name(node), operator=str(node.target))
        make: Callable | None = OPERATORS.get(str(node.target))
        if node.target is operator.getitem:
            source, number = node.args
            if number == 0 and self.draft.knows(source.name):
                self.draft.alias(place, source.name)
            else:
                self.draft.refuse(place, f"result {number} of {source.name!r}", "the first result")
        elif make is None:
            self.draft.unsupported(place, str(node.target).removeprefix("aten."))
        else:
            make(TorchCall(draft=self.draft, place=place, node=node, constants=self.constants))

    def _name(self, node: fx.Node) -> str:
        """The path of the module whose weights a node reads, or of the layer of ``torch.nn`` that
        computes it; or torch's name of the node."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path, kind = stack[-1] if stack else ("", "")
        layer = path if str(kind).startswith("torch.nn.modules.") else ""
        return next((self.stems[one] for one in node.all_input_nodes if self.stems.get(one)),
                    layer or node.name)


def _ancestors(output: fx.Node) -> set[fx.Node]:
    """The nodes that an output follows from, with itself."""
    wanted, waiting = {output}, [output]
    while waiting:
        new = set(waiting.pop().all_input_nodes) - wanted
        wanted |= new
        waiting.extend(new)
    return wanted


