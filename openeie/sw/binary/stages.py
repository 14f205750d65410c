# SPDX-License-Identifier: Apache-2.0
"""A trained Sequential, grouped into stages that become integer layers: a layer with the batch norm
and ReLU after it, a pool, or a separate batch norm."""
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from torch import nn

from ...core.errors import InputError
from .modules import BinaryConv2d, BinaryLinear

__all__ = ["Stage", "stages_of"]

Norm = nn.BatchNorm1d | nn.BatchNorm2d
_CONVS = (nn.Conv2d, BinaryConv2d)
_LINEARS = (nn.Linear, BinaryLinear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The modules that become one integer layer.

    Attributes
    ----------
    name : of its first module.
    core : the convolution, linear layer or pool; None for a separate batch norm.
    norm : the batch norm after ``core``, or the separate one.
    relu : whether a ReLU comes last.
    modules : all of these in order, after an ``Unflatten`` of the input if there is one.
    """
    name: str
    core: nn.Module | None = None
    norm: Norm | None = None
    relu: bool = False
    modules: tuple[nn.Module, ...] = ()

    @property
    def reads_signs(self) -> bool:
        """True if the layer uses the signs of its inputs."""
        return isinstance(self.core, (BinaryConv2d, BinaryLinear)) and self.core.mode == "xnor"

    @property
    def has_weights(self) -> bool:
        """True for a convolution or linear layer."""
        return isinstance(self.core, (*_CONVS, *_LINEARS))


def stages_of(model: nn.Module, *, maps: bool) -> list[Stage]:
    """The stages of a chain of modules, nested Sequentials included.

    Parameters
    ----------
    maps : the model's inputs are maps, not vectors.

    Raises
    ------
    InputError : lists all modules that cannot be part of a stage.
    """
    if not _is_chain(model):
        raise InputError(f"a model to export must be a Sequential, not a {type(model).__name__}; "
                         f"put its modules into one, in the order they run")
    reader = _Reader(maps)
    for name, module in _leaves(model):
        reader.read(name, module)
    if not reader.stages and not reader.problems:
        reader.problems.append("no layer")
    if reader.problems:
        raise InputError(f"the model has modules that cannot be exported: "
                         f"{'; '.join(reader.problems)}")
    return reader.stages


def _leaves(model: nn.Sequential, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules by name, in order; a module in several places is repeated."""
    for name, module in model._modules.items():
        if _is_chain(module):
            yield from _leaves(module, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", module


def _is_chain(module: nn.Module | None) -> TypeGuard[nn.Sequential]:
    """True if it runs its modules one after another and does nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


class _Reader:
    """One pass over the modules, which collects stages and problems."""

    def __init__(self, maps: bool) -> None:
        self.stages: list[Stage] = []
        self.problems: list[str] = []
        self.maps = maps                # the next module reads maps
        self.pixel = False              # of one pixel
        self.flat = False               # the next module reads flattened maps of several pixels
        self.shape: tuple[nn.Module, ...] = ()      # an Unflatten before the next stage

    def read(self, name: str, module: nn.Module) -> None:
        """Take the next module."""
        problem = _problem(module) or self._misplaced(module)
        if problem:
            self.problems.append(f"{name} ({type(module).__name__}){problem}")
        if isinstance(module, (*_CONVS, *_LINEARS, *_POOLS)):
            self._begin(name, module, core=module)
            self.maps = not isinstance(module, _LINEARS)
            self.flat = False
            self.pixel = isinstance(module, nn.AdaptiveAvgPool2d)
        elif isinstance(module, _NORMS):
            last = self.stages[-1] if self.stages else None
            if last is not None and last.has_weights and last.norm is None and not last.relu:
                self._extend(module, norm=module)
            else:
                self._begin(name, module, norm=module)
        elif isinstance(module, nn.ReLU) and self.stages:
            self._extend(module, relu=True)
        elif isinstance(module, nn.Unflatten):
            self.shape = (module,)
            self.maps = True
        elif isinstance(module, nn.Flatten):
            self.flat = self.flat or (self.maps and not self.pixel)
            self.maps = False

    def _begin(self, name: str, module: nn.Module, **fields: Any) -> None:
        """A new stage with a module."""
        self.stages.append(Stage(name=name, modules=(*self.shape, module), **fields))
        self.shape = ()

    def _extend(self, module: nn.Module, **fields: Any) -> None:
        """The last stage with one more module."""
        last = self.stages[-1]
        self.stages[-1] = replace(last, modules=(*last.modules, module), **fields)

    def _misplaced(self, module: nn.Module) -> str:
        """Why a module cannot be in this place, to follow its name in a message."""
        if isinstance(module, nn.ReLU) and not self.stages:
            return " of the input, after no layer"
        if isinstance(module, nn.Unflatten) and (self.stages or self.maps):
            return ": only an input that is a vector can be unflattened"
        if isinstance(module, (*_CONVS, *_POOLS, nn.BatchNorm2d)) and not self.maps:
            return ": it reads no map"
        if isinstance(module, _LINEARS) and self.maps:
            return " reads a map; put a Flatten before it"
        if isinstance(module, nn.BatchNorm1d) and self.flat:
            return " after a Flatten: an integer network's norm has one gain per channel; put a " \
                   "BatchNorm2d before the Flatten"
        if isinstance(module, nn.BatchNorm1d) and self.maps:
            return " reads a map"
        return ""


def _problem(module: nn.Module) -> str:
    """Why a module cannot be part of a stage, to follow its name in a message."""
    if isinstance(module, _CONVS) and (
            module.groups != 1 or set(module.dilation) != {1} or isinstance(module.padding, str)
            or module.padding_mode != "zeros"):
        return ": groups and dilation must be 1, padding a number of zeros"
    if isinstance(module, _NORMS) and module.running_mean is None:
        return ": it must track running statistics"
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return "" if module.output_size in (1, (1, 1)) else ": its output must be one pixel"
    if isinstance(module, _POOLS) and module.ceil_mode:
        return ": ceil_mode must be off"
    if isinstance(module, nn.MaxPool2d) and module.dilation not in (1, (1, 1)):
        return ": dilation must be 1"
    if isinstance(module, nn.AvgPool2d) and module.divisor_override is not None:
        return ": divisor_override must be None"
    if isinstance(module, nn.AvgPool2d) and module.padding not in (0, (0, 0)) \
            and not module.count_include_pad:
        return ": with padding, count_include_pad must be on"
    if isinstance(module, (nn.Flatten, nn.Unflatten)):
        return "" if _first_axis(module) == 1 else ": it must begin at axis 1"
    known = (*_CONVS, *_LINEARS, *_POOLS, *_NORMS, *_NOTHING, nn.ReLU)
    return "" if isinstance(module, known) else ": there is no such layer"


def _first_axis(module: nn.Flatten | nn.Unflatten) -> int:
    """The axis that a module begins at; -1 if it does not keep the axes before it alone."""
    if isinstance(module, nn.Unflatten):
        return module.dim if len(module.unflattened_size) == 3 else -1
    return module.start_dim if module.end_dim == -1 else -1
