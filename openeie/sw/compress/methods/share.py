# SPDX-License-Identifier: Apache-2.0
"""Weight sharing (Deep Compression, section 3): k-means per layer, then training of centroids."""
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ....core.errors import InputError
from . import kmeans as cluster
from .prune import release, weight_parts, weighted_layers

__all__ = ["MAX_SLOTS", "gather_centroids", "share", "share_layer", "shared",
           "set_shared"]

#: Most slots of a codebook; codes have at most 8 bits.
MAX_SLOTS = 256


class _Gather(torch.autograd.Function):
    """``concat(0, centroids)[codes]``, with Deep Compression's equation 3 as its gradient."""

    @staticmethod
    def forward(ctx: Any, centroids: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.count = len(centroids)
        table = torch.cat([centroids.new_zeros(1), centroids])
        return table.index_select(0, codes.reshape(-1).int()).reshape(codes.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        codes, = ctx.saved_tensors
        sums = torch.bincount(codes.reshape(-1), weights=grad.reshape(-1),
                              minlength=ctx.count + 1)
        return sums[1:].to(grad.dtype), None


def gather_centroids(centroids: Tensor, codes: Tensor) -> Tensor:
    """The weights that ``codes`` stand for: slot 0 is zero, slot k is ``centroids[k - 1]``.

    The gradient of a centroid is the sum of its members' gradients; slot 0 has none.
    """
    return _Gather.apply(centroids, codes)


class _Shared(nn.Module):
    """A parametrisation that computes the weight from its parameter, the centroids."""
    codes: Tensor
    initial: Tensor

    def __init__(self, codes: Tensor, centroids: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)
        self.register_buffer("initial", centroids, persistent=False)

    def forward(self, centroids: Tensor) -> Tensor:
        return gather_centroids(centroids, self.codes)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The initial centroids; the weight itself is discarded."""
        return self.initial.clone()


def share(model: nn.Module, *, slots: int | Mapping[str, int] = 16, init: str = "linear",
          generator: torch.Generator | None = None, optimal: bool = False) -> None:
    """Replace each layer's weights by at most ``slots`` values, in place.

    Slot 0 is reserved for zero (EIE's filler needs it), which leaves ``slots - 1`` centroids.
    Zero weights stay zero. Later training moves the centroids, but never the assignment.

    Parameters
    ----------
    slots : codebook size, 2 .. 256, of all layers or of each by its name.
    init, generator : initialisation, see :func:`~openeie.sw.compress.methods.kmeans.kmeans`.
    optimal : minimise the sum of squared distances exactly instead of by k-means, see
        :func:`~openeie.sw.compress.methods.kmeans.optimal`.

    Raises
    ------
    InputError : slots out of range; an unknown layer, or one without slots; a layer without a
        weight other than zero, or with one that is not finite; what ``kmeans`` refuses.
    """
    layers = weighted_layers(model)
    sizes = slots if isinstance(slots, Mapping) else dict.fromkeys(layers, slots)
    missing = [name for name in layers if name not in sizes]
    if missing or len(sizes) != len(layers):
        raise InputError(f"slots must be given for each of the layers {', '.join(layers)}, "
                         f"not for {', '.join(sizes)}")
    found = {name: _clustered(name, layer, sizes[name], init, generator, optimal)
             for name, layer in layers.items()}
    for name, (codes, centroids) in found.items():
        set_shared(layers[name], codes, centroids)


def share_layer(model: nn.Module, name: str, *, slots: int, init: str = "linear",
                generator: torch.Generator | None = None, optimal: bool = False) -> None:
    """Share the weights of one layer, in place; parameters as of :func:`share`.

    Raises
    ------
    InputError : as :func:`share`.
    """
    layer = weighted_layers(model, [name])[name]
    set_shared(layer, *_clustered(name, layer, slots, init, generator, optimal))


def _clustered(name: str, layer: nn.Conv2d | nn.Linear, slots: int, init: str,
               generator: torch.Generator | None, optimal: bool) -> tuple[np.ndarray, np.ndarray]:
    """A layer's codes uint8, shaped as the weight, and centroids float64 [slots - 1]."""
    if not 2 <= slots <= MAX_SLOTS:
        raise InputError(f"slots of layer {name!r} must be 2 .. {MAX_SLOTS} (slot 0 is zero), "
                         f"not {slots!r}")
    weight = layer.weight.detach().numpy()
    wrong = weight.size - int(np.count_nonzero(np.isfinite(weight)))
    if wrong:
        raise InputError(f"layer {name!r}: weights must be finite numbers to be shared, and "
                         f"{wrong} of {weight.size} are not")
    nonzero = weight != 0
    values = weight[nonzero]
    if not len(values):
        raise InputError(f"layer {name!r} must have a weight other than zero")
    centroids = cluster.optimal(values, slots - 1) if optimal \
        else cluster.kmeans(values, slots - 1, init=init, generator=generator)
    codes = np.zeros(weight.shape, np.uint8)
    codes[nonzero] = cluster.assign(values, centroids) + np.uint8(1)
    return codes, centroids


def set_shared(layer: nn.Conv2d | nn.Linear, codes: np.ndarray, centroids: np.ndarray) -> None:
    """Make the weight of a layer ``concat(0, centroids)[codes]``, with the centroids to train.

    Parameters
    ----------
    codes : uint8, shaped as the weight.
    centroids : real [slots - 1].
    """
    release(layer)
    layer.weight.grad = None            # it has another shape than the centroids' gradient
    part = _Shared(torch.from_numpy(codes), torch.from_numpy(centroids).to(layer.weight.dtype))
    parametrize.register_parametrization(layer, "weight", part, unsafe=True)


def shared(layer: nn.Conv2d | nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    """Codes and codebook of a layer with shared weights.

    Returns
    -------
    codes : uint8, shaped as the weight: numbers of codebook slots.
    codebook : float64 [slots]; slot 0 is 0.0.

    Raises
    ------
    InputError : the layer's weights are not shared.
    """
    part = weight_parts(layer)[0] if parametrize.is_parametrized(layer, "weight") else None
    if not isinstance(part, _Shared):
        raise InputError("layer must have shared weights; call share() first")
    original = cast(Tensor, weight_parts(layer).original)
    centroids = original.detach().numpy().astype(np.float64)
    return part.codes.numpy().copy(), np.concatenate([[0.0], centroids])
