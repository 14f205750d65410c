# SPDX-License-Identifier: Apache-2.0
"""Magnitude pruning of a module's layers, by masks that training cannot undo."""
from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ....core.errors import InputError, must_be_one_of
from ...float.plain_weights import ADVICE, remove_parametrization
from ...seed import is_integer

__all__ = ["WEIGHTED", "weighted_layers", "prune", "prune_global", "hold_zeros", "weight_parts",
           "release", "kept"]

#: Modules whose ``weight`` is pruned and shared.
WEIGHTED = (nn.Conv2d, nn.Linear)
_PRUNED = -1.0              # score of a weight that is pruned already; below every magnitude


class _Mask(nn.Module):
    """``weight * mask``: a pruned weight is zero and receives no gradient."""
    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def weighted_layers(model: nn.Module, names: Iterable[str] | None = None
                    ) -> dict[str, nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers of ``model`` by their dotted names, in the order of their
    definition; all of them, or those in ``names``.

    Raises
    ------
    InputError : a name that no such layer has.
    """
    layers = {name: module for name, module in model.named_modules()
              if isinstance(module, WEIGHTED)}
    if names is None:
        return layers
    chosen = set()
    for name in names:
        if name not in layers:
            raise InputError(f"layer {must_be_one_of(name, layers)}")
        chosen.add(name)
    return {name: layer for name, layer in layers.items() if name in chosen}


def _largest(scores: Tensor, count: int) -> Tensor:
    """Mask bool [n] of the ``count`` largest of ``scores`` [n]; of equal ones, the first.

    Raises
    ------
    ValueError : ``count`` exceeds n.
    """
    if not 0 <= count <= len(scores):
        raise ValueError(f"count must be in 0 .. {len(scores)}, not {count!r}")
    if count in (0, len(scores)):
        return torch.full((len(scores),), count > 0)
    threshold = torch.kthvalue(scores, len(scores) - count + 1).values
    mask = scores > threshold
    equal = torch.nonzero(scores == threshold).reshape(-1)
    mask[equal[:count - int(mask.sum())]] = True
    return mask


def prune(model: nn.Module, keep: Mapping[str, float], *, balance: int | None = None) -> None:
    """Keep the largest weights of the named layers, in place; call again to keep fewer.

    A pruned weight stays pruned, also when a later call asks for more weights. A layer that has
    weights keeps at least one.

    Parameters
    ----------
    keep : layer name -> fraction of its weights to keep, rounded to a count.
    balance : number of PEs over which each layer's weights are spread evenly (load-balance-aware
        pruning, ESE, section 3.2). PE k of N owns the rows (output channels) i with i mod N = k,
        and the largest weights are chosen within each PE's rows: the PEs' counts differ by at
        most one, unless a PE has fewer weights left than its share. None: the largest weights of
        the whole layer are chosen.

    Raises
    ------
    InputError : an unknown layer, a fraction outside 0 .. 1, a number of PEs that is no integer
        of at least 1, a layer whose weights are shared already or not all finite. Nothing is
        pruned then.
    """
    layers = weighted_layers(model, keep)
    if balance is not None and not (is_integer(balance) and balance >= 1):
        raise InputError(f"balance must be a number of PEs, an integer of at least 1, "
                         f"not {balance!r}")
    for name, fraction in keep.items():
        if not 0 <= fraction <= 1:
            raise InputError(f"fraction kept of layer {name!r} must be in 0 .. 1, "
                             f"not {fraction!r}")
    scores = {name: _scores(name, layer) for name, layer in layers.items()}
    for name, layer in layers.items():
        count = max(1, round(keep[name] * layer.weight.numel()))
        _set_mask(layer, _balanced(scores[name], count, balance or 1))


def prune_global(model: nn.Module, keep: float, *, layers: Iterable[str] | None = None,
                 normalise: bool = False) -> None:
    """Keep the largest weights of several layers together, in place: one threshold for all.

    Parameters
    ----------
    keep : fraction of all their weights to keep. Exactly ``round(keep * total)`` are kept: fewer
        only if fewer were left before, more only if otherwise a layer would lose its largest
        weight. Of equal magnitudes the first are kept.
    layers : names of the layers, by default all.
    normalise : divide magnitudes by the root mean square of their layer's remaining weights, so
        that layers with small weights are not pruned first.

    Raises
    ------
    InputError : as :func:`prune`, or a model without layers to prune.
    """
    chosen = weighted_layers(model, layers)
    if not chosen:
        raise InputError("a network to prune must have a convolution or a linear layer")
    if not 0 <= keep <= 1:
        raise InputError(f"fraction kept must be in 0 .. 1, not {keep!r}")
    scores = [_scores(name, layer).reshape(-1).clone() for name, layer in chosen.items()]
    sizes = [len(score) for score in scores]
    if normalise:
        scores = [torch.where(score < 0, score, score / _root_mean_square(score))
                  for score in scores]
    for score in scores:                # each layer's largest weight ranks first
        if score.numel() and float(score.max()) > 0:
            score[int(torch.nonzero(score == score.max())[0])] = torch.inf

    together = torch.cat(scores)
    left = int((together >= 0).sum())
    firsts = int((together == torch.inf).sum())
    count = max(min(round(keep * len(together)), left), firsts)
    for layer, mask in zip(chosen.values(), _largest(together, count).split(sizes)):
        _set_mask(layer, mask.reshape(layer.weight.shape))


def _root_mean_square(score: Tensor) -> float:
    """Of the weights that are not pruned; 1 if these are all zero."""
    left = score[score >= 0].double()
    return float(left.square().mean().sqrt()) if len(left) and left.any() else 1.0


def _scores(name: str, layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Magnitudes, shaped as the weight; :data:`_PRUNED` where a weight is pruned already."""
    if "weight" not in layer._parameters and not parametrize.is_parametrized(layer, "weight"):
        raise InputError(f"layer {name!r}: its weight must be a plain parameter to be pruned, not "
                         f"computed from others; {ADVICE}")
    magnitude = layer.weight.detach().abs()
    if not torch.isfinite(magnitude).all():
        raise InputError(f"layer {name!r}: weights must be finite numbers to be pruned, and "
                         f"{int((~torch.isfinite(magnitude)).sum())} are not")
    if not parametrize.is_parametrized(layer, "weight"):
        return magnitude
    part = weight_parts(layer)[0]
    if not isinstance(part, _Mask):
        raise InputError(f"layer {name!r} must be pruned before its weights are shared, or "
                         f"parametrised otherwise")
    return torch.where(part.mask != 0, magnitude, _PRUNED)


def _balanced(scores: Tensor, count: int, pes: int) -> Tensor:
    """Mask of the largest ``scores``, ``count`` in all, spread evenly over the rows of ``pes``
    PEs."""
    parts = [scores[pe::pes].reshape(-1) for pe in range(min(pes, len(scores)))]
    room = np.array([int((part >= 0).sum()) for part in parts])
    count = min(count, int(room.sum()))
    quotas = _quotas(parts, room, count)
    mask = torch.zeros(scores.shape, dtype=torch.bool)
    for pe, (part, quota) in enumerate(zip(parts, quotas)):
        rows = mask[pe::pes]
        rows.copy_(_largest(part, int(quota)).reshape(rows.shape))
    return mask


def _quotas(parts: list[Tensor], room: np.ndarray, count: int) -> np.ndarray:
    """How many scores each PE keeps, int64 [PEs]: as evenly as their ``room`` [PEs] allows."""
    low = 0
    high = int(room.max())
    while low < high:                   # the most that every PE with room can keep
        middle = (low + high + 1) // 2
        if np.minimum(room, middle).sum() <= count:
            low = middle
        else:
            high = middle - 1
    quotas = np.minimum(room, low)
    # The rest go to the PEs whose next score is largest.
    following = [_nth_largest(part, low + 1) if space > low else _PRUNED
                 for part, space in zip(parts, room)]
    rest = count - int(quotas.sum())
    quotas[np.argsort(following, kind="stable")[::-1][:rest]] += 1
    return quotas


def _nth_largest(scores: Tensor, n: int) -> float:
    return float(torch.kthvalue(scores, len(scores) - n + 1).values)


def _set_mask(layer: nn.Conv2d | nn.Linear, mask: Tensor) -> None:
    release(layer)
    parametrize.register_parametrization(layer, "weight", _Mask(mask.to(layer.weight.dtype)))


def hold_zeros(layer: nn.Conv2d | nn.Linear) -> None:
    """Make weights of a layer that are zero now stay zero, like pruned ones."""
    _set_mask(layer, layer.weight.detach() != 0)


def weight_parts(layer: nn.Conv2d | nn.Linear) -> parametrize.ParametrizationList:
    """What a layer's parametrised weight is computed from: the parametrisations in order, and
    ``original``, the parameter that is trained."""
    parts = cast(nn.ModuleDict, layer.parametrizations)
    return cast(parametrize.ParametrizationList, parts["weight"])


def release(layer: nn.Conv2d | nn.Linear) -> None:
    """Make the weight of a layer a plain parameter again, of the values that it has."""
    if parametrize.is_parametrized(layer, "weight"):
        remove_parametrization(layer, "weight")


def kept(model: nn.Module) -> dict[str, int]:
    """Number of non-zero weights of each layer."""
    return {name: int(torch.count_nonzero(layer.weight.detach()))
            for name, layer in weighted_layers(model).items()}
