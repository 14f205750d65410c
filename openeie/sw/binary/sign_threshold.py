# SPDX-License-Identifier: Apache-2.0
"""Which comparison of a layer's outputs a later layer's signs are. ``docs/binary.md``."""
from dataclasses import dataclass

import numpy as np
from torch import nn

from .affine import affine
from .stages import Stage

__all__ = ["SignThreshold", "asked_of"]


@dataclass(frozen=True, kw_only=True)
class SignThreshold:
    """The signs of ``gain * value + offset`` are read, that of 0 is +1.

    Attributes
    ----------
    gain, offset : float64 [m] of each channel, or [1] of all. Where the gain is 0, the sign does
        not depend on the value.
    """
    gain: np.ndarray
    offset: np.ndarray

    def in_units(self, scale: float) -> "SignThreshold":
        """The same of values in units that are worth ``scale``."""
        return SignThreshold(gain=self.gain * scale, offset=self.offset)

    def before_relu(self) -> "SignThreshold":
        """The same of values that a ReLU is still to come to: signs that are alike for all values
        from 0 on are not asked for."""
        alike = (self.gain > 0) == (self.offset >= 0)
        return SignThreshold(gain=np.where(alike, 0.0, self.gain), offset=self.offset)

    def before_norm(self, stage: Stage) -> "SignThreshold":
        """The same of values that a batch norm is still to come to."""
        gain, offset = affine(stage)
        return SignThreshold(gain=self.gain * gain, offset=self.gain * offset + self.offset)


def asked_of(stages: list[Stage]) -> list[SignThreshold | None]:
    """For each stage, what is asked of its outputs before its own ReLU, in real values; None if
    nothing is. Pools of the largest let a comparison through, as do norms that stand alone."""
    found: list[SignThreshold | None] = []
    asked = None
    for stage in reversed(stages):
        if asked is not None and stage.relu:
            asked = asked.before_relu()
        found.append(asked)
        if stage.reads_signs:
            asked = SignThreshold(gain=np.ones(1), offset=np.zeros(1))
        elif stage.core is None and asked is not None:
            asked = asked.before_norm(stage)
        elif not isinstance(stage.core, nn.MaxPool2d):
            asked = None
    return found[::-1]
