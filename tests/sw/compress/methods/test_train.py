# SPDX-License-Identifier: Apache-2.0
"""Training: repeatable whatever ran before it; augmentation moves images as it says."""
import numpy as np
import pytest
import torch
from openeie.sw.compress.methods.train import (Affine, Schedule, channels_last, deterministic,
                                               error_rate, fit, labelled_tensors)
from torch import nn


def trained(seed):
    with deterministic(seed) as generator:
        model = nn.Linear(16, 3)
        x = torch.linspace(0, 1, 48 * 16).reshape(48, 16)
        fit(model, x, torch.arange(48) % 3, Schedule(epochs=2, batch=16), generator=generator,
            augment=Affine(shift=1.0, rotate=10.0))
    return model.weight.detach().numpy()


def test_a_seed_decides_everything_and_leaves_no_trace():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = trained(1)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    torch.rand(5)                           # another state of the global generator
    assert np.array_equal(first, trained(1))
    assert not np.array_equal(first, trained(2))


def test_no_augmentation_is_the_identity():
    x = torch.rand(5, 49)
    assert torch.allclose(Affine()(x, torch.Generator().manual_seed(0)), x, atol=1e-5)


def test_shifts_stay_inside_their_bound():
    """A single bright pixel in the middle of 9 x 9 moves by at most two."""
    x = torch.zeros(200, 81)
    x[:, 40] = 1
    seen = Affine(shift=2.0)(x, torch.Generator().manual_seed(0)).reshape(-1, 9, 9)
    outside = seen.clone()
    outside[:, 2:7, 2:7] = 0
    assert outside.abs().max() < 1e-5
    assert (seen.amax(dim=(1, 2)) > 0).all() and (seen[:, 4, 4] < 0.5).any()
    with pytest.raises(ValueError, match=r"must be maps or flat squares, not \[50\]"):
        Affine()(torch.zeros(1, 50), torch.Generator())


def test_a_map_that_is_not_square_is_turned_and_sheared_as_pixels_are():
    """As the square map with zeros above and below it is."""
    wide = torch.rand(20, 2, 11, 41, generator=torch.Generator().manual_seed(1))
    square = nn.functional.pad(wide, (0, 0, 15, 15))
    affine = Affine(shift=1.0, rotate=10.0, scale=0.1, shear=0.2)

    def mapped(images):
        return affine(images, torch.Generator().manual_seed(2))
    assert torch.allclose(mapped(wide), mapped(square)[:, :, 15:-15], atol=1e-4)
    tall, flat = mapped(wide.mT), mapped(square.mT)
    assert torch.allclose(tall, flat[:, :, :, 15:-15], atol=1e-4)


def test_rate_falls_from_first_to_last():
    schedule = Schedule(epochs=1, rate=1e-2, final_rate=1e-4)
    assert schedule.rate_at(0) == pytest.approx(1e-2)
    assert schedule.rate_at(0.5) == pytest.approx((1e-2 + 1e-4) / 2)
    assert schedule.rate_at(1) == pytest.approx(1e-4)


def test_fewer_pictures_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="at most the 4 images to train with, not 128"):
        fit(nn.Linear(4, 2), torch.zeros(4, 4), torch.zeros(4, dtype=torch.long),
            Schedule(epochs=1), generator=torch.Generator())


def test_the_layout_in_memory_changes_no_value_and_a_single_channel_not_at_all():
    maps, flat = torch.rand(2, 3, 4, 5), torch.rand(2, 60)
    assert torch.equal(channels_last(maps), maps)
    assert channels_last(maps).is_contiguous(memory_format=torch.channels_last)
    single = maps[:, :1].contiguous()
    assert channels_last(single).data_ptr() == single.data_ptr() and channels_last(flat) is flat


def test_error_rate_counts_wrong_answers():
    model = nn.Identity()
    assert error_rate(model, torch.eye(4), torch.tensor([0, 1, 2, 0])) == 0.25


def test_pictures_are_shares_of_white():
    images, labels = labelled_tensors(np.array([[0, 51, 255]], np.uint8),
                                      np.array([7], np.uint8))
    assert torch.equal(images, torch.tensor([[0, 0.2, 1]])) and images.dtype == torch.float32
    assert labels.tolist() == [7] and labels.dtype == torch.int64
    assert labelled_tensors(np.array([[128]]), np.array([1]), white=256)[0].tolist() == [[0.5]]
