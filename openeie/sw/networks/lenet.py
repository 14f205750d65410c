# SPDX-License-Identifier: Apache-2.0
"""The LeNets that Deep Compression compresses, for MNIST."""
from collections import OrderedDict

from torch import nn

__all__ = ["Lenet300", "Lenet5"]


class Lenet300(nn.Sequential):
    """LeNet-300-100: three linear layers, 267 thousand parameters.

    Takes float32 [batch, 1, 28, 28], pixels in 0 .. 1, and returns logits [batch, 10].
    """

    def __init__(self) -> None:
        super().__init__(OrderedDict(
            flatten=nn.Flatten(), ip1=nn.Linear(784, 300), relu1=nn.ReLU(),
            ip2=nn.Linear(300, 100), relu2=nn.ReLU(), ip3=nn.Linear(100, 10)))


class Lenet5(nn.Sequential):
    """LeNet-5 in the variant of Caffe's MNIST example, 431 thousand parameters.

    Takes float32 [batch, 1, 28, 28], pixels in 0 .. 1, and returns logits [batch, 10].
    """

    def __init__(self) -> None:
        super().__init__(OrderedDict(
            conv1=nn.Conv2d(1, 20, 5), pool1=nn.MaxPool2d(2), conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2), flatten=nn.Flatten(), ip1=nn.Linear(800, 500),
            relu1=nn.ReLU(), ip2=nn.Linear(500, 10)))
