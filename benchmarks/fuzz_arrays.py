# SPDX-License-Identifier: Apache-2.0
"""Targets of ``fuzz.py``: readers of data sets, inputs and layers that users bring as arrays.

The form of a target is described in ``fuzz_targets.py``; ``fuzz_importers.py`` includes these.
"""
import io
from pathlib import Path

import numpy as np

__all__ = ["TARGETS", "npz"]


def npz(rng: np.random.Generator, **arrays: np.ndarray) -> bytes:
    """An archive; about half of them are compressed."""
    file = io.BytesIO()
    save = np.savez_compressed if rng.random() < 0.5 else np.savez
    save(file, **arrays)
    return file.getvalue()


def dataset(rng) -> bytes:
    """A data set for ``compress``."""
    labels = rng.integers(0, 10, 30)
    images = rng.integers(0, 256, (30, 3, 4, 5)).astype(np.uint8)
    return npz(rng, train_images=images[:20], train_labels=labels[:20], test_images=images[20:],
               test_labels=labels[20:], held_out_images=images[10:15],
               held_out_labels=labels[10:15], scale=0.5, offset=np.array([1, 2, 3]))


def read_dataset(path: Path):
    """Everything that a run uses of it."""
    from openeie.sw.data.labelled import load_dataset
    data = load_dataset(path)
    images = data.train[0]
    return [data.digest, data.integers(images), data.floats(images), *data.held_out(None)[1]]


def network_inputs(rng) -> bytes:
    """Inputs for ``openeie sim``."""
    return npz(rng, inputs=rng.integers(0, 255, (6, 20)), labels=rng.integers(0, 10, 6))


def network_inputs_npy(rng) -> bytes:
    """The same as one array."""
    file = io.BytesIO()
    np.save(file, rng.integers(0, 255, (6, 20)))
    return file.getvalue()


def read_network_inputs(path: Path):
    """As ``openeie sim --input`` does."""
    from openeie.cli.common import read_inputs
    return list(read_inputs(path))


def workload(rng) -> bytes:
    """A layer for ``openeie bench eie``."""
    return npz(rng, weights=rng.integers(-9, 9, (8, 12)), acts=rng.integers(0, 9, 12))


def eie_workload(rng) -> bytes:
    """The same as entries of two PEs."""
    return npz(rng, acts=rng.integers(0, 9, 3), pointers=np.array([[0, 1, 2, 4], [0, 2, 2, 3]]),
               runs=np.array([0, 1, 0, 1, 1, 0, 1]), codes=np.array([1, 2, 3, 1, 1, 2, 3]),
               codebook=np.array([0, 5, -6, 7]), outputs=np.array(9))


def read_workload(path: Path):
    """As ``openeie bench eie --npz`` does."""
    from openeie.sim.study.arrays import ARRAYS, workload_of
    from openeie.sw.data.npz import read_arrays
    made = workload_of(read_arrays(path, "a layer", ARRAYS), "layer")
    return [made.weights.dense(), made.acts]


def idx(rng) -> bytes:
    """A file in MNIST's format."""
    import gzip
    images = rng.integers(0, 256, (5, 28, 28)).astype(np.uint8)
    return gzip.compress(b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes()
                         + images.tobytes(), mtime=0)


def read_idx(path: Path):
    """As ``--data mnist:FOLDER`` does."""
    from openeie.sw.data.mnist import read_idx
    return read_idx(path.read_bytes(), name=path.name, ndim=3)


def cifar(rng) -> bytes:
    """JPEG images of CIFAR-10's size, in one archive."""
    from PIL import Image
    streams = []
    for image in rng.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG")
        streams.append(file.getvalue())
    head = 100
    parts = [stream[head:] for stream in streams]
    return npz(rng, header=np.frombuffer(streams[0][:head], np.uint8), labels=np.arange(
        3, dtype=np.uint8), payload=np.frombuffer(b"".join(parts), np.uint8),
        lengths=np.array([len(part) for part in parts], np.uint16))


def read_cifar(path: Path):
    """As ``--data cifar10:FOLDER`` does, which looks for a file of this name."""
    from openeie.sw.data.cifar10 import load_cifar10
    return list(load_cifar10(path.parent, "test"))


#: Archives have a CRC for each array, so only names can change unnoticed.
TARGETS = [
    ("dataset.npz", dataset, read_dataset, True),
    ("inputs.npz", network_inputs, read_network_inputs, True),
    ("inputs.npy", network_inputs_npy, read_network_inputs),
    ("layer.npz", workload, read_workload, True),
    ("entries.npz", eie_workload, read_workload, True),
    ("images-idx3-ubyte.gz", idx, read_idx, True),
    ("cifar10_test_jpeg.npz", cifar, read_cifar, True)]
