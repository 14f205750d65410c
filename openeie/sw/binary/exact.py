# SPDX-License-Identifier: Apache-2.0
"""A second, independent implementation of integer networks, in torch.

Sums are torch's convolutions on float64, which holds them exactly; writebacks are int64. Nothing
but the network itself is shared with the engine golden, so that equal outputs confirm both.
"""
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...core.errors import InputError
from ...core.network.binary import SignLinear
from ...core.network.graph import Depthwise, Layer, Linear, Network, Pool
from ...core.network.window import Window

__all__ = ["exact_outputs"]

_BATCH = 250


def exact_outputs(network: Network, x: np.ndarray) -> list[np.ndarray]:
    """Outputs of every layer for integer inputs x [batch, n]: int64 [batch, m] each, maps in (row,
    column, channel) order.

    Raises
    ------
    InputError : the network has branches, or a layer of another kind than binary networks use.
    """
    if network.branches:
        raise InputError(f"network {network.name!r} must be a chain of layers, but "
                         f"{network.branches[0]!r} does not read the layer before it")
    parts = [_outputs(network, torch.from_numpy(np.asarray(part, np.float64)))
             for part in np.split(x, range(_BATCH, len(x), _BATCH))]
    return [np.concatenate(outputs) for outputs in zip(*parts)]


def _outputs(network: Network, values: Tensor) -> list[np.ndarray]:
    """Outputs of every layer for float64 inputs [batch, n]."""
    outputs = []
    for layer in network.layers:
        window = getattr(layer, "window", None)
        if window is None:              # a vector is a map of one pixel
            maps = values.reshape(len(values), -1, 1, 1)
        else:
            maps = values.reshape(len(values), window.height, window.width, window.channels)
            maps = maps.permute(0, 3, 1, 2)
        result = _written(layer, _sums(layer, maps, window), network.act_width)
        values = result.permute(0, 2, 3, 1).reshape(len(values), -1)
        outputs.append(values.numpy())
        values = values.double()
    return outputs


def _sums(layer: Layer, maps: Tensor, window: Window | None) -> Tensor:
    """Sums float64 [batch, m, height, width] of float64 maps [batch, channels, height, width]."""
    if isinstance(layer, Pool) and layer.maximum:
        return functional.max_pool2d(_padded(maps, window, -torch.inf), window.kernel,
                                     window.stride)
    if isinstance(layer, Pool):
        return _channelwise(maps, window, torch.ones(window.channels, 1, *window.kernel))
    if isinstance(layer, Depthwise):
        kernels = torch.from_numpy(layer.weights.dense())
        return _channelwise(maps, window, kernels.reshape(window.channels, 1, *window.kernel))
    if isinstance(layer, SignLinear):
        return _binary_sums(layer, maps, window)
    if isinstance(layer, Linear):
        return _convolved(maps, window, torch.from_numpy(layer.weights.dense()))
    raise InputError(f"layer {layer.name!r} is a {type(layer).__name__}, which is not computed "
                     f"here")


def _binary_sums(layer: SignLinear, maps: Tensor, window: Window | None) -> Tensor:
    """Sums of a layer with binary weights; in xnor mode, of signs times the sum of magnitudes."""
    bits = np.unpackbits(layer.signs.bits, axis=1, count=layer.signs.shape[1])
    weights = torch.from_numpy(bits) * 2.0 - 1
    if layer.mode == "bwn":
        return _convolved(maps, window, weights)
    kernel = window.kernel if window else (1, 1)
    box = torch.ones(1, kernel[0] * kernel[1])
    signs = torch.where(maps >= 0, 1.0, -1.0).double()
    magnitudes = maps.abs().sum(dim=1, keepdim=True)
    return _convolved(signs, window, weights) * _convolved(magnitudes, window, box)


def _padded(maps: Tensor, window: Window | None, value: float = 0.0) -> Tensor:
    """Maps with the window's padding, of the given value."""
    if window is None:
        return maps
    top, left, bottom, right = window.pad
    return functional.pad(maps, (left, right, top, bottom), value=value)


def _convolved(maps: Tensor, window: Window | None, matrix: Tensor) -> Tensor:
    """Convolution with kernels as a matrix [m, n], columns in (row, column, channel) order."""
    height, width = window.kernel if window else (1, 1)
    kernels = matrix.double().reshape(len(matrix), height, width, -1).permute(0, 3, 1, 2)
    return functional.conv2d(_padded(maps, window), kernels.contiguous(),
                             stride=window.stride if window else 1)


def _channelwise(maps: Tensor, window: Window, kernels: Tensor) -> Tensor:
    """Convolution of each channel with its own kernel, [channels, 1, height, width]."""
    return functional.conv2d(_padded(maps, window), kernels.double(), stride=window.stride,
                             groups=window.channels)


def _written(layer: Layer, sums: Tensor, act_width: int) -> Tensor:
    """Outputs int64 from sums: bias, multiplier, shift with rounding, ReLU and saturation."""
    if isinstance(layer, Pool) and layer.maximum:
        result = sums.long()
    else:
        product = (sums.long() + _field(layer, "bias")) * _field(layer, "multiplier")
        shift = _field(layer, "shift")
        power = torch.ones_like(shift) << shift
        result = torch.div(product + torch.div(power, 2, rounding_mode="floor"), power,
                           rounding_mode="floor")
    limit = 2 ** (act_width - 1)
    return result.clamp(0 if layer.relu else -limit, limit - 1)


def _field(layer: Layer, name: str) -> Tensor:
    """A number of each channel, int64 [channels, 1, 1]; 0 if the layer has none."""
    values = np.asarray(getattr(layer, name, 0), np.int64)
    return torch.from_numpy(np.broadcast_to(values, layer.channels).copy())[:, None, None]
