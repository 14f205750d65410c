# SPDX-License-Identifier: Apache-2.0
"""Fold a later ``sign()`` into a threshold on this layer's accumulator; see ``docs/binary.md``."""
from dataclasses import dataclass

import numpy as np
from torch import nn

from .affine import affine
from .stages import Stage

__all__ = ["SignThreshold", "thresholds_of"]


@dataclass(frozen=True, kw_only=True)
class SignThreshold:
    """A later layer reads the sign of ``gain * value + offset``; the sign of 0 is +1.

    Attributes
    ----------
    gain, offset : float64 [m], one for each channel, or [1] for all. Where the gain is 0, the sign
        does not depend on the value.
    """
    gain: np.ndarray
    offset: np.ndarray

    def in_units(self, scale: float) -> "SignThreshold":
        """The same threshold on values in units of ``scale``."""
        return SignThreshold(gain=self.gain * scale, offset=self.offset)

    def before_relu(self) -> "SignThreshold":
        """The same threshold on values before a ReLU. Where all values from 0 on have the same
        sign, the gain becomes 0."""
        alike = (self.gain > 0) == (self.offset >= 0)
        return SignThreshold(gain=np.where(alike, 0.0, self.gain), offset=self.offset)

    def before_norm(self, stage: Stage) -> "SignThreshold":
        """The same threshold on values before the stage's batch norm."""
        gain, offset = affine(stage)
        return SignThreshold(gain=self.gain * gain, offset=self.gain * offset + self.offset)


def thresholds_of(stages: list[Stage]) -> list[SignThreshold | None]:
    """For each stage the threshold on its real outputs, before its own ReLU; None if no later layer
    reads their signs. A threshold passes through max pools and through separate batch norms."""
    found: list[SignThreshold | None] = []
    threshold = None
    for stage in reversed(stages):
        if threshold is not None and stage.relu:
            threshold = threshold.before_relu()
        found.append(threshold)
        if stage.reads_signs:
            threshold = SignThreshold(gain=np.ones(1), offset=np.zeros(1))
        elif stage.core is None and threshold is not None:
            threshold = threshold.before_norm(stage)
        elif not isinstance(stage.core, nn.MaxPool2d):
            threshold = None
    return found[::-1]
