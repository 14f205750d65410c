# SPDX-License-Identifier: Apache-2.0
"""An integer network a second time, in torch: another way to the same integers.

Sums are convolutions of torch on float64, which holds them exactly; writebacks are int64. Nothing
here is shared with the engine golden but the network itself, so that equal outputs say something.
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
    """Every layer's outputs on integer inputs x [batch, n], int64 [batch, m] each, maps in (row,
    column, channel) order.

    Raises
    ------
    InputError : a network with branches.
    """
    if network.branches:
        raise InputError(f"network {network.name!r} must be a chain of layers, but "
                         f"{network.branches[0]!r} does not read the layer before it")
    parts = [_outputs(network, torch.from_numpy(np.asarray(part, np.float64)))
             for part in np.split(x, range(_BATCH, len(x), _BATCH))]
    return [np.concatenate(outputs) for outputs in zip(*parts)]


def _outputs(network: Network, values: Tensor) -> list[np.ndarray]:
    outputs = []
    for layer in network.layers:
        window = getattr(layer, "window", None)
        if window is None:              # a vector: a map of one pixel
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
        return _channelwise(maps, window, torch.from_numpy(layer.weights.dense()).reshape(
            window.channels, 1, *window.kernel))
    if isinstance(layer, SignLinear):
        weights = torch.from_numpy(np.unpackbits(
            layer.signs.bits, axis=1, count=layer.signs.shape[1])) * 2.0 - 1
        if layer.mode == "bwn":
            return _convolved(maps, window, weights)
        signs = torch.where(maps >= 0, 1.0, -1.0).double()
        magnitudes = maps.abs().sum(dim=1, keepdim=True)
        kernel = window.kernel if window else (1, 1)
        return _convolved(signs, window, weights) * _convolved(
            magnitudes, window, torch.ones(1, kernel[0] * kernel[1]))
    if isinstance(layer, Linear):
        return _convolved(maps, window, torch.from_numpy(layer.weights.dense()))
    raise InputError(f"layer {layer.name!r} is a {type(layer).__name__}, which is not computed "
                     f"here")


def _padded(maps: Tensor, window: Window | None, value: float = 0.0) -> Tensor:
    if window is None:
        return maps
    top, left, bottom, right = window.pad
    return functional.pad(maps, (left, right, top, bottom), value=value)


def _convolved(maps: Tensor, window: Window | None, matrix: Tensor) -> Tensor:
    """With kernels [m, n], columns in (row, column, channel) order."""
    height, width = window.kernel if window else (1, 1)
    kernels = matrix.double().reshape(len(matrix), height, width, -1).permute(0, 3, 1, 2)
    return functional.conv2d(_padded(maps, window), kernels.contiguous(),
                             stride=window.stride if window else 1)


def _channelwise(maps: Tensor, window: Window, kernels: Tensor) -> Tensor:
    return functional.conv2d(_padded(maps, window), kernels.double(), stride=window.stride,
                             groups=window.channels)


def _written(layer: Layer, sums: Tensor, act_width: int) -> Tensor:
    """Outputs, int64."""
    if isinstance(layer, Pool) and layer.maximum:
        result = sums.long()
    else:
        fields = {name: torch.from_numpy(np.broadcast_to(np.asarray(
            getattr(layer, name, 0), np.int64), layer.channels).copy())[:, None, None]
            for name in ("bias", "multiplier", "shift")}
        product = (sums.long() + fields["bias"]) * fields["multiplier"]
        power = torch.ones_like(fields["shift"]) << fields["shift"]
        result = torch.div(product + torch.div(power, 2, rounding_mode="floor"), power,
                           rounding_mode="floor")
    limit = 2 ** (act_width - 1)
    return result.clamp(0 if layer.relu else -limit, limit - 1)
