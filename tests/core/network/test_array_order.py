# SPDX-License-Identifier: Apache-2.0
"""Images [n, channels, height, width] become [n, height * width * channels], and only so.

A worked example: one image of two channels, each 2 x 2 pixels. The array reads pixel after pixel,
row by row, and of each pixel all channels::

    channel 0:  1 2     channel 1:  5 6     in order:  1 5  2 6  3 7  4 8
                3 4                 7 8
"""
import doctest

import numpy as np
import openeie
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from openeie.core.network import array_order

SHAPES = st.tuples(*[st.integers(0, 5)] * 4)
NUMBERS = st.sampled_from(["bool", "uint8", "int8", "int64", ">i2", "float16", "float32"])
IMAGES = NUMBERS.flatmap(lambda dtype: arrays.arrays(dtype, SHAPES))


def test_a_worked_example():
    images = np.array([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]])
    assert openeie.to_array_order(images).tolist() == [[1, 5, 2, 6, 3, 7, 4, 8]]


def test_the_docstrings_example():
    assert doctest.testmod(array_order).failed == 0
    assert doctest.testmod(array_order).attempted > 2


@given(IMAGES)
def test_it_can_be_undone(images):
    flat = openeie.to_array_order(images)
    count, channels, height, width = images.shape
    assert flat.dtype == images.dtype and flat.shape == (count, height * width * channels)
    assert flat.flags.c_contiguous
    maps = flat.reshape(count, height, width, channels).transpose(0, 3, 1, 2)
    assert np.array_equal(maps, images, equal_nan=images.dtype.kind == "f")


@given(st.tuples(*[st.integers(1, 5)] * 4), st.data())
def test_every_element_has_its_place(shape, data):
    images = np.arange(np.prod(shape)).reshape(shape)
    image, channel, row, column = (data.draw(st.integers(0, size - 1)) for size in shape)
    _, channels, _, width = shape
    place = (row * width + column) * channels + channel
    assert openeie.to_array_order(images)[image, place] == images[image, channel, row, column]


def test_the_order_is_a_windows():
    """A kernel of the whole map sees the elements one after the other."""
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    window = openeie.Window(height=4, width=5, channels=3, kernel=(4, 5))
    flat = openeie.to_array_order(images)
    assert np.array_equal(window.gather(flat)[:, 0], flat)
    one_pixel = openeie.Window(height=4, width=5, channels=3)
    assert np.array_equal(one_pixel.gather(flat)[1, 7], images[1, :, 1, 2])


@pytest.mark.parametrize("shape", [(3, 7), (0, 7), (3, 0)])
def test_vectors_stay_as_they_are(shape):
    vectors = np.arange(np.prod(shape)).reshape(shape)
    assert np.array_equal(openeie.to_array_order(vectors), vectors)


def test_tensors_and_lists():
    images = torch.arange(24).reshape(1, 2, 3, 4)
    assert np.array_equal(openeie.to_array_order(images), openeie.to_array_order(images.numpy()))
    assert openeie.to_array_order(images.tolist()).shape == (1, 24)


@pytest.mark.parametrize("images, told", [
    (np.zeros((2, 3, 4)), r"not \[2, 3, 4\]; write images\[:, None\] for images of one channel"),
    (np.zeros(5), r"must be \[n, channels, height, width\], or vectors \[n, length\], not \[5\]"),
    (np.zeros((1, 1, 1, 1, 1)), r"not \[1, 1, 1, 1, 1\]$"),
    (7, r"not \[\]"),
    (np.zeros((1, 1, 2, 2), complex), "must be integers or floats, not complex128"),
    (np.full((1, 1, 2, 2), "a"), "must be integers or floats, not <U1"),
    (np.full((1, 1, 2, 2), None), "must be integers or floats, not object"),
    ([[1, 2], [3]], "must be one array of numbers: "),
    (torch.ones(1, 1, 2, 2, requires_grad=True), "must be one array of numbers: .*detach"),
    (torch.ones(1, 1, 2, 2, dtype=torch.bfloat16), "must be one array of numbers: "),
    (torch.ones(1, 1, 2, 2, device="meta"), "must be one array of numbers: ")])
def test_anything_else_is_refused(images, told):
    with pytest.raises(openeie.InputError, match=f"^images .*{told}"):
        openeie.to_array_order(images)
