# SPDX-License-Identifier: Apache-2.0
"""Layers with a matrix: matrix-vector products and convolutions."""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .config import ENCODINGS
from .errors import InputError
from .fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range
from .weights import SparseWeights, frozen
from .window import Window

__all__ = ["Linear", "Conv"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """A matrix-vector layer: ``y = requantise(W x)``; see ``docs/numerics.md``.

    Attributes
    ----------
    name : unique in its network.
    weights : the matrix, m x n.
    bias : int32 [m], in accumulator units (input scale x weight scale).
    multiplier, shift : int32 / uint8 [m]; the output is ``acc * multiplier * 2**-shift``.
    relu : clamp negative outputs to zero.
    encoding : how its entries are stored by default.
    sources : layers whose outputs it reads, side by side in each pixel (concatenated by
        channels), ``INPUT`` for the network's input; empty for the layer before.
    weight_scale, output_scale : what one unit of a weight and of an output is worth as a float;
        for reports and comparison with the float network only, the array never sees them.
    """
    #: What of ``config.OPERATIONS`` it needs.
    operation: ClassVar[str] = "linear"

    name: str
    weights: SparseWeights
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    relu: bool = True
    encoding: str = "codebook"
    sources: tuple[str, ...] = ()
    weight_scale: float = 1.0
    output_scale: float = 1.0

    def __post_init__(self) -> None:
        m = self.weights.shape[0]
        for name, dtype, (low, high) in (
                ("bias", np.int32, int_range(BIAS_BITS)),
                ("multiplier", np.int32, (1, (1 << MULTIPLIER_BITS) - 1)),
                ("shift", np.uint8, (0, MAX_SHIFT))):
            array = frozen(getattr(self, name), dtype)
            if array.shape != (m,):
                raise InputError(f"layer {self.name!r}: {name} must have shape ({m},), "
                                 f"not {array.shape}")
            if array.min() < low or array.max() > high:
                raise InputError(f"layer {self.name!r}: {name} must be in {low} .. {high}, "
                                 f"not {array.min()} .. {array.max()}")
            object.__setattr__(self, name, array)
        if self.encoding not in ENCODINGS:
            raise InputError(f"layer {self.name!r}: encoding must be one of "
                             f"{', '.join(ENCODINGS)}, not {self.encoding!r}")
        if self.encoding != "csr" and self.weights.codebook is None:
            raise InputError(f"layer {self.name!r}: encoding {self.encoding} needs a codebook")

    @property
    def inputs(self) -> int:
        """Length of the input vector, n."""
        return self.weights.shape[1]

    @property
    def channels(self) -> int:
        """Rows of the matrix, m: outputs of each position."""
        return self.weights.shape[0]

    @property
    def positions(self) -> int:
        """How often the matrix is applied to an input, each time to other activations."""
        return 1

    @property
    def outputs(self) -> int:
        """Length of the output vector."""
        return self.positions * self.channels


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Linear):
    """A convolution: the matrix-vector layer at every position of a window.

    Its matrix has a column for each element (kernel row, kernel column, channel) of the kernel,
    in this order; inputs and outputs are maps, flat in (row, column, channel) order. A grouped
    convolution is one with zeros between the groups, which cost nothing.

    Attributes
    ----------
    window : where the kernel goes; ``window.columns`` is n.
    """
    operation: ClassVar[str] = "conv"

    window: Window

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights.shape[1] != self.window.columns:
            raise InputError(f"layer {self.name!r}: weights must have {self.window.columns} "
                             f"columns, one for each element of the kernel, "
                             f"not {self.weights.shape[1]}")

    @property
    def inputs(self) -> int:
        """Activations of the map it reads."""
        return self.window.inputs

    @property
    def positions(self) -> int:
        """Output positions of the window."""
        return self.window.positions
