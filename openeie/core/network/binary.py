# SPDX-License-Identifier: Apache-2.0
"""Layers of binary networks: weights of one bit, and perhaps inputs of one bit.

Rastegari et al., "XNOR-Net: ImageNet Classification Using Binary Convolutional Neural Networks",
ECCV 2016. ``docs/binary.md`` has the arithmetic. The engine golden runs them; no array does yet.
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

#: ``bwn``: signs times the activations as they are (section 3.1 of the paper). ``xnor``: signs
#: times the activations' signs, scaled by their mean magnitude (section 3.2).
MODES = ("bwn", "xnor")
#: Columns of an xnor layer: its sums are below columns**2 * 2**15, and must fit 48 bits.
MAX_XNOR_COLUMNS = 1 << 16


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SignLinear(Product):
    """A matrix-vector layer with weights alpha[i] * (+1 or -1).

    For row i of signs s, on activations x::

        acc[i] = sum over j of s[i,j] * x[j]                                   bwn
        acc[i] = sum over j of s[i,j] * sign(x[j])  *  sum over j of |x[j]|    xnor

    with sign(0) = +1. The writeback is every layer's: alpha, and the 1 / n of the mean of |x|, are
    in ``multiplier`` and ``shift``.

    Attributes
    ----------
    name : unique in its network.
    signs : the weights' signs, m x n.
    mode : one of :data:`MODES`.
    bias, multiplier, shift, relu, sources, output_scale : as in
        :class:`openeie.core.network.layers.Weighted`.

    Raises
    ------
    InputError : a value out of range, or an xnor layer with too many columns.
    """
    #: Among no array's operations yet.
    operation: ClassVar[str] = "binary"
    encoding: ClassVar[str | None] = None           # a bit a weight, whatever the others have

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
        """The inputs are binary, too."""
        return self.mode == "xnor"

    @cached_property
    def weights(self) -> SparseWeights:
        """The signs as a matrix like another layer's, of a codebook with 1 and -1."""
        return SparseWeights.from_codes(np.where(self.signs.dense() > 0, 1, 2),
                                        np.array([0, 1, -1]))

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
        """See :class:`openeie.core.network.layers.Weighted`."""
        return {name: getattr(self, name).astype(np.int64)
                for name in ("bias", "multiplier", "shift")}

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """The accumulators for activations x int64 [batch, inputs]: [batch, positions, m]."""
        if not self.is_xnor:
            return self._gather(x) @ self.signs.dense().T
        products = sign_products(self.signs.words, pack_signs(self._gather(x >= 0)),
                                 pack_signs(self._gather(np.ones((1, x.shape[1]), bool))))
        return products * self._magnitudes(np.abs(x))[:, :, np.newaxis]

    def bounds(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest sum, int64 [m], of activations in ``low`` .. ``high``, which enclose
        0; every order of summation stays inside."""
        n = self.signs.shape[1]
        if self.is_xnor:
            most = np.full(self.channels, n * n * max(-low, high), np.int64)
            return -most, most
        plus = np.bitwise_count(self.signs.bits).sum(axis=1, dtype=np.int64)
        minus = n - plus
        return plus * low - minus * high, plus * high - minus * low

    def _gather(self, x: np.ndarray) -> np.ndarray:
        """What each position sees of x [batch, inputs], 0 or false beside a map:
        [batch, positions, n]."""
        return x[:, np.newaxis]

    def _magnitudes(self, magnitude: np.ndarray) -> np.ndarray:
        """The sum of |x| over what each position sees, [batch, positions]."""
        return magnitude.sum(axis=1, keepdims=True)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SignConv(Windowed, SignLinear):
    """A convolution with binary weights: the :class:`SignLinear` layer at every position of a
    window, columns in (kernel row, kernel column, channel) order.

    What lies beside the map counts nothing: neither to the product of signs, so that a padded
    place is no third kind of sign but none at all, nor to the sum of magnitudes. That sum over
    the window is the paper's K, but for its divisor.

    Attributes
    ----------
    window : where the kernel goes; ``window.columns`` is n.
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
        window = self.window
        pixels = magnitude.reshape(len(magnitude), -1, window.channels).sum(axis=2)
        return dataclasses.replace(window, channels=1).gather(pixels).sum(axis=2)
