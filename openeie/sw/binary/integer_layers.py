# SPDX-License-Identifier: Apache-2.0
"""One stage of a trained network as an integer layer."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import nn

from ...core.errors import InputError
from ...core.network.array_order import to_array_order
from ...core.network.binary import SignConv, SignLinear
from ...core.network.graph import Conv, Depthwise, Layer, Linear, Pool
from ...core.network.window import Window
from ...core.numbers.fixed import BIAS_BITS, int_range
from ...core.numbers.signs import SignMatrix
from ...core.numbers.sparse import SparseWeights
from ..quantise.scales import activation_scale, rescaling
from . import modules
from .affine import affine, floats
from .sign_threshold import SignThreshold
from .stages import Stage
from .writeback import GainOffset, integer_writeback

__all__ = ["Options", "integer_layer"]

Shape = tuple[int, int, int]        # channels, height, width
_WEIGHT_LIMIT = (1 << 15) - 1       # magnitude of a real weight
_NORM_WEIGHT = 1 << 7               # of a norm that stands alone: so much finer its bias is
_BIAS_LIMIT = 1 << (BIAS_BITS - 2)  # of one that is rounded and moved


@dataclass(frozen=True, kw_only=True)
class Options:
    """Bits of activations, and of the sums of real layers."""
    act_width: int
    acc_width: int


def integer_layer(stage: Stage, shape: Shape, *, source_scale: float, largest: float,
                  asked: SignThreshold | None, options: Options) -> Layer:
    """The layer of a stage.

    Parameters
    ----------
    shape : of the map that it reads, (channels, height, width); a vector has one pixel.
    source_scale : what one unit of an activation that it reads is worth.
    largest : magnitude of the largest output on the calibration inputs.
    asked : what is asked of its outputs before a ReLU, in real values.

    Raises
    ------
    InputError : numbers that do not fit.
    """
    scale = source_scale if isinstance(stage.core, nn.MaxPool2d) \
        else activation_scale(largest, options.act_width, _where(stage))
    fields = {"name": stage.name, "relu": stage.relu, "output_scale": scale}
    if isinstance(stage.core, (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
        return _pool(stage, shape, source_scale / scale, fields)
    write = partial(integer_writeback, asked=asked and asked.in_units(scale),
                    act_width=options.act_width, where=_where(stage))
    make = _matrix if stage.has_weights else _norm
    return make(stage, shape, source_scale / scale, fields, write, options)


def _where(stage: Stage) -> str:
    return f"layer {stage.name!r}"


def _window(shape: Shape, core=None) -> Window:
    """Where a convolution or pool goes over a map; without one, over each pixel."""
    channels, height, width = shape
    if core is None:
        return Window(height=height, width=width, channels=channels)
    if isinstance(core, nn.AdaptiveAvgPool2d):
        return Window(height=height, width=width, channels=channels, kernel=(height, width))
    pad = _pair(core.padding)
    return Window(height=height, width=width, channels=channels, kernel=_pair(core.kernel_size),
                  stride=_pair(core.stride), pad=(*pad, *pad))


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _pool(stage: Stage, shape: Shape, ratio: float, fields: dict) -> Pool:
    window = _window(shape, stage.core)
    if isinstance(stage.core, nn.MaxPool2d):
        return Pool(window=window, reduce="max", **fields)
    multiplier, shift = rescaling(ratio / (window.kernel[0] * window.kernel[1]), _where(stage))
    return Pool(window=window, reduce="sum", multiplier=multiplier, shift=shift, **fields)


def _norm(stage: Stage, shape: Shape, ratio: float, fields: dict, write: Callable, options: Options
          ) -> Depthwise:
    """A norm that stands alone: the writeback does it, and each channel's weight is a power of
    two, since the bias counts in units of the sum."""
    gain, offset = affine(stage)
    gain, offset = gain * ratio, offset / fields["output_scale"]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.abs(offset / gain) / _BIAS_LIMIT
    # With a weight of 1, too, its bias is too large where inputs change the output by nothing.
    weight = np.select([gain == 0, reach < 1 / _NORM_WEIGHT, reach < 1], [0, _NORM_WEIGHT, 1], 0)
    gain = np.where(weight > 0, gain / np.maximum(weight, 1), 0)
    flipped, writeback = write(GainOffset(gain=gain, offset=offset, step=np.maximum(weight, 1)))
    codebook = np.array([0, 1, _NORM_WEIGHT, -1, -_NORM_WEIGHT])
    codes = np.select([weight == 0, weight == 1], [0, 1], 2) + np.where(flipped, 2, 0)
    return Depthwise(window=_window(shape), weight_scale=1.0, **writeback, **fields,
                     weights=SparseWeights.from_codes(codes[:, np.newaxis], codebook))


def _matrix(stage: Stage, shape: Shape, ratio: float, fields: dict, write: Callable,
            options: Options) -> Linear | SignLinear:
    """A convolution or linear layer, real or binary."""
    core, where = stage.core, _where(stage)
    weight = _columns(core, shape)
    gain, offset = affine(stage)
    if core.bias is not None:
        offset = offset + gain * floats(core.bias)
    is_binary = isinstance(core, (modules.BinaryConv2d, modules.BinaryLinear))
    gain, offset = (np.broadcast_to(part, len(weight)) for part in (
        gain * ratio, offset / fields["output_scale"]))
    unit = _binary_units(core, weight) if is_binary \
        else _real_units(weight, gain, offset, where, options)
    gain = gain * unit
    if is_binary and not gain.all():
        raise InputError(f"{where}: the scale of channel {int(np.argmin(np.abs(gain)))} must not "
                         f"be 0, since a binary weight cannot be; its weights or its batch norm's "
                         f"weight are 0")
    flipped, writeback = write(GainOffset(gain=gain, offset=offset))
    turn = np.where(flipped, -1, 1)[:, np.newaxis]
    if isinstance(core, nn.Conv2d):
        fields |= {"window": _window(shape, core)}
    if is_binary:
        signs = SignMatrix.from_signs(np.where(weight >= 0, turn, -turn))
        kind = SignConv if "window" in fields else SignLinear
        return kind(signs=signs, mode=core.mode, **writeback, **fields)
    turn[gain == 0] = 0                         # outputs that do not depend on the inputs
    integers = np.rint(weight / unit[:, np.newaxis]).astype(np.int64) * turn
    return (Conv if "window" in fields else Linear)(
        weights=SparseWeights.from_dense(integers), encoding="csr", weight_scale=float(unit.max()),
        **writeback, **fields)


def _columns(core: nn.Conv2d | nn.Linear, shape: Shape) -> np.ndarray:
    """Weights as a matrix, float64 [m, n], columns in (row, column, channel) order."""
    weight = floats(core.weight)
    if isinstance(core, nn.Linear):
        weight = weight.reshape(-1, *shape)
    return to_array_order(weight)


def _binary_units(core: modules.BinaryConv2d | modules.BinaryLinear, weight: np.ndarray
                 ) -> np.ndarray:
    """What one unit of a sum is worth by the weights, float64 [m]: alpha, and in xnor mode the
    divisor of the mean of magnitudes, too."""
    alpha = np.abs(weight).mean(axis=1)
    return alpha / weight.shape[1] if core.mode == "xnor" else alpha


def _real_units(weight: np.ndarray, gain: np.ndarray, offset: np.ndarray, where: str,
                options: Options) -> np.ndarray:
    """What one unit of each row's weights is worth, float64 [m]: the finest that 16 bits, the
    accumulator and the bias allow, for any activations; ``gain`` and ``offset`` are in units of
    the output, the former for weights of 1."""
    if not np.isfinite(weight).all():
        raise InputError(f"{where}: its weights must be finite numbers")
    largest = np.abs(weight).max(axis=1)
    # Half of the accumulator is for the bias, and rounding may add half a unit to every weight.
    room = (int_range(options.acc_width)[1] >> options.act_width) - weight.shape[1]
    if room < 2 * weight.shape[1]:
        raise InputError(f"{where}: sums over its {weight.shape[1]} inputs must fit an accumulator "
                         f"of {options.acc_width} bits; give it more bits")
    with np.errstate(divide="ignore", invalid="ignore"):
        by_bias = np.nan_to_num(np.abs(offset / gain), posinf=0.0) / _BIAS_LIMIT
    units = np.maximum.reduce([largest / _WEIGHT_LIMIT, np.abs(weight).sum(axis=1) / room, by_bias])
    return np.where(units > 0, units, 1.0)
