# SPDX-License-Identifier: Apache-2.0
"""Two small networks with real weights, binary weights (``bwn``), or also binary inputs (``xnor``).

The order inside a block is the paper's (section 3.2). With binary inputs: batch norm, sign,
convolution, ReLU, pool, because a norm before the sign preserves more of the input, and a max pool
of signs would be nearly always +1. Otherwise: convolution, batch norm, ReLU, pool. The first and
the last layer are real.
"""
from collections import OrderedDict
from collections.abc import Iterator

from torch import nn

from ...core.errors import InputError, must_be_one_of
from ...core.network.binary import MODES
from .modules import BinaryConv2d, BinaryLinear

__all__ = ["NETWORK_MODES", "lenet5", "cifar_net"]

#: Modes of a network: real weights, or a mode of binary layers.
NETWORK_MODES = ("float", *MODES)


def lenet5(mode: str) -> nn.Sequential:
    """LeNet-5 with Caffe's sizes (20, 50, 500, 10) for MNIST images, float32 [batch, 1, 28, 28].

    Raises
    ------
    InputError : a mode that is not in :data:`NETWORK_MODES`.
    """
    _check_mode(mode)
    return nn.Sequential(OrderedDict([
        *_first(1, 20, 5), ("pool1", nn.MaxPool2d(2)),
        *_conv(mode, "2", 20, 50, 5), *_linear(mode, "1", 50, 50 * 4 * 4, 500),
        *_last(mode, 500, 10)]))


def cifar_net(mode: str) -> nn.Sequential:
    """Three convolutions and two linear layers for CIFAR-10 images, float32 [batch, 3, 32, 32].

    Raises
    ------
    InputError : a mode that is not in :data:`NETWORK_MODES`.
    """
    _check_mode(mode)
    return nn.Sequential(OrderedDict([
        *_first(3, 32, 5, stride=2, padding=2),
        *_conv(mode, "2", 32, 64, 3, padding=1), *_conv(mode, "3", 64, 128, 3, padding=1),
        *_linear(mode, "1", 128, 128 * 4 * 4, 256), *_last(mode, 256, 10)]))


Named = Iterator[tuple[str, nn.Module]]


def _first(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> Named:
    """The first, real convolution."""
    yield "conv1", nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    yield "norm1", nn.BatchNorm2d(outputs)
    yield "relu1", nn.ReLU()


def _conv(mode: str, number: str, inputs: int, outputs: int, kernel: int, padding: int = 0
          ) -> Named:
    """A block with a convolution."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False) if mode == "float" \
        else BinaryConv2d(inputs, outputs, kernel, padding=padding, mode=mode)
    if mode == "xnor":
        yield f"norm{number}", nn.BatchNorm2d(inputs)
    yield f"conv{number}", layer
    if mode != "xnor":
        yield f"norm{number}", nn.BatchNorm2d(outputs)
    yield f"relu{number}", nn.ReLU()
    yield f"pool{number}", nn.MaxPool2d(2)


def _linear(mode: str, number: str, channels: int, inputs: int, outputs: int) -> Named:
    """A block with a linear layer over a map of ``channels``. The norm before the sign has one
    gain per channel, because an integer network can have no other."""
    layer = nn.Linear(inputs, outputs, bias=False) if mode == "float" \
        else BinaryLinear(inputs, outputs, mode=mode)
    if mode == "xnor":
        yield f"fc_norm{number}", nn.BatchNorm2d(channels)
    yield "flatten", nn.Flatten()
    yield f"fc{number}", layer
    if mode != "xnor":
        yield f"fc_norm{number}", nn.BatchNorm1d(outputs)
    yield f"fc_relu{number}", nn.ReLU()


def _last(mode: str, inputs: int, outputs: int) -> Named:
    """The last, real layer."""
    if mode == "xnor":
        yield "fc_norm2", nn.BatchNorm1d(inputs)
    yield "fc2", nn.Linear(inputs, outputs)


def _check_mode(mode: str) -> None:
    if mode not in NETWORK_MODES:
        raise InputError(f"mode {must_be_one_of(mode, NETWORK_MODES)}")
