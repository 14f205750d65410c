# SPDX-License-Identifier: Apache-2.0
"""Computed weights made plain parameters, in modules and in the contents of weight files.

torch can compute a weight from other tensors: masked by ``torch.nn.utils.prune``, normalised by a
weight or spectral norm, or parametrised.
"""
import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm, SpectralNormLoadStateDictPreHook
from torch.nn.utils.weight_norm import WeightNorm

from ...core.errors import InputError

__all__ = ["ADVICE", "check_real", "copied", "computed_weights", "make_plain", "plain_tensors",
           "remove_parametrization"]

#: How users make computed weights plain themselves.
ADVICE = ("torch.nn.utils.prune.remove, remove_weight_norm, remove_spectral_norm or "
          "parametrize.remove_parametrizations makes them plain")
_PARTS = "parametrizations"

Hook = prune.BasePruningMethod | WeightNorm | SpectralNorm


def check_real(module: nn.Module) -> None:
    """Refuse a module whose weights have no values.

    Raises
    ------
    InputError : lazy tensors, or tensors on the meta device; the message says what to do.
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    name = type(module).__name__
    lazy = [path for path, one in tensors.items() if is_lazy(one)]
    if lazy:
        raise InputError(f"layers of {name} must have their shapes, and these are not made yet: "
                         f"{', '.join(lazy)}; run the module once on an input")
    empty = [path for path, one in tensors.items() if one.is_meta]
    if empty:
        raise InputError(
            f"weights of {name} must be numbers, and these are on the meta device, which keeps "
            f"none: {', '.join(empty)}; call module.to_empty(device='cpu'), then "
            f"module.load_state_dict(torch.load(FILE, weights_only=True))")


def copied(module: nn.Module) -> nn.Module:
    """A copy of a module, including tensors that ``deepcopy`` alone refuses because they were
    computed from others.

    Raises
    ------
    InputError : something else in the module cannot be copied.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for one in (*vars(part).values(), *part._buffers.values()):
            if isinstance(one, Tensor) and not one.is_leaf:
                memo[id(one)] = one.detach().clone()
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:          # whatever is in a user's module
        raise InputError(f"{type(module).__name__} cannot be copied: {type(error).__name__}: "
                         f"{error}; give its class, and its state_dict in a file") from error


def computed_weights(module: nn.Module) -> list[str]:
    """Names of the weights that torch computes from other tensors when the module runs."""
    names = []
    for path, part in module.named_modules():
        computed = [_tensor_of(hook) for hook in _hooks(part)]
        computed += getattr(part, _PARTS, {})
        names += [f"{path}.{name}" if path else name for name in computed]
    return names


def make_plain(module: nn.Module) -> tuple[str, ...]:
    """Make computed weights plain parameters, of the values that they have in eval mode, in place.

    Returns
    -------
    Names of the layers whose ``weight`` was masked by ``torch.nn.utils.prune``.

    Raises
    ------
    InputError : torch cannot remove a parametrisation.
    """
    masked = tuple(path for path, part in module.named_modules()
                   if any(map(_masks_weight, _hooks(part))))
    modes = {part: part.training for part in module.modules()}
    module.eval()                       # in training mode, a spectral norm would change
    try:
        for part in list(module.modules()):
            for hook in reversed(_hooks(part)):
                _remove(part, hook)
            for name in list(getattr(part, _PARTS, {})):
                remove_parametrization(part, name)
        for one in (*module.parameters(), *module.buffers()):
            # An expanded tensor: torch refuses to write where elements share memory.
            if 0 in one.stride() and one.numel():
                one.data = one.data.clone(memory_format=torch.contiguous_format)
    except Exception as error:          # whatever a user's parametrisation raises
        raise InputError(f"weights of {type(module).__name__} cannot be made plain parameters: "
                         f"{error}; {ADVICE}") from error
    finally:
        for part, training in modes.items():
            part.training = training
    return masked


def remove_parametrization(layer: nn.Module, name: str) -> None:
    """Make a parametrised tensor of a layer a plain parameter of the values that it has.

    torch's ``remove_parametrizations`` changes the layer's class, which copies of the layer share,
    and so would take the tensor from the copies. Here the layer gets its own class first.
    """
    cls = type(layer)
    own = {key: value for key, value in vars(cls).items()
           if key not in ("__dict__", "__weakref__")}
    layer.__class__ = type(cls.__name__, cls.__bases__, own)
    parametrize.remove_parametrizations(layer, name)


def _hooks(part: nn.Module) -> list[Hook]:
    """The hooks by which torch computes tensors before ``forward``."""
    return [hook for hook in part._forward_pre_hooks.values()
            if isinstance(hook, (prune.BasePruningMethod, WeightNorm, SpectralNorm))]


def _tensor_of(hook: Hook) -> str:
    """Name of the tensor that a hook computes."""
    return hook._tensor_name if isinstance(hook, prune.BasePruningMethod) else hook.name


def _masks_weight(hook: Hook) -> bool:
    return isinstance(hook, prune.BasePruningMethod) and _tensor_of(hook) == "weight"


def _remove(part: nn.Module, hook: Hook) -> None:
    """Remove a hook and leave a plain parameter."""
    if isinstance(hook, prune.BasePruningMethod):
        prune.remove(part, _tensor_of(hook))
    elif isinstance(hook, WeightNorm):
        remove_weight_norm(part, hook.name)
    else:
        remove_spectral_norm(part, hook.name)
        # torch wraps this hook, and then does not find it itself.
        for key, left in list(part._load_state_dict_pre_hooks.items()):
            if isinstance(getattr(left, "hook", left), SpectralNormLoadStateDictPreHook):
                del part._load_state_dict_pre_hooks[key]


def plain_tensors(tensors: Mapping[str, Tensor], names: Collection[str]
                  ) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A ``state_dict`` with plain weights instead of masked and normalised ones.

    Parameters
    ----------
    names : of the wanted tensors. Tensors that no wanted one is computed from stay as they are.

    Returns
    -------
    The tensors, and the names of the layers whose ``weight`` was masked.
    """
    result = dict(tensors)
    masked = []
    for name in names:
        if name in tensors:
            continue
        layer, dot, kind = name.rpartition(".")
        inside = f"{layer}{dot}{_PARTS}.{kind}"
        for first, second, make in ((f"{name}_orig", f"{name}_mask", _masked),
                                    (f"{name}_g", f"{name}_v", _normalised),
                                    (f"{inside}.original0", f"{inside}.original1", _normalised)):
            if first not in tensors or second not in tensors:
                continue
            made = make(tensors[first], tensors[second])
            if made is None:
                continue
            result[name] = made
            del result[first], result[second]
            if make is _masked and kind == "weight":
                masked.append(layer)
    return result, tuple(masked)


def _masked(weight: Tensor, mask: Tensor) -> Tensor | None:
    """A weight pruned by ``torch.nn.utils.prune``; None if weight and mask do not fit."""
    fits = weight.shape == mask.shape and mask.layout == torch.strided
    return weight * mask if fits and _dense(weight) else None


def _normalised(length: Tensor, direction: Tensor) -> Tensor | None:
    """A weight under torch's old or new weight norm; None if length and direction do not fit.

    ``length`` is one number, or has one for each index of one axis of ``direction``.
    """
    axes = [axis for axis, size in enumerate(length.shape) if size == 1]
    fits = length.ndim == direction.ndim and len(axes) >= direction.ndim - 1 and all(
        one in (1, other) for one, other in zip(length.shape, direction.shape))
    if not _dense(length, direction) or not (fits or length.ndim == 0):
        return None
    if length.ndim and not axes:        # a bias: one length for each element
        norm = direction.abs()
    else:
        norm = torch.linalg.vector_norm(direction, dim=axes or None, keepdim=bool(axes))
    return direction * (length / norm)


def _dense(*tensors: Tensor) -> bool:
    return all(one.layout == torch.strided and one.is_floating_point() for one in tensors)
