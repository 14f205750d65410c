# SPDX-License-Identifier: Apache-2.0
"""Weight sharing (Deep Compression, section 3): k-means per layer, then trained centroids."""
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .prune import weighted_layers

__all__ = ["kmeans", "gather_centroids", "share", "shared"]


def kmeans(values: np.ndarray, count: int, *, iterations: int = 100) -> np.ndarray:
    """Centroids of one-dimensional k-means by Lloyd's iterations, ascending, float64 [count].

    They start evenly spaced from the smallest to the largest value ("linear initialisation",
    best in Deep Compression's comparison); a cluster that loses its members stays where it is.
    """
    values = np.sort(np.asarray(values, np.float64).reshape(-1))
    if count < 1 or not len(values):
        raise ValueError(f"k-means needs at least one centroid and one value, "
                         f"not {count!r} and {len(values)}")
    centroids = np.linspace(values[0], values[-1], count)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    for _ in range(iterations):
        middles = (centroids[1:] + centroids[:-1]) / 2
        ends = np.concatenate([[0], np.searchsorted(values, middles), [len(values)]])
        members = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(members, 1)
        moved = np.where(members > 0, means, centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = np.sort(moved)
    return centroids


class _Gather(torch.autograd.Function):
    """``concat(0, centroids)[codes]``, with Deep Compression's equation 3 as its gradient."""

    @staticmethod
    def forward(ctx, centroids: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.count = len(centroids)
        return torch.cat([centroids.new_zeros(1), centroids])[codes]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        codes, = ctx.saved_tensors
        sums = torch.bincount(codes.reshape(-1), weights=grad.reshape(-1),
                              minlength=ctx.count + 1)
        return sums[1:].to(grad.dtype), None


def gather_centroids(centroids: Tensor, codes: Tensor) -> Tensor:
    """The weights ``codes`` stand for: slot 0 is zero, slot k is ``centroids[k - 1]``.

    The gradient of a centroid is the sum of its members' gradients; slot 0 has none.
    """
    return _Gather.apply(centroids, codes)


class _Shared(nn.Module):
    """Parametrisation whose parameter is the centroids and whose result is the weight."""

    def __init__(self, codes: Tensor, centroids: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)
        self.register_buffer("initial", centroids, persistent=False)

    def forward(self, centroids: Tensor) -> Tensor:
        return gather_centroids(centroids, self.codes)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Where the centroids start; the weight itself is given up."""
        return self.initial.clone()


def share(model: nn.Module, *, slots: int = 16) -> None:
    """Replace each layer's weights by at most ``slots`` values, in place.

    Slot 0 is reserved for zero (EIE's filler needs it), which leaves ``slots - 1`` centroids.
    Zero weights stay zero; afterwards training moves the centroids, never the assignment.

    Parameters
    ----------
    slots : codebook size, at least 2.

    Raises
    ------
    ValueError : fewer than two slots, or a layer without any weight.
    """
    if slots < 2:
        raise ValueError(f"slots must be at least 2 (slot 0 is zero), not {slots!r}")
    for name, layer in weighted_layers(model).items():
        weight = layer.weight.detach().numpy().astype(np.float64)
        nonzero = weight != 0
        if not nonzero.any():
            raise ValueError(f"layer {name!r} must have a weight other than zero")
        centroids = kmeans(weight[nonzero], slots - 1)
        nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, weight) + 1
        codes = torch.from_numpy(np.where(nonzero, nearest, 0))
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
        layer.weight.grad = None            # of another shape than the centroids'
        start = torch.from_numpy(centroids).to(layer.weight.dtype)
        parametrize.register_parametrization(layer, "weight", _Shared(codes, start), unsafe=True)


def shared(layer: nn.Conv2d | nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    """``(codes, codebook)`` of a layer that :func:`share` has treated.

    Returns
    -------
    codes : int64, shaped as the weight, codebook slots.
    codebook : float64 [slots], slot 0 is 0.0.

    Raises
    ------
    ValueError : the layer's weights are not shared.
    """
    if not (parametrize.is_parametrized(layer, "weight")
            and isinstance(layer.parametrizations.weight[0], _Shared)):
        raise ValueError("layer must have shared weights; call share() first")
    holder = layer.parametrizations.weight
    centroids = holder.original.detach().numpy().astype(np.float64)
    return holder[0].codes.numpy().copy(), np.concatenate([[0.0], centroids])
