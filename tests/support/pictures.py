# SPDX-License-Identifier: Apache-2.0
"""Small labelled pictures, and networks that learn them in a second."""
import numpy as np
from torch import nn


def draw_pictures(count, seed, *, noise=60.0):
    """Ten classes of 8 x 8 pictures, uint8, that differ in where they are bright; labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    centres = np.random.default_rng(0).integers(0, 256, (10, 8, 8))
    return np.clip(centres[labels] + rng.normal(0, noise, (count, 8, 8)),
                   0, 255).astype(np.uint8), labels


def arrays(train=600, test=200, **options):
    """Such pictures as the arrays of a data set."""
    (train_images, train_labels), (test_images, test_labels) = (
        draw_pictures(train, 1, **options), draw_pictures(test, 2, **options))
    return {"train_images": train_images, "train_labels": train_labels,
            "test_images": test_images, "test_labels": test_labels}


class Chain(nn.Sequential):
    """Two linear layers."""
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))


class Residual(nn.Module):
    """A residual block with batch normalisation and dropout."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6),
                                  nn.ReLU())
        self.conv, self.norm = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.drop, self.classes = nn.Dropout(0.2), nn.Linear(96, 10)

    def forward(self, x):
        x = self.stem(x)
        x = nn.functional.max_pool2d((x + self.norm(self.conv(x))).relu(), 2)
        return self.classes(self.drop(x.flatten(1)))
