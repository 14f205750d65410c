# SPDX-License-Identifier: Apache-2.0
"""Trainable convolutions and linear layers with binary weights, and optionally binary inputs.

Rastegari et al., "XNOR-Net: ImageNet Classification Using Binary Convolutional Neural Networks",
ECCV 2016, called "the paper" here. Training updates real weights (its Algorithm 1); the forward
pass uses their signs and one scale per filter. See ``docs/binary.md``.
"""
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.errors import InputError
from ...core.network.binary import MODES

__all__ = ["Sign", "BinariseWeights", "BinaryConv2d", "BinaryLinear", "sign", "binary_weights"]


class Sign(torch.autograd.Function):
    """The sign of each element, +1 or -1, with sign(0) = +1; its gradient passes where |x| <= 1
    and is 0 elsewhere (the straight-through estimator, section 3.1 of the paper)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """+1 and -1 in x's type."""
        ctx.save_for_backward(x)
        return _signs(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The gradient of x, from that of the signs."""
        x, = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


class BinariseWeights(torch.autograd.Function):
    """Filters W [m, ...] as alpha * sign(W), where alpha is the mean of |W| over each filter
    (equation 6 of the paper).

    The gradient is the paper's (section 3.1): for n weights per filter, the gradient of W is that
    of alpha * sign(W) times ``1 / n + alpha`` where |W| <= 1, and times ``1 / n`` elsewhere.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        """The binary filters."""
        alpha = weight.abs().mean(dim=tuple(range(1, weight.ndim)), keepdim=True)
        ctx.save_for_backward(weight, alpha)
        return alpha * _signs(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The gradient of W, from that of the binary filters."""
        weight, alpha = ctx.saved_tensors
        return gradient * (1 / weight[0].numel() + alpha * (weight.abs() <= 1))


class BinaryConv2d(nn.Conv2d):
    """A convolution with binary filters.

    Mode ``bwn`` convolves the real input. Mode ``xnor`` convolves its signs and multiplies the
    result by K, at each position the mean of |input| over the window (equation 11 of the paper):
    the mean over the channels, convolved with a box of 1 / (kernel height x width), with the same
    stride and padding. Padding contributes nothing: it has no sign, and magnitude 0.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias : as of a ``Conv2d``. The bias is
        real; by default there is none, because a batch norm usually follows.
    mode : ``bwn`` or ``xnor``.

    Raises
    ------
    InputError : another mode, or a padding that is no number of pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int],
                 stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0,
                 bias: bool = False, *, mode: str) -> None:
        _check_mode(mode)
        if isinstance(padding, str):
            raise InputError(f"padding must be a number of pixels, or two, not {padding!r}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Maps [batch, in_channels, height, width] to [batch, out_channels, ...]."""
        weight = binary_weights(self.weight)
        if self.mode == "bwn":
            return functional.conv2d(x, weight, self.bias, self.stride, self.padding)
        result = self.scale_map(x) * functional.conv2d(
            sign(x), weight, None, self.stride, self.padding)
        return result if self.bias is None else result + self.bias[:, None, None]

    def scale_map(self, x: Tensor) -> Tensor:
        """K, [batch, 1, height, width] of the output."""
        height, width = self.kernel_size
        box = x.new_full((1, 1, height, width), 1 / (height * width))
        return functional.conv2d(x.abs().mean(dim=1, keepdim=True), box, None, self.stride,
                                 self.padding)

    def extra_repr(self) -> str:
        """As of ``Conv2d``, with the mode."""
        return f"{super().extra_repr()}, mode={self.mode}"


class BinaryLinear(nn.Linear):
    """A linear layer with binary rows: a :class:`BinaryConv2d` whose kernel covers all of its
    input, so that K is one number, the mean of |input|.

    Parameters
    ----------
    in_features, out_features, bias : as of a ``Linear``; by default there is no bias.
    mode : ``bwn`` or ``xnor``.

    Raises
    ------
    InputError : another mode.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False, *,
                 mode: str) -> None:
        _check_mode(mode)
        super().__init__(in_features, out_features, bias=bias)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Vectors [batch, in_features] to [batch, out_features]."""
        weight = binary_weights(self.weight)
        if self.mode == "bwn":
            return functional.linear(x, weight, self.bias)
        result = self.scale_map(x) * functional.linear(sign(x), weight)
        return result if self.bias is None else result + self.bias

    def scale_map(self, x: Tensor) -> Tensor:
        """K, [batch, 1]."""
        return x.abs().mean(dim=1, keepdim=True)

    def extra_repr(self) -> str:
        """As of ``Linear``, with the mode."""
        return f"{super().extra_repr()}, mode={self.mode}"


def sign(x: Tensor) -> Tensor:
    """:class:`Sign` of a tensor."""
    return cast(Tensor, Sign.apply(x))


def binary_weights(weight: Tensor) -> Tensor:
    """:class:`BinariseWeights` of filters [m, ...]."""
    return cast(Tensor, BinariseWeights.apply(weight))


def _signs(x: Tensor) -> Tensor:
    return torch.where(x >= 0, x.new_ones(()), -x.new_ones(()))


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise InputError(f"mode must be {' or '.join(MODES)}, not {mode!r}")
