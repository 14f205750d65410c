# SPDX-License-Identifier: Apache-2.0
"""Layers with a matrix: matrix-vector products and convolutions.

All classes of layers have the same methods and properties, so that compiler, proofs and engines
need not ask for a layer's class. :class:`Product` documents them.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..array.config import ENCODINGS
from ..errors import InputError, must_be_one_of
from ..numbers.fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range
from ..numbers.sparse import SparseWeights, frozen, spread_columns
from .address_walk import AddressWalk
from .layout import MapLayout, Placement
from .one_line import layer_line
from .window import Window

__all__ = ["Weighted", "Windowed", "Product", "Linear", "Conv", "check_writeback"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Weighted:
    """A layer with weights, and with its own writeback parameters for each output channel.

    Attributes
    ----------
    name : unique in its network.
    weights : one row for each of the m output channels.
    bias : int32 [m], in units of the accumulator (input scale x weight scale).
    multiplier, shift : int32 [m] and uint8 [m]; the output is ``acc * multiplier * 2**-shift``.
    relu : whether negative outputs become 0.
    encoding : how its entries are stored, unless the compiler is told otherwise.
    sources : names of the layers that it reads, or ``INPUT`` for the network's input; several
        sources are concatenated along the channels. Empty: the layer before.
    weight_scale, output_scale : real value of one unit of a weight and of an output. They serve
        reports and the comparison with the float network; the array never sees them. If rows have
        scales of their own, this is the coarsest; each row's follows from its multiplier and shift.
        A unit of an equalised channel is worth a power of two less (``docs/numerics.md``).

    Raises
    ------
    InputError : parameters of a wrong shape or out of range, an unknown encoding, or one that needs
        a codebook where there is none.
    """
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
        check_writeback(self, self.weights.shape[0])
        if self.encoding not in ENCODINGS:
            raise InputError(f"layer {self.name!r}: encoding "
                             + must_be_one_of(self.encoding, ENCODINGS))
        if self.encoding != "csr" and self.weights.codebook is None:
            raise InputError(f"layer {self.name!r}: encoding {self.encoding} needs a codebook")

    @property
    def channels(self) -> int:
        """Output channels, m: outputs of each position."""
        return self.weights.shape[0]

    @property
    def weight_counts(self) -> tuple[int, int]:
        """How many weights are stored, those that are not 0, and how many the matrix has."""
        return self.weights.nnz, self.weights.shape[0] * self.weights.shape[1]

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """``bias``, ``multiplier`` and ``shift`` of each channel, int64 [m]."""
        return {name: getattr(self, name).astype(np.int64)
                for name in ("bias", "multiplier", "shift")}


def check_writeback(layer: Any, m: int) -> None:
    """Turn ``bias``, ``multiplier`` and ``shift`` of a layer with ``m`` channels into read-only
    arrays of int32, int32 and uint8.

    Raises
    ------
    InputError : one of them has another shape, or values out of range.
    """
    for name, dtype, (low, high) in (
            ("bias", np.int32, int_range(BIAS_BITS)),
            ("multiplier", np.int32, (1, (1 << MULTIPLIER_BITS) - 1)),
            ("shift", np.uint8, (0, MAX_SHIFT))):
        array = frozen(getattr(layer, name), dtype)
        if array.shape != (m,):
            raise InputError(f"layer {layer.name!r}: {name} must have shape ({m},), "
                             f"not {array.shape}")
        if array.min() < low or array.max() > high:
            raise InputError(f"layer {layer.name!r}: {name} must be in {low} .. {high}, "
                             f"not {array.min()} .. {array.max()}")
        object.__setattr__(layer, name, array)


class Windowed:
    """What all layers have in common whose kernel moves over a map."""
    window: Window

    @property
    def inputs(self) -> int:
        """Activations of the map that it reads."""
        return self.window.inputs

    @property
    def positions(self) -> int:
        """Output positions of the window."""
        return self.window.positions

    @property
    def source_channels(self) -> int:
        """Channels of the map that it reads."""
        return self.window.channels

    def walk(self, source: MapLayout, pes: int, maps: Sequence[Placement]) -> AddressWalk:
        """The order in which the scan reads the map at ``maps[0]``."""
        return AddressWalk.of_window(self.window, source.rows(pes), maps[0].origin, maps[0].stride)


class Product:
    """A layer that computes one matrix-vector product: everything it reads is one input vector."""
    #: Which of :data:`openeie.core.array.config.OPERATIONS` an array must have to run it.
    operation: ClassVar[str] = "linear"
    #: Whether the layer is channel-wise: every PE reads its own activations.
    is_local: ClassVar[bool] = False
    #: Whether the accumulators keep the largest product instead of the sum.
    maximum: ClassVar[bool] = False
    #: How often each position goes through the matrix's columns.
    repeats: ClassVar[int] = 1
    #: Whether several sources are concatenated along the channels; otherwise each is read whole,
    #: one after another.
    concatenates: ClassVar[bool] = True
    name: str

    @cached_property
    def weights(self) -> SparseWeights:
        """The matrix, one row for each output channel.

        A class that derives from this one computes it or has a field of this name. A plain property
        would forbid the field.
        """
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """Output channels, m: outputs of each position."""
        return self.weights.shape[0]

    def __repr__(self) -> str:
        return layer_line(self)

    @property
    def inputs(self) -> int:
        """Activations that it reads; of each source, unless it concatenates them."""
        return self.weights.shape[1]

    @property
    def positions(self) -> int:
        """How often the matrix is applied to an input, each time to different activations."""
        return 1

    @property
    def outputs(self) -> int:
        """Activations that it writes for each input."""
        return self.positions * self.channels

    @property
    def source_channels(self) -> int | None:
        """Channels that its source must have; None if it reads any map as one vector."""
        return None

    def parts(self, source: MapLayout) -> tuple[int, ...]:
        """The ``parts`` of its output's :class:`MapLayout`, for a source of layout ``source``."""
        return (self.channels,)

    def placed_columns(self, source: MapLayout, pes: int) -> np.ndarray:
        """Column numbers of the matrix in an array of ``pes`` PEs, int64 [n]: where the activations
        lie in its memories."""
        pixel, channel = np.divmod(np.arange(self.weights.shape[1]), source.channels)
        return pixel * (source.rows(pes) * pes) + source.places(pes)[channel]

    def matrix(self, source: MapLayout, pes: int) -> SparseWeights:
        """The matrix with its columns at :meth:`placed_columns`."""
        return spread_columns(self.weights, self.placed_columns(source, pes))

    def walk(self, source: MapLayout, pes: int, maps: Sequence[Placement]) -> AddressWalk:
        """The order in which the scan reads the sources, which lie at ``maps``.

        Raises
        ------
        InputError : the pixels of a source are not consecutive.
        """
        rows = source.rows(pes)
        if source.pixels > 1 and maps[0].stride != rows:
            raise InputError(f"layer {self.name!r} is linear and reads a map that is part of a "
                             f"concatenation; make it a convolution with a kernel of the whole map")
        return AddressWalk.of_vector(source.pixels * rows, maps[0].origin)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Linear(Weighted, Product):
    """A matrix-vector layer: ``y = requantise(W x)``; see ``docs/numerics.md``.

    ``weights`` is the matrix W, m x n.
    """
    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """Accumulators int64 [batch, positions, m] for activations x int64 [batch, inputs]."""
        return x[:, np.newaxis] @ self.weights.dense().T


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Conv(Windowed, Linear):
    """A convolution: the same matrix-vector product at every position of a window.

    The matrix has a column for each element (kernel row, kernel column, channel) of the kernel, in
    this order. Inputs and outputs are maps, flattened in (row, column, channel) order. A grouped
    convolution has zeros between its groups, which cost nothing. If every channel is a group of its
    own, :class:`openeie.core.network.channelwise.Depthwise` is much faster.

    Attributes
    ----------
    window : where the kernel is applied; ``window.columns`` is n.

    Raises
    ------
    InputError : weights with another number of columns.
    """
    operation: ClassVar[str] = "conv"

    window: Window

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights.shape[1] != self.window.columns:
            raise InputError(f"layer {self.name!r}: weights must have {self.window.columns} "
                             f"columns, one for each element of the kernel, "
                             f"not {self.weights.shape[1]}")

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """See :meth:`Linear.sums`."""
        return self.window.gather(x) @ self.weights.dense().T
