# SPDX-License-Identifier: Apache-2.0
"""Small torch modules of the kinds that people bring, with random weights and statistics."""
import torch
import torch.nn.functional as F
from torch import nn


class LeNet(nn.Module):
    """As LeNet-5, on 1 x 16 x 16."""
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding="same"), nn.Conv2d(6, 8, 3)
        self.ip1, self.ip2 = nn.Linear(72, 20), nn.Linear(20, 10)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(self.conv2(x), 2)
        x = self.drop(F.relu(self.ip1(x.view(x.size(0), -1))))
        return F.log_softmax(self.ip2(x), dim=1)


class Fire(nn.Module):
    """SqueezeNet's module."""
    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x), inplace=True)
        return torch.cat([F.relu(self.expand1(x)), F.relu(self.expand3(x))], dim=-3)


class SqueezeNet(nn.Sequential):
    """As SqueezeNet, on 3 x 19 x 19."""
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(inplace=True),
                         nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 4, 6), Fire(12, 4, 8),
                         nn.Dropout(), nn.Conv2d(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten())


class ResNet(nn.Module):
    """A residual block with a projection, on 3 x 12 x 10; in place, as torchvision's."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6),
                                  nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.conv1, self.bn1 = nn.Conv2d(6, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.down = nn.Sequential(nn.Conv2d(6, 8, 1, 2, bias=False), nn.BatchNorm2d(8))
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.down(x)
        return self.fc(self.relu(y).mean((2, 3))).softmax(-1)


class MobileNet(nn.Sequential):
    """Depthwise separable layers with batch normalisation, on 3 x 11 x 11."""
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12, affine=False), nn.ReLU(),
            nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False), nn.AvgPool2d(3, 1, 1),
            nn.Flatten(), nn.Linear(108, 7, bias=False), nn.BatchNorm1d(7))


#: Module and the shape of its input.
MODULES = {"lenet": (LeNet, (1, 16, 16)), "squeezenet": (SqueezeNet, (3, 19, 19)),
           "resnet": (ResNet, (3, 12, 10)), "mobilenet": (MobileNet, (3, 11, 11))}


def draw(name, rng, batch=2):
    """A module in eval mode, with statistics as after training, and inputs for it."""
    torch.manual_seed(int(rng.integers(1 << 31)))
    kind, shape = MODULES[name]
    module = kind()
    for inner in module.modules():
        if isinstance(inner, nn.BatchNorm2d | nn.BatchNorm1d):
            inner.running_mean.normal_()
            inner.running_var.uniform_(0.5, 2)
            if inner.affine:
                nn.init.normal_(inner.weight)
                nn.init.normal_(inner.bias)
    return module.eval(), torch.randn(batch, *shape)


def scores(module, x):
    """What the module computes, before a softmax at the end."""
    with torch.no_grad():
        values = module(x)
    if isinstance(module, ResNet):
        return values.log()                         # equal up to a constant a picture
    return values


def chain(seed=0, sizes=(12, 10, 7)):
    """Linear layers with ReLUs between them, called 0, 2, ..."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(n, m) for n, m in zip(sizes, sizes[1:])]
    return nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())][:-1])
