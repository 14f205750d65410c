# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation folded into the layer before it, in a live module."""
from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from ...core.errors import InputError
from .prune import WEIGHTED

__all__ = ["fold_batch_norms"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fold_batch_norms(module: nn.Module, example: Tensor | None = None) -> dict[str, str]:
    """Scale each layer's weights and shift its bias as the batch normalisation behind it would.

    In place, for the normalisation of eval mode: with ``g = weight / sqrt(var + eps)``, the layer
    computes ``g * W x + g * (bias - mean) + shift``, and an :class:`torch.nn.Identity` stands in
    the normalisation's place, so that no other module changes its name. The module computes the
    same function up to float rounding. Pruned weights stay pruned. A normalisation that reads
    anything but a convolution or linear layer, or one whose result others read too, is left.

    Call it before weights are shared, and best before they are pruned: magnitudes are those that
    will be executed then.

    Parameters
    ----------
    example : inputs that the module takes. A linear layer's outputs are [batch, features], unless
        it shows that they have more axes: BatchNorm1d normalises axis 1 then, which are other
        numbers than the layer's features, and is left.

    Returns
    -------
    The name of each normalisation that was folded and of the layer that took it.

    Raises
    ------
    InputError : ``torch.fx`` cannot trace the module; it cannot run the example; a normalisation
        without running statistics of the data; a layer whose weights are shared already, or
        parametrised but for a mask.
    """
    pairs = _pairs(module)
    if example is not None:
        pairs = _of_features(module, pairs, example)
    for norm, layer in pairs.items():               # all of them, before any is changed
        _check(norm, module.get_submodule(norm), layer, module.get_submodule(layer))
    for norm, layer in pairs.items():
        _fold(module.get_submodule(layer), module.get_submodule(norm))
        parent, _, name = norm.rpartition(".")
        setattr(module.get_submodule(parent), name, nn.Identity())
    return pairs


def _pairs(module: nn.Module) -> dict[str, str]:
    """Normalisation -> layer before it, where each runs once and nothing else reads the layer."""
    try:
        graph = fx.symbolic_trace(module).graph
    except Exception as error:      # whatever the module's own code or the tracer raises
        raise InputError(f"batch normalisation of {type(module).__name__} cannot be folded: "
                         f"torch.fx cannot trace the module: {error}") from error
    calls = [node for node in graph.nodes if node.op == "call_module"]
    runs = Counter(node.target for node in calls)
    pairs = {}
    for node in calls:
        before = node.args[0] if node.args else None
        if isinstance(module.get_submodule(node.target), _NORMS) and isinstance(before, fx.Node) \
                and before.op == "call_module" and len(before.users) == 1 \
                and isinstance(module.get_submodule(before.target), WEIGHTED) \
                and runs[node.target] == runs[before.target] == 1 \
                and module.get_submodule(node.target).num_features == _outputs(
                    module.get_submodule(before.target)):
            pairs[str(node.target)] = str(before.target)
    return pairs


def _outputs(layer: Any) -> int:
    return layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features


def _of_features(module: nn.Module, pairs: dict[str, str], example: Tensor) -> dict[str, str]:
    """The pairs whose normalisation reads the layer's features along axis 1."""
    read: dict[str, int] = {}
    hooks = [module.get_submodule(norm).register_forward_pre_hook(
        lambda _, inputs, norm=norm: read.update({norm: inputs[0].ndim})) for norm in pairs]
    modes = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad():
            module.eval()(example)
    except Exception as error:      # whatever the module's own code raises
        raise InputError(f"{type(module).__name__} must run on the example of shape "
                         f"{list(example.shape)}, but raises {type(error).__name__}: "
                         f"{error}") from error
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes.items():
            part.training = mode
    return {norm: layer for norm, layer in pairs.items()
            if read.get(norm) == 2 or isinstance(module.get_submodule(layer), nn.Conv2d)}


def _check(norm_name: str, norm: nn.Module, layer_name: str, layer: nn.Module) -> None:
    """Refuses what cannot be folded although it stands in the right place."""
    if norm.running_mean is None:
        raise InputError(f"batch normalisation {norm_name!r} must keep running statistics "
                         f"(track_running_stats) to be folded into {layer_name!r}")
    if parametrize.is_parametrized(layer) and (
            list(layer.parametrizations) != ["weight"] or not all(
                hasattr(part, "mask") for part in layer.parametrizations.weight)):
        raise InputError(f"batch normalisation {norm_name!r} must be folded into {layer_name!r} "
                         f"before its weights are shared or parametrised in another way")


def _fold(layer: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """In float64: what is left to rounding is one step of each weight."""
    deviation = torch.sqrt(norm.running_var.double() + norm.eps)
    gain = (1 if norm.weight is None else norm.weight.detach().double()) / deviation
    shift = 0 if norm.bias is None else norm.bias.detach().double()
    bias = 0 if layer.bias is None else layer.bias.detach().double()
    weight = layer.parametrizations.weight.original if parametrize.is_parametrized(layer) \
        else layer.weight
    _set(weight, weight.double() * gain.reshape(-1, *[1] * (weight.ndim - 1)))
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.empty_like(norm.running_mean))
    _set(layer.bias, (bias - norm.running_mean.double()) * gain + shift)


@torch.no_grad()
def _set(parameter: Tensor, values: Tensor) -> None:
    parameter.copy_(values)
