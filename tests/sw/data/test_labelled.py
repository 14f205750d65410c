# SPDX-License-Identifier: Apache-2.0
"""Data sets: what the float network and the array see of an image, and what is refused."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.data.labelled import Dataset, load_dataset
from openeie.sw.data.mnist import demo_images
from support.pictures import arrays
from support.study_subject import write_mnist


def data(**changes):
    images = np.zeros((4, 2, 3, 5), np.uint8)
    fields = {"name": "d", "train": (images, np.arange(4)), "test": (images[:2], np.arange(2))}
    return Dataset(**(fields | changes))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(7,), (1, 4, 6), (3, 5, 4)]), st.booleans(),
       st.floats(1e-3, 10))
@settings(max_examples=40)
def test_the_array_sees_what_the_float_network_sees(seed, shape, by_channel, scale):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (5, *shape)).astype(np.uint8)
    many = by_channel and len(shape) == 3 and shape[0] > 1
    offset = tuple(rng.integers(-50, 200, shape[0]).tolist()) if many else int(rng.integers(200))
    one = Dataset(name="d", train=(images, np.zeros(5, int)), test=(images, np.zeros(5, int)),
                  scale=scale, offset=offset)
    integers, floats = one.integers(images), one.floats(images)
    low, high = one.input_range
    assert low <= integers.min() and integers.max() <= high and high - low >= 255
    in_order = floats if len(shape) == 1 else floats.transpose(0, 2, 3, 1)
    assert np.allclose(in_order.reshape(5, -1), integers * scale, rtol=1e-6)
    if len(shape) == 3:                             # (row, column, channel) order
        pixel = integers.reshape(5, *shape[1:], shape[0])[2, 1, 3, 0]
        assert pixel == int(images[2, 0, 1, 3]) - np.atleast_1d(offset)[0]


def test_the_last_training_pictures_are_held_out():
    images = np.arange(40, dtype=np.uint8).reshape(40, 1)
    one = data(train=(images, np.arange(40)), test=(images, np.arange(40)))
    train, held = one.held_out(3)
    assert held[1].tolist() == [37, 38, 39] and train[1].tolist() == list(range(37))
    assert len(one.held_out(None)[1][0]) == 4 and len(one.held_out(0)[1][0]) == 0
    with pytest.raises(InputError, match="hold_out must be less than the 40 training images"):
        one.held_out(40)


def test_shapes_scales_and_digests():
    one = load_dataset(arrays(20, 10))
    assert one.shape == (1, 8, 8) and one.shaped() is one
    flat = one.shaped(shape=[64], scale=0.5, offset=3)
    assert flat.shape == (64,) and (flat.scale, flat.offset) == (0.5, 3)
    assert len({one.digest, flat.digest, one.shaped(shape=[64]).digest,
                load_dataset(arrays(20, 11)).digest}) == 4
    assert load_dataset(arrays(20, 10)).digest == one.digest
    with pytest.raises(InputError, match=r"data.shape must be .* 64 values .* not \[3, 8, 8\]"):
        one.shaped(shape=[3, 8, 8])


IMAGES, LABELS = np.zeros((4, 6), np.uint8), np.zeros(4, int)


@pytest.mark.parametrize("changes, message", [
    ({"train": (IMAGES.astype(float), LABELS)}, r"train_images must be uint8 .* not float64 "
                                                r"\[4, 6\]; turn real numbers"),
    ({"train": (IMAGES[:0], LABELS[:0])}, r"not uint8 \[0, 6\]"),
    ({"test": (IMAGES, LABELS[:3])}, r"test_labels must be integers \[4\].* not int64 \[3\]"),
    ({"test": (IMAGES, LABELS + 0.5)}, r"test_labels must be integers"),
    ({"test": (IMAGES, LABELS - 1)}, "test_labels must be classes from 0 on, not -1 .. -1"),
    ({"test": (IMAGES[:, :5], LABELS)}, r"test_images must have the shape of train_images, \[6\]"),
    ({"scale": float("nan")}, "scale must be a positive finite number, not nan"),
    ({"offset": float("nan")}, "offset must be an integer of 16 bits"),
    ({"scale": 0}, "scale must be a positive"), ({"offset": 0.5}, "offset must be an integer"),
    ({"offset": (1, 2)}, r"offset must be one integer, or one for each channel .* \[6\], not 2"),
])
def test_refusals(changes, message):
    with pytest.raises(InputError, match=f"^data d: .*{message}"):
        data(**({"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)} | changes))


def test_pictures_that_lie_backwards_in_memory():
    turned = {name: one[..., ::-1] if "images" in name else one[::-1]
              for name, one in arrays(20, 10).items()}
    one = load_dataset(turned)
    assert torch.from_numpy(one.train[0]).numpy()[3, 0, 2].tolist() == \
        arrays(20, 10)["train_images"][3, 2, ::-1].tolist()
    assert torch.from_numpy(one.test[1]).tolist() == arrays(20, 10)["test_labels"][::-1].tolist()


def test_everything_wrong_is_told_at_once():
    with pytest.raises(InputError, match="train_images .*train_labels .*test_images .*scale"):
        data(train=(IMAGES + 0.5, LABELS - 1), test=(IMAGES[0], LABELS[0]), scale=-1)


def test_files(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, **arrays(20, 10), scale=0.25, offset=[7])
    one = load_dataset(path)
    assert (one.scale, one.offset, one.name) == (0.25, 7, "d.npz")
    np.savez(path, **arrays(20, 10), scale=[0.25], offset=[[7]])
    assert (load_dataset(path).scale, load_dataset(path).offset) == (0.25, 7)
    np.savez(path, train_images=IMAGES, test_images=IMAGES)
    with pytest.raises(InputError, match="missing: train_labels, test_labels"):
        load_dataset(path)
    np.savez(path, **arrays(20, 10), scale=[1, 2])
    with pytest.raises(InputError, match=r"scale must be a positive finite number, not \[1, 2\]"):
        load_dataset(path)


@pytest.mark.parametrize("offset", [np.nan, np.inf, [1, -np.inf]])
def test_offsets_in_files_that_are_no_integers(tmp_path, offset):
    np.savez(tmp_path / "d.npz", **arrays(20, 10), offset=offset)
    with pytest.raises(InputError, match="offset must be an integer of 16 bits, or one for"):
        load_dataset(tmp_path / "d.npz")


@pytest.mark.parametrize("source, message", [
    ("{folder}/a.npy", "must be mnist:FOLDER, mnist-without-d"), ("mnist", "must be mnist:FOLDER"),
    ("mnist:/none", "MNIST file .*none"),
    ("{folder}/no.npz", "cannot read images from .*no.npz"),
    ("{folder}/one.npz", "must be an .npz with an array 'train_images', not one array")])
def test_other_sources(tmp_path, source, message):
    np.save(tmp_path / "a.npy", IMAGES)
    (tmp_path / "one.npz").write_bytes((tmp_path / "a.npy").read_bytes())
    with pytest.raises(InputError, match=message):
        load_dataset(source.format(folder=tmp_path))


HELD = arrays(7, 5)
OWN = {"held_out_images": HELD["train_images"], "held_out_labels": HELD["train_labels"]}


@pytest.mark.parametrize("count", [None, 0, 7])     # 7: in the recipe of a finished run
def test_held_out_images_of_the_data(count):
    train, held_out = load_dataset(arrays(20, 10) | OWN).held_out(count)
    assert len(train[0]) == 20 and np.array_equal(held_out[0][:, 0], OWN["held_out_images"])


@pytest.mark.parametrize("changes, message", [
    ({"held_out_labels": OWN["held_out_labels"][:3]}, r"held_out_labels must be integers"),
    ({"held_out_images": OWN["held_out_images"][:, :4]},
     r"held_out_images must have the shape of train_images, \[1, 8, 8\] each, not"),
    ({"held_out_images": OWN["held_out_images"][:0]}, "held_out_images must be uint8")])
def test_held_out_images_that_do_not_fit(changes, message):
    with pytest.raises(InputError, match=message):
        load_dataset(arrays(20, 10) | OWN | changes)


def test_held_out_images_are_part_of_the_data(tmp_path):
    one = load_dataset(arrays(20, 10) | OWN)
    assert one.digest != load_dataset(arrays(20, 10)).digest
    assert one.shaped(shape=[64]).held_out(None)[1][0].shape == (7, 64)
    np.savez(tmp_path / "d.npz", **arrays(20, 10), **OWN)
    assert load_dataset(tmp_path / "d.npz").digest == one.digest
    with pytest.raises(InputError, match="hold_out must be 7 or left out, not 3: data of arr"):
        one.held_out(3)
    with pytest.raises(InputError, match="must have the arrays .*; missing: held_out_labels"):
        load_dataset(arrays(20, 10) | {"held_out_images": OWN["held_out_images"]})


def test_mnist_without_the_demos_pictures(tmp_path, monkeypatch):
    folder = write_mnist(tmp_path, train=300, test=50)
    with pytest.raises(InputError, match="hold the demo's 5,000 images, .* not 300 of them"):
        load_dataset(f"mnist-without-demo:{folder}")
    whole = load_dataset(f"mnist:{folder}")
    images, labels = demo_images()
    monkeypatch.setattr("openeie.sw.data.mnist.demo_images",
                        lambda: (images[:100], labels[:100]))
    one = load_dataset(f"mnist-without-demo:{folder}")
    assert one.name == "mnist-without-demo" and one.shape == (1, 28, 28)
    assert all(np.array_equal(ours, theirs[100:]) for ours, theirs in zip(one.train, whole.train))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(one.test, whole.test))
