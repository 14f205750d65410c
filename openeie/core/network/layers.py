# SPDX-License-Identifier: Apache-2.0
"""Layers with a matrix: matrix-vector products and convolutions.

Every class of layers answers the same questions (those of :class:`Product` without a docstring of
their own are explained there), so that compiler, proof and engines need not ask for its class.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..array.config import ENCODINGS
from ..errors import InputError, must_be_one_of
from ..numbers.fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range
from ..numbers.sparse import SparseWeights, frozen, spread_columns
from .address_walk import AddressWalk
from .layout import MapLayout
from .one_line import layer_line
from .window import Window

if TYPE_CHECKING:
    from .layout import Placement

__all__ = ["Weighted", "Windowed", "Product", "Linear", "Conv", "check_writeback"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Weighted:
    """Weights, and a writeback of its own for each output channel.

    Attributes
    ----------
    name : unique in its network.
    weights : a row for each output channel.
    bias : int32 [m], in accumulator units (input scale x weight scale).
    multiplier, shift : int32 / uint8 [m]; the output is ``acc * multiplier * 2**-shift``.
    relu : clamp negative outputs to zero.
    encoding : how its entries are stored by default.
    sources : layers whose outputs it reads, side by side in each pixel (concatenated by
        channels), ``INPUT`` for the network's input; empty for the layer before.
    weight_scale, output_scale : what one unit of a weight and of an output is worth as a float;
        for reports and comparison with the float network only, the array never sees them. Where
        rows have scales of their own, the coarsest; each row's follows from its multiplier and
        shift. A unit of an equalised channel is worth a power of two less (``docs/numerics.md``).
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
        """Rows of the matrix, m: outputs of each position."""
        return self.weights.shape[0]

    @property
    def weight_counts(self) -> tuple[int, int]:
        """How many weights are stored, those that are not 0, and how many the matrix has."""
        return self.weights.nnz, self.weights.shape[0] * self.weights.shape[1]

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """``bias``, ``multiplier`` and ``shift`` of each channel, int64 [m]."""
        return {name: getattr(self, name).astype(np.int64)
                for name in ("bias", "multiplier", "shift")}


def check_writeback(layer, m: int) -> None:
    """Make ``bias``, ``multiplier`` and ``shift`` of a layer with ``m`` channels read-only arrays
    of their types.

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
    """What a layer that follows a window over a map has in common with others of its kind."""
    window: Window

    @property
    def inputs(self) -> int:
        """Activations of the map it reads."""
        return self.window.inputs

    @property
    def positions(self) -> int:
        """Output positions of the window."""
        return self.window.positions

    @property
    def source_channels(self) -> int:
        """Channels of the map it reads."""
        return self.window.channels

    def walk(self, source: MapLayout, pes: int, maps: Sequence["Placement"]) -> AddressWalk:
        """How the scan reads it."""
        return AddressWalk.of_window(self.window, source.rows(pes), maps[0].origin, maps[0].stride)


class Product:
    """What a layer answers that multiplies all it reads, as one vector, with a matrix."""
    #: Which of :data:`openeie.core.array.config.OPERATIONS` an array must have.
    operation: ClassVar[str] = "linear"
    #: Every PE takes its own activations, and keeps the largest product instead of the sum.
    is_local: ClassVar[bool] = False
    maximum: ClassVar[bool] = False
    #: How often a position goes through the matrix's columns.
    repeats: ClassVar[int] = 1
    #: Several sources are read side by side, and not one after the other.
    concatenates: ClassVar[bool] = True
    if TYPE_CHECKING:       # what is there at run time is a field, or found when it is asked for
        name: str

        @property
        def weights(self) -> SparseWeights: ...

        @property
        def channels(self) -> int: ...

    def __repr__(self) -> str:
        return layer_line(self)

    @property
    def inputs(self) -> int:
        """Activations that it reads; of one source where it does not concatenate them."""
        return self.weights.shape[1]

    @property
    def positions(self) -> int:
        """How often the matrix is applied to an input, each time to other activations."""
        return 1

    @property
    def outputs(self) -> int:
        """Length of the output vector."""
        return self.positions * self.channels

    @property
    def source_channels(self) -> int | None:
        """Channels that what it reads must have; None: it reads any map as one vector."""
        return None

    def parts(self, source: MapLayout) -> tuple[int, ...]:
        """The parts of its output's layout, see :class:`MapLayout`."""
        return (self.channels,)

    def placed_columns(self, source: MapLayout, pes: int) -> np.ndarray:
        """Where an array of ``pes`` PEs has the matrix's columns, int64 [n]: as the activations
        lie in its memories."""
        pixel, channel = np.divmod(np.arange(self.weights.shape[1]), source.channels)
        return pixel * (source.rows(pes) * pes) + source.places(pes)[channel]

    def matrix(self, source: MapLayout, pes: int) -> SparseWeights:
        """The matrix as it is placed."""
        return spread_columns(self.weights, self.placed_columns(source, pes))

    def walk(self, source: MapLayout, pes: int, maps: Sequence["Placement"]) -> AddressWalk:
        """How the scan reads what lies at ``maps``.

        Raises
        ------
        InputError : no walk goes there.
        """
        rows = source.rows(pes)
        if source.pixels > 1 and maps[0].stride != rows:
            raise InputError(f"layer {self.name!r} is linear and reads a map that is part of a "
                             f"concatenation; make it a convolution with a kernel of the whole map")
        return AddressWalk.of_vector(source.pixels * rows, maps[0].origin)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Linear(Weighted, Product):
    """A matrix-vector layer: ``y = requantise(W x)``; see ``docs/numerics.md``.

    ``weights`` is the matrix, m x n.
    """
    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """The accumulators for activations x int64 [batch, inputs]: [batch, positions, m]."""
        return x[:, np.newaxis] @ self.weights.dense().T


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Conv(Windowed, Linear):
    """A convolution: the matrix-vector layer at every position of a window.

    Its matrix has a column for each element (kernel row, kernel column, channel) of the kernel,
    in this order; inputs and outputs are maps, flat in (row, column, channel) order. A grouped
    convolution is one with zeros between the groups, which cost nothing; where every channel is
    a group, :class:`openeie.core.network.channelwise.Depthwise` is much faster.

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

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """See :meth:`Linear.sums`."""
        return self.window.gather(x) @ self.weights.dense().T
