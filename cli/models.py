# SPDX-License-Identifier: Apache-2.0
"""Finding the network and the inputs a verb is asked to use."""
from pathlib import Path

import numpy as np

from ..core.artefact import load
from ..core.errors import InputError
from ..core.graph import Network
from .common import read_inputs

__all__ = ["find_model", "load_model", "inputs_for"]


def find_model(name: str) -> Path:
    """A file's path, or that of a network that comes with the package."""
    from openeie import shipped
    if Path(name).suffix == ".eie" or Path(name).exists():
        return Path(name)
    return shipped(name)


def load_model(name: str) -> Network:
    """The network ``name`` stands for."""
    return load(find_model(name))


def inputs_for(network: Network, path: Path | None,
               images: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs [batch, n] and labels: from a file, or the first of the shipped MNIST images."""
    if path is not None:
        x, labels = read_inputs(path)
        return network.check_inputs(x), labels
    from ..sw.data import shipped_test_set
    x, labels = shipped_test_set()
    if network.inputs != x.shape[1]:
        raise InputError(f"network {network.name!r} takes {network.inputs} inputs; the images "
                         f"that come with the package have {x.shape[1]}: give yours with --input")
    if not 1 <= images <= len(x):
        raise InputError(f"--images must be in 1 .. {len(x)}, not {images}")
    return x[:images], labels[:images]
