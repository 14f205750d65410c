# SPDX-License-Identifier: Apache-2.0
"""A batch norm in ``eval`` mode as one gain and one offset per channel."""
import numpy as np
from torch import Tensor

from ...core.errors import InputError
from .stages import Stage

__all__ = ["affine", "floats"]


def affine(stage: Stage) -> tuple[np.ndarray, np.ndarray]:
    """A stage's batch norm as ``gain * x + offset``, float64 [channels] each; without a norm, gain
    [1] and offset [0].

    Raises
    ------
    InputError : a gain or offset that is not finite.
    """
    norm = stage.norm
    if norm is None:
        return np.ones(1), np.zeros(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = 1 / np.sqrt(floats(norm.running_var) + norm.eps)
        if norm.weight is not None:
            gain = gain * floats(norm.weight)
        offset = -gain * floats(norm.running_mean)
    if norm.bias is not None:
        offset = offset + floats(norm.bias)
    wrong = np.flatnonzero(~np.isfinite(gain + offset))
    if len(wrong):
        channel = int(wrong[0])
        raise InputError(f"layer {stage.name!r}: its batch norm must multiply and add finite "
                         f"numbers, but channel {channel} multiplies by {gain[channel]:g} and adds "
                         f"{offset[channel]:g}; look at how it was trained")
    return gain, offset


def floats(tensor: Tensor) -> np.ndarray:
    """A tensor's values as a float64 array."""
    return tensor.detach().double().numpy()
