# SPDX-License-Identifier: Apache-2.0
"""A network small enough to be compressed dozens of times in a test, and MNIST in small."""
import gzip

import numpy as np
import torch
from openeie.sw.compress.methods.train import Schedule, deterministic, fit
from openeie.sw.data.mnist import demo_images
from openeie.sw.study.subject import LAYER_NAMES, Effort, Subject
from torch import nn

EFFORT = Effort(dense=Schedule(epochs=12, rate=1e-2, batch=50),
                retrain=Schedule(epochs=1, rate=2e-3, batch=50),
                strengths=(0.5, 1.0), slots=(2, 16), joint_slots=(4, 16), rates=(0.5, 0.2),
                bits=(2, 4), fractions=(0.5, 0.1))


def small_subject(seed=0, sizes=(40, 30, 20, 5)):
    """A chain whose layers are called as LeNet-300-100's, trained on blobs; 300 of them."""
    with deterministic(seed) as generator:
        centres = torch.randn(sizes[-1], sizes[0], generator=generator)
        labels = torch.arange(600) % sizes[-1]
        images = centres[labels] + torch.randn(600, sizes[0], generator=generator)
        model = nn.Sequential()
        for name, inputs, outputs in zip(LAYER_NAMES, sizes, sizes[1:]):
            model.add_module(name, nn.Linear(inputs, outputs))
            model.add_module(f"relu_{name}", nn.ReLU())
        model = model[:-1]
        fit(model, images[:300], labels[:300], EFFORT.dense, generator=generator)
    return Subject(model=model, train=(images[:300], labels[:300]), seed=seed, effort=EFFORT,
                   test=(images[300:], labels[300:]))


def write_mnist(folder, train=300, test=50):
    """The first of the demo's pictures as the four files of a small MNIST."""
    images, labels = demo_images()
    for kind, part in (("train", slice(train)), ("t10k", slice(train, train + test))):
        for what, array in (("images-idx3", images[part].reshape(-1, 28, 28)),
                            ("labels-idx1", labels[part])):
            header = np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes()
            (folder / f"{kind}-{what}-ubyte.gz").write_bytes(
                gzip.compress(header + array.tobytes()))
    return folder
