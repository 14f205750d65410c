# SPDX-License-Identifier: Apache-2.0
"""An integer layer from one stage of a trained network."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

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
#: :func:`integer_writeback` with all but its first argument.
Write = Callable[[GainOffset], tuple[np.ndarray, dict[str, Any]]]
_WEIGHT_LIMIT = (1 << 15) - 1       # magnitude of a real weight
_NORM_WEIGHT = 1 << 7               # weight of a separate norm; makes its bias finer
_BIAS_LIMIT = 1 << (BIAS_BITS - 2)  # leaves room for rounding and for a moved threshold


@dataclass(frozen=True, kw_only=True)
class Options:
    """Bits of activations, and of the accumulators of real layers."""
    act_width: int
    acc_width: int


def integer_layer(stage: Stage, shape: Shape, *, source_scale: float, largest: float,
                  threshold: SignThreshold | None, options: Options) -> Layer:
    """The integer layer of a stage.

    Parameters
    ----------
    shape : of the map that it reads, (channels, height, width); a vector is a map of one pixel.
    source_scale : value of one unit of an activation that it reads.
    largest : magnitude of the largest output on the calibration inputs.
    threshold : which signs of its real outputs, before its ReLU, a later layer reads; or None.

    Raises
    ------
    InputError : weights or norms that integers cannot represent.
    """
    scale = source_scale if isinstance(stage.core, nn.MaxPool2d) \
        else activation_scale(largest, options.act_width, _where(stage))
    fields = {"name": stage.name, "relu": stage.relu, "output_scale": scale}
    if isinstance(stage.core, (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
        return _pool(stage, shape, source_scale / scale, fields)
    write = partial(integer_writeback, threshold=threshold and threshold.in_units(scale),
                    act_width=options.act_width, where=_where(stage))
    make = _matrix if stage.has_weights else _norm
    return make(stage, shape, source_scale / scale, fields, write, options)


def _where(stage: Stage) -> str:
    """The layer, for messages."""
    return f"layer {stage.name!r}"


def _window(shape: Shape, core: Any = None) -> Window:
    """The window of a convolution or pool over a map; of one pixel without."""
    channels, height, width = shape
    if core is None:
        return Window(height=height, width=width, channels=channels)
    if isinstance(core, nn.AdaptiveAvgPool2d):
        return Window(height=height, width=width, channels=channels, kernel=(height, width))
    pad = _pair(core.padding)
    return Window(height=height, width=width, channels=channels, kernel=_pair(core.kernel_size),
                  stride=_pair(core.stride), pad=(*pad, *pad))


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A size for each axis; torch allows one number for both."""
    if isinstance(value, int):
        return value, value
    vertical, horizontal = value
    return vertical, horizontal


def _pool(stage: Stage, shape: Shape, ratio: float, fields: dict[str, Any]) -> Pool:
    """A pool; ``ratio`` of the input's scale to the output's."""
    window = _window(shape, stage.core)
    if isinstance(stage.core, nn.MaxPool2d):
        return Pool(window=window, reduce="max", **fields)
    multiplier, shift = rescaling(ratio / (window.kernel[0] * window.kernel[1]), _where(stage))
    return Pool(window=window, reduce="sum", multiplier=multiplier, shift=shift, **fields)


def _norm(stage: Stage, shape: Shape, ratio: float, fields: dict[str, Any], write: Write,
          options: Options) -> Depthwise:
    """A norm that is a layer by itself: the writeback computes it. The weight of each channel is a
    power of two, which sets the unit of the bias."""
    gain, offset = affine(stage)
    gain = gain * ratio
    offset = offset / fields["output_scale"]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.abs(offset / gain) / _BIAS_LIMIT
    # 0 where even a weight of 1 needs too large a bias: inputs then do not change the output.
    weight = np.select([gain == 0, reach < 1 / _NORM_WEIGHT, reach < 1], [0, _NORM_WEIGHT, 1], 0)
    gain = np.where(weight > 0, gain / np.maximum(weight, 1), 0)
    flipped, writeback = write(GainOffset(gain=gain, offset=offset, step=np.maximum(weight, 1)))
    codebook = np.array([0, 1, _NORM_WEIGHT, -1, -_NORM_WEIGHT])
    codes = np.select([weight == 0, weight == 1], [0, 1], 2) + np.where(flipped, 2, 0)
    return Depthwise(window=_window(shape), weight_scale=1.0, **writeback, **fields,
                     weights=SparseWeights.from_codes(codes[:, np.newaxis], codebook))


def _matrix(stage: Stage, shape: Shape, ratio: float, fields: dict[str, Any], write: Write,
            options: Options) -> Linear | SignLinear:
    """A convolution or linear layer, real or binary."""
    core = cast(nn.Conv2d | nn.Linear, stage.core)
    weight = _columns(core, shape)
    gain, offset = affine(stage)
    if core.bias is not None:
        offset = offset + gain * floats(core.bias)
    gain = np.broadcast_to(gain * ratio, len(weight))
    offset = np.broadcast_to(offset / fields["output_scale"], len(weight))
    if isinstance(core, nn.Conv2d):
        fields |= {"window": _window(shape, core)}
    if isinstance(core, (modules.BinaryConv2d, modules.BinaryLinear)):
        return _binary_matrix(stage, core, weight, gain, offset, fields, write)
    return _real_matrix(stage, weight, gain, offset, fields, write, options)


def _binary_matrix(stage: Stage, core: modules.BinaryConv2d | modules.BinaryLinear,
                   weight: np.ndarray, gain: np.ndarray, offset: np.ndarray,
                   fields: dict[str, Any], write: Write) -> SignLinear:
    """A layer of signs; ``gain`` and ``offset`` [m] in units of the output."""
    gain = gain * _binary_units(core, weight)
    if not gain.all():
        raise InputError(f"{_where(stage)}: the scale of channel {int(np.argmin(np.abs(gain)))} "
                         f"must not be 0, since a binary weight cannot be; its weights or its "
                         f"batch norm's weight are 0")
    flipped, writeback = write(GainOffset(gain=gain, offset=offset))
    turn = np.where(flipped, -1, 1)[:, np.newaxis]
    signs = SignMatrix.from_signs(np.where(weight >= 0, turn, -turn))
    kind = SignConv if "window" in fields else SignLinear
    return kind(signs=signs, mode=core.mode, **writeback, **fields)


def _real_matrix(stage: Stage, weight: np.ndarray, gain: np.ndarray, offset: np.ndarray,
                 fields: dict[str, Any], write: Write, options: Options) -> Linear:
    """A layer of integer weights; ``gain`` and ``offset`` [m] in units of the output."""
    unit = _real_units(weight, gain, offset, _where(stage), options)
    gain = gain * unit
    flipped, writeback = write(GainOffset(gain=gain, offset=offset))
    turn = np.where(flipped, -1, 1)[:, np.newaxis]
    turn[gain == 0] = 0                         # outputs that do not depend on the inputs
    integers = np.rint(weight / unit[:, np.newaxis]).astype(np.int64) * turn
    kind = Conv if "window" in fields else Linear
    return kind(weights=SparseWeights.from_dense(integers), encoding="csr",
                weight_scale=float(unit.max()), **writeback, **fields)


def _columns(core: nn.Conv2d | nn.Linear, shape: Shape) -> np.ndarray:
    """Weights as a matrix, float64 [m, n], columns in (row, column, channel) order."""
    weight = floats(core.weight)
    if isinstance(core, nn.Linear):
        weight = weight.reshape(-1, *shape)
    return to_array_order(weight)


def _binary_units(core: modules.BinaryConv2d | modules.BinaryLinear, weight: np.ndarray
                 ) -> np.ndarray:
    """Value of one unit of each row's sum, float64 [m]: alpha, in xnor mode divided by the number
    of inputs, because the sum of magnitudes stands for their mean."""
    alpha = np.abs(weight).mean(axis=1)
    return alpha / weight.shape[1] if core.mode == "xnor" else alpha


def _real_units(weight: np.ndarray, gain: np.ndarray, offset: np.ndarray, where: str,
                options: Options) -> np.ndarray:
    """Value of one unit of each row's weights, float64 [m]: the finest that 16 bits, the
    accumulator and the bias allow for any activations. ``gain``, of weights of 1, and ``offset``
    are in units of the output."""
    if not np.isfinite(weight).all():
        raise InputError(f"{where}: its weights must be finite numbers")
    largest = np.abs(weight).max(axis=1)
    # Half of the accumulator is for the bias; rounding may add half a unit to every weight.
    room = (int_range(options.acc_width)[1] >> options.act_width) - weight.shape[1]
    if room < 2 * weight.shape[1]:
        raise InputError(f"{where}: sums over its {weight.shape[1]} inputs must fit an accumulator "
                         f"of {options.acc_width} bits; give it more bits")
    with np.errstate(divide="ignore", invalid="ignore"):
        by_bias = np.nan_to_num(np.abs(offset / gain), posinf=0.0) / _BIAS_LIMIT
    units = np.maximum.reduce([largest / _WEIGHT_LIMIT, np.abs(weight).sum(axis=1) / room, by_bias])
    return np.where(units > 0, units, 1.0)
