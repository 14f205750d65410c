# SPDX-License-Identifier: Apache-2.0
"""Layers of binary networks: weights of one bit and, in one of the modes, inputs of one bit.

Rastegari et al., "XNOR-Net: ImageNet Classification Using Binary Convolutional Neural Networks",
ECCV 2016. ``docs/binary.md`` explains the arithmetic. Only the engine golden runs these layers; no
array has an operation for them yet.
"""
import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..numbers.signs import SignMatrix, pack_signs, sign_products
from ..numbers.sparse import SparseWeights
from .layers import Product, Windowed, check_writeback
from .window import Window

__all__ = ["MODES", "MAX_XNOR_COLUMNS", "SignLinear", "SignConv"]

#: ``bwn``: the weights' signs times the activations (section 3.1 of the paper). ``xnor``: the
#: weights' signs times the activations' signs, scaled by the activations' mean magnitude
#: (section 3.2).
MODES = ("bwn", "xnor")
#: Most columns of an xnor layer: its sums stay below columns**2 * 2**15, and must fit 48 bits.
MAX_XNOR_COLUMNS = 1 << 16


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SignLinear(Product):
    """A matrix-vector layer with weights alpha[i] * (+1 or -1).

    For row i of signs s, on activations x::

        acc[i] = sum over j of s[i,j] * x[j]                                   bwn
        acc[i] = sum over j of s[i,j] * sign(x[j])  *  sum over j of |x[j]|    xnor

    with sign(0) = +1. The writeback is that of all layers: ``multiplier`` and ``shift`` contain
    alpha and, for xnor, the 1 / n of the mean of |x|.

    Attributes
    ----------
    name : unique in its network.
    signs : the weights' signs, m x n.
    mode : one of :data:`MODES`.
    bias, multiplier, shift, relu, sources, output_scale : as in
        :class:`openeie.core.network.layers.Weighted`.

    Raises
    ------
    InputError : an unknown mode, a value out of range, or an xnor layer with too many columns.
    """
    #: No array has this operation yet.
    operation: ClassVar[str] = "binary"
    encoding: ClassVar[str | None] = None           # always one bit per weight

    name: str
    signs: SignMatrix
    mode: str
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    relu: bool = True
    sources: tuple[str, ...] = ()
    output_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"layer {self.name!r}: mode must be {' or '.join(MODES)}, "
                             f"not {self.mode!r}")
        check_writeback(self, self.signs.shape[0])
        if self.is_xnor and self.signs.shape[1] > MAX_XNOR_COLUMNS:
            raise InputError(f"layer {self.name!r}: an xnor layer must have at most "
                             f"{MAX_XNOR_COLUMNS:,} columns, not {self.signs.shape[1]:,}")

    @property
    def is_xnor(self) -> bool:
        """Whether the inputs are binary, too."""
        return self.mode == "xnor"

    @cached_property
    def weights(self) -> SparseWeights:
        """The signs as the matrix of another layer, with the codebook 0, 1, -1."""
        codes = np.where(self.signs.dense() > 0, 1, 2)
        return SparseWeights.from_codes(codes, np.array([0, 1, -1]))

    @property
    def weight_counts(self) -> tuple[int, int]:
        """See :class:`openeie.core.network.layers.Weighted`; every sign is stored."""
        return (self.signs.shape[0] * self.signs.shape[1],) * 2

    @property
    def inputs(self) -> int:
        """See :class:`openeie.core.network.layers.Product`."""
        return self.signs.shape[1]

    @property
    def channels(self) -> int:
        """Rows of the matrix, m."""
        return self.signs.shape[0]

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """``bias``, ``multiplier`` and ``shift`` of each channel, int64 [m]."""
        return {name: getattr(self, name).astype(np.int64)
                for name in ("bias", "multiplier", "shift")}

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """Accumulators int64 [batch, positions, m] for activations x int64 [batch, inputs]."""
        if not self.is_xnor:
            return self._gather(x) @ self.signs.dense().T
        signs = self._gather(x >= 0)
        is_input = self._gather(np.ones((1, x.shape[1]), bool))     # and not padding
        products = sign_products(self.signs.words, pack_signs(signs), pack_signs(is_input))
        return products * self._magnitudes(np.abs(x))[:, :, np.newaxis]

    def bounds(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest sum, int64 [m] each, for activations in ``low`` .. ``high``, a range
        that includes 0. Partial sums stay inside in every order of summation."""
        n = self.signs.shape[1]
        if self.is_xnor:
            most = np.full(self.channels, n * n * max(-low, high), np.int64)
            return -most, most
        plus = np.bitwise_count(self.signs.bits).sum(axis=1, dtype=np.int64)
        minus = n - plus
        return plus * low - minus * high, plus * high - minus * low

    def _gather(self, x: np.ndarray) -> np.ndarray:
        """The elements of x [batch, inputs] that each position reads, [batch, positions, n]; 0 or
        False for padding."""
        return x[:, np.newaxis]

    def _magnitudes(self, magnitude: np.ndarray) -> np.ndarray:
        """Sum of |x| over the elements that each position reads, [batch, positions]."""
        return magnitude.sum(axis=1, keepdims=True)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SignConv(Windowed, SignLinear):
    """A convolution with binary weights: the same :class:`SignLinear` layer at every position of a
    window, with columns in (kernel row, kernel column, channel) order.

    Padding contributes nothing: padded positions are excluded both from the sign product and from
    the sum of magnitudes. Divided by n, that sum over the window is the paper's K.

    Attributes
    ----------
    window : where the kernel is applied; ``window.columns`` is n.

    Raises
    ------
    InputError : signs with another number of columns.
    """
    window: Window

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.signs.shape[1] != self.window.columns:
            raise InputError(f"layer {self.name!r}: signs must have {self.window.columns} "
                             f"columns, one for each element of the kernel, "
                             f"not {self.signs.shape[1]}")

    def _gather(self, x: np.ndarray) -> np.ndarray:
        return self.window.gather(x)

    def _magnitudes(self, magnitude: np.ndarray) -> np.ndarray:
        pixels = magnitude.reshape(len(magnitude), -1, self.window.channels).sum(axis=2)
        window = dataclasses.replace(self.window, channels=1)
        return window.gather(pixels).sum(axis=2)
