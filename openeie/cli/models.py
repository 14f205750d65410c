# SPDX-License-Identifier: Apache-2.0
"""Finding the network and the inputs a verb is asked to use."""
from pathlib import Path

import numpy as np

from ..core.artefact.artefact import load
from ..core.errors import InputError
from ..core.network.graph import Network
from ..sw.data.mnist import PIXELS, demo_pictures, load_mnist
from .common import read_inputs

__all__ = ["find_model", "load_model", "is_for_mnist", "inputs_for", "training_warnings",
           "check_images"]

#: What ``compress`` calls MNIST in a network's provenance.
_MNIST = ("mnist", "mnist-without-demo")


def find_model(name: str) -> Path:
    """A file's path, or that of a network that comes with the package."""
    from openeie import shipped
    if Path(name).suffix == ".eie" or Path(name).exists():
        return Path(name)
    return shipped(name)


def load_model(name: str) -> Network:
    """The network ``name`` stands for."""
    return load(find_model(name))


def is_for_mnist(network: Network) -> bool:
    """Whether the network's file says that it was made for MNIST's images: 784 inputs do not."""
    return network.provenance.get("data") in _MNIST


def inputs_for(network: Network, path: Path | None, images: int | None,
               default: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs [batch, n] and labels: from a file or MNIST's test set, or the first of the demo's
    pictures, ``default`` of them if ``images`` says nothing, and all if neither does (a verb that
    has no ``--images``). A network of other data gets the demo's pictures only where ``images``
    asks for them."""
    if path is not None:
        if images is not None:
            raise InputError(f"--images {images} counts the demo's pictures, but --input {path} "
                             f"brings others; give one of the two")
        x, labels = _read(path)
        return network.check_inputs(x), labels
    if network.inputs != PIXELS:
        raise InputError(f"network {network.name!r} takes {network.inputs} inputs; the demo's "
                         f"pictures have {PIXELS}: give yours with --input")
    if images is None and not is_for_mnist(network):
        raise InputError(
            f"network {network.name!r} takes {network.inputs} inputs, but its file does not say "
            f"that they are MNIST's images: give inputs with --input FILE"
            + (f", or ask for MNIST's with --images {default}" if default else ""))
    x, labels = demo_pictures()
    count = images if images is not None else default or len(x)
    check_images(count, len(x))
    return x[:count], labels[:count]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs and labels from a file, or from ``mnist:FOLDER``."""
    kind, colon, folder = str(path).partition(":")
    return load_mnist(folder, "test") if colon and kind == "mnist" else read_inputs(path)


def training_warnings(network: Network, path: Path | None) -> list[str]:
    """What to tell of an error rate on inputs from ``path``, or on the demo's pictures if None,
    where the network was trained with them."""
    if path is not None or network.provenance.get("data") != "mnist":
        return []
    return [f"network {network.name!r} was trained with all of MNIST's training pictures, the "
            f"demo's among them, so its error rate on these is too low; give --input mnist:DIR for "
            f"MNIST's test pictures"]


def check_images(images: int, available: int) -> None:
    """Refuse a number of images that are not there."""
    if not 1 <= images <= available:
        raise InputError(f"--images must be in 1 .. {available}, not {images}")
