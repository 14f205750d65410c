# SPDX-License-Identifier: Apache-2.0
"""Finds the network and the inputs that a verb shall use."""
from pathlib import Path

import numpy as np

from ..core.artefact.artefact import load
from ..core.errors import InputError
from ..core.network.graph import Network
from ..sw.networks.shipped import shipped
from .common import read_inputs

__all__ = ["find_model", "load_model", "is_for_mnist", "inputs_for", "training_warnings",
           "check_images"]

#: Names of MNIST in a network's provenance, as ``compress`` writes them.
_MNIST = ("mnist", "mnist-without-demo")


def find_model(name: str) -> Path:
    """Path of a file, or of the network ``name`` in the package."""
    if Path(name).suffix == ".eie" or Path(name).exists():
        return Path(name)
    return shipped(name)


def load_model(name: str) -> Network:
    """The network in a file, or the one called ``name`` in the package."""
    return load(find_model(name))


def is_for_mnist(network: Network) -> bool:
    """True if the network's provenance says MNIST; 784 inputs alone do not tell."""
    return network.provenance.get("data") in _MNIST


def inputs_for(network: Network, path: Path | None, images: int | None,
               default: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs of ``network``, int64 [batch, n], and their labels [batch], or None.

    Parameters
    ----------
    path : value of ``--input``: a file, or ``mnist:FOLDER`` for MNIST's test set.
    images : value of ``--images``: the first N of the demo's images. Without ``path`` and
        ``images``, only networks for MNIST get them.
    default : number of images if neither is given; None takes all.

    Raises
    ------
    InputError : both options are given, a file cannot be read, or the inputs do not fit the
        network.
    """
    from ..sw.data.mnist import PIXELS, demo_images
    if path is not None:
        if images is not None:
            raise InputError(f"--images {images} asks for the demo's images, but --input {path} "
                             f"for others; give one of the two")
        x, labels = _read(path)
        return network.check_inputs(x), labels

    if network.inputs != PIXELS:
        raise InputError(f"network {network.name!r} takes {network.inputs} inputs, but the demo's "
                         f"images have {PIXELS}: give yours with --input")
    if images is None and not is_for_mnist(network):
        or_mnist = f", or ask for MNIST's with --images {default}" if default else ""
        raise InputError(
            f"network {network.name!r} takes {network.inputs} inputs, but its file does not say "
            f"that they are MNIST's images: give inputs with --input FILE{or_mnist}")

    x, labels = demo_images()
    count = images if images is not None else default or len(x)
    check_images(count, len(x))
    return x[:count], labels[:count]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs and labels from a file, or from ``mnist:FOLDER``."""
    kind, colon, folder = str(path).partition(":")
    if colon and kind == "mnist":
        from ..sw.data.mnist import load_mnist
        return load_mnist(folder, "test")
    return read_inputs(path)


def training_warnings(network: Network, path: Path | None) -> list[str]:
    """Warnings about an error rate on the demo's images (``path`` is None), if the network was
    trained with them."""
    if path is not None or network.provenance.get("data") != "mnist":
        return []
    return [f"network {network.name!r} was trained with all of MNIST's training images, the "
            f"demo's included, so its error rate on them is too low; give --input mnist:DIR for "
            f"MNIST's test images"]


def check_images(images: int, available: int) -> None:
    """Refuse fewer images than 1, or more than there are.

    Raises
    ------
    InputError
    """
    if not 1 <= images <= available:
        raise InputError(f"--images must be in 1 .. {available}, not {images}")
