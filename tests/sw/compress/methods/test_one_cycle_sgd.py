# SPDX-License-Identifier: Apache-2.0
"""Training in one cycle: the rate's course, augmentation, repeatability, and that it learns."""
import numpy as np
import pytest
import torch
from openeie.sw.compress.methods.one_cycle_sgd import (Cycle, FlipShift, fit_cycle, predict,
                                                       smooth_cross_entropy)
from openeie.sw.compress.methods.train import cross_entropy, deterministic
from torch import nn


def two_colours(n):
    """Images [n, 3, 8, 8] that are red or blue, with noise."""
    random = np.random.default_rng(0)
    labels = (np.arange(n) % 2).astype(np.uint8)
    images = random.integers(0, 60, (n, 3, 8, 8)).astype(np.uint8)
    images[np.arange(n), labels * 2] += 150
    return images, labels


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def trained(seed, **options):
    losses = []
    with deterministic(seed) as generator:
        model = small()
        fit_cycle(model, *two_colours(60), Cycle(epochs=6, batch=20), scale=1 / 255,
                  generator=generator, loss=smooth_cross_entropy(0.1),
                  watch=lambda epoch, epochs, loss: losses.append((epoch, loss)), **options)
    return model, losses


def test_it_learns_and_a_seed_decides_everything():
    model, losses = trained(1, augment=FlipShift(shift=1))
    images, labels = two_colours(60)
    assert np.array_equal(predict(model, images, scale=1 / 255, batch=25), labels)
    assert [epoch for epoch, _ in losses] == list(range(1, 7))
    assert losses[-1][1] < losses[0][1]
    assert trained(1, augment=FlipShift(shift=1))[1] == losses
    assert trained(2, augment=FlipShift(shift=1))[1] != losses


def test_the_rate_climbs_and_falls():
    cycle = Cycle(epochs=1, rate=0.4, rise=0.25)
    assert [cycle.rate_at(at) for at in (0, 0.125, 0.25, 0.625, 1)] == \
        pytest.approx([0, 0.2, 0.4, 0.2, 0])


def test_pictures_are_shifted_and_mirrored_and_nothing_else():
    """Every result is one of the 2 x 3 x 3 that are possible, and all of them come."""
    image = torch.arange(1, 3 * 4 * 5 + 1, dtype=torch.uint8).reshape(3, 4, 5)
    padded = nn.functional.pad(image, (1, 1, 1, 1))
    possible = {}
    for y in range(3):
        for x in range(3):
            window = padded[:, y:y + 4, x:x + 5]
            for mirrored, result in ((False, window), (True, window.flip(2))):
                possible[result.numpy().tobytes()] = (y, x, mirrored)
    seen = FlipShift(shift=1)(image.expand(400, 3, 4, 5), torch.Generator().manual_seed(0))
    assert {possible[one.numpy().tobytes()] for one in seen} == set(possible.values())


def test_no_shift_is_at_most_a_mirror():
    images = torch.rand(20, 1, 3, 3)
    seen = FlipShift(shift=0)(images, torch.Generator().manual_seed(0))
    assert all(torch.equal(one, was) or torch.equal(one, was.flip(2))
               for one, was in zip(seen, images))


def test_smoothing_of_nothing_is_the_cross_entropy():
    model, x, labels = nn.Linear(3, 4), torch.rand(5, 3), torch.arange(5) % 4
    assert torch.equal(smooth_cross_entropy(0)(model, x, labels), cross_entropy(model, x, labels))
    uniform = -torch.log_softmax(model(x), 1).mean()
    torch.testing.assert_close(smooth_cross_entropy(1)(model, x, labels), uniform)


def test_fewer_pictures_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="at most the 8 images to train with, not 9"):
        fit_cycle(small(), *two_colours(8), Cycle(epochs=1, batch=9), scale=1.0,
                  generator=torch.Generator(), loss=cross_entropy)
