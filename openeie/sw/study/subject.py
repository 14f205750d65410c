# SPDX-License-Identifier: Apache-2.0
"""The network under study, LeNet-300-100 in float, and the retraining of its copies."""
import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ..compress.methods.prune import weighted_layers
from ..compress.methods.train import Schedule, deterministic, error_rate, fit
from ..data.npz import read_named

__all__ = ["LAYER_NAMES", "Effort", "QUICK", "FULL", "Subject", "lenet", "read_weights",
           "weights_of"]

LAYER_NAMES = ("ip1", "ip2", "ip3")
_SIZES = (784, 300, 100, 10)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Amount of training and points of the measurements.

    Attributes
    ----------
    dense, retrain : training of the float network, and of a copy after each change.
    strengths : of pruning, see :func:`~.rates.fractions_kept`; 1 is the paper's.
    slots : codebook sizes for sharing alone.
    joint_slots : codebook sizes for sharing after pruning.
    rates : of compression, for the low-rank approximation.
    bits : of a code, for the comparison of initialisations.
    fractions : of weights kept, for the sensitivity of each layer.
    """
    dense: Schedule
    retrain: Schedule
    strengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    slots: tuple[int, ...] = (2, 4, 8, 16, 64, 256)
    joint_slots: tuple[int, ...] = (4, 8, 16)
    rates: tuple[float, ...] = (0.5, 0.3, 0.2, 0.1, 0.07, 0.05, 0.03, 0.02)
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    fractions: tuple[float, ...] = (0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03)


QUICK = Effort(dense=Schedule(epochs=8, rate=2e-3, final_rate=5e-5, batch=256),
               retrain=Schedule(epochs=1, rate=1e-3, final_rate=1e-5, batch=256))
FULL = Effort(dense=Schedule(epochs=20, rate=2e-3, final_rate=5e-5, batch=256),
              retrain=Schedule(epochs=4, rate=1e-3, final_rate=1e-5, batch=256),
              joint_slots=(4, 8, 16, 32))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A trained float network. It is never changed; only its copies are.

    Attributes
    ----------
    model : the network.
    train, test : images float32 [n, pixels] and labels int64 [n].
    effort : of retraining.
    seed : of each retraining, independent of what was trained before.
    error_float : error rate of the network itself on the test images.
    """
    model: nn.Sequential
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    effort: Effort
    seed: int
    error_float: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "error_float", self.error(self.model))

    def copy(self) -> nn.Sequential:
        """A copy to prune, share and train."""
        return copy.deepcopy(self.model)

    def retrain(self, model: nn.Module) -> None:
        """Train a copy in place."""
        with deterministic(self.seed) as generator:
            fit(model, *self.train, self.effort.retrain, generator=generator)

    def error(self, model: nn.Module) -> float:
        """Error rate on the test images."""
        return error_rate(model, *self.test)

    @property
    def weights(self) -> int:
        """Number of weights of the network, without biases."""
        return sum(layer.weight.numel() for layer in weighted_layers(self.model).values())


def lenet(seed: int) -> nn.Sequential:
    """LeNet-300-100 with random weights; its layers have the paper's names."""
    with deterministic(seed):
        model = nn.Sequential()
        for number, (name, inputs, outputs) in enumerate(zip(LAYER_NAMES, _SIZES, _SIZES[1:])):
            if number:
                model.add_module(f"relu{number}", nn.ReLU())
            model.add_module(name, nn.Linear(inputs, outputs))
    return model


def weights_of(model: nn.Sequential) -> dict[str, np.ndarray]:
    """Arrays to save with ``numpy.savez``, for :func:`read_weights`."""
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def read_weights(path: str | Path) -> nn.Sequential:
    """LeNet-300-100 from an ``.npz`` file of float weights.

    Parameters
    ----------
    path : of a file with ``ip1.weight`` [300, 784], ``ip1.bias`` [300], ..., ``ip3.bias`` [10].

    Raises
    ------
    InputError : the file cannot be read; an array is missing, has another shape, or holds anything
        but finite floats.
    """
    model = lenet(0)
    wanted = model.state_dict()
    arrays = read_named(path, "weights of LeNet-300-100", list(wanted))
    for name, value in wanted.items():
        array = arrays.get(name)
        shape = list(value.shape)
        fits = array is not None and list(array.shape) == shape and array.dtype.kind == "f" \
            and np.isfinite(array).all()
        if not fits:
            found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise InputError(f"{path}: array {name!r} must be finite floats {shape}, not {found}")
    model.load_state_dict({name: torch.from_numpy(arrays[name].astype(np.float32))
                           for name in wanted})
    return model.eval()
