# SPDX-License-Identifier: Apache-2.0
"""Channel-wise layers: each channel is computed by itself, inside the PE where it lies.

Every PE reads its own activation of each row that the scan visits, zeros included, so N PEs do N
multiplications per cycle. :class:`openeie.core.network.pool.Pool` is another channel-wise layer.
"""
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..numbers.fixed import MAX_SHIFT, MULTIPLIER_BITS, int_range
from ..numbers.sparse import SparseWeights
from .address_walk import AddressWalk
from .layers import Weighted, Windowed
from .layout import MapLayout, Placement
from .one_line import layer_line
from .window import Window

__all__ = ["Local", "Depthwise", "Add", "check_scale"]

_FACTOR_BITS = 16           # the widest weight of any array


class Local:
    """What all channel-wise layers have in common; see :class:`openeie.core.network.layers.Product`
    for the meaning of each member.

    A position reads several pixels, its *places*: those under a kernel, or one of each map. The
    matrix ``weights`` is [channels, places]; if ``repeats`` is not 1, its one column serves all
    places.
    """
    operation: ClassVar[str] = "pool"
    is_local: ClassVar[bool] = True

    @cached_property
    def weights(self) -> SparseWeights:
        """See :attr:`openeie.core.network.layers.Product.weights`."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return layer_line(self)

    @property
    def weight_counts(self) -> tuple[int, int]:
        """See :class:`openeie.core.network.layers.Weighted`; a pool and a sum have no matrix."""
        return 0, 0

    @property
    def maximum(self) -> bool:
        """Whether the accumulators keep the largest product instead of the sum."""
        return False

    @property
    def repeats(self) -> int:
        """How often each position goes through the columns."""
        return 1

    def parts(self, source: MapLayout) -> tuple[int, ...]:
        """The source's own parts: every channel stays where it is."""
        return source.parts

    def placed_columns(self, source: MapLayout, pes: int) -> np.ndarray:
        """A column for every row of a pixel, at every place: int64 [n]."""
        return np.arange(self.weights.shape[1] * source.rows(pes))

    def matrix(self, source: MapLayout, pes: int) -> SparseWeights:
        """The weights by which each PE multiplies its own activations.

        The column of a row has at most one entry per PE, in the row of the channel that lies there.
        """
        weights = self.weights
        rows = source.rows(pes)
        place_of = source.places(pes)[weights.rows]
        n = weights.shape[1] * rows
        columns = weights.columns * rows + place_of // pes
        indptr = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n))])
        return dataclasses.replace(weights, shape=(rows * pes, n), rows=place_of, indptr=indptr)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Depthwise(Windowed, Weighted, Local):
    """A depthwise convolution: each channel by itself, one output for each (channel multiplier 1).

    ``weights`` is [channels, kernel places]: a row for each channel and a column for each
    (kernel row, kernel column), in this order. Make it with ``SparseWeights.from_dense`` from
    integers, or with ``SparseWeights.from_codes`` from codebook slots. A weight of 0 has no entry.
    Bias, scale, ReLU and encoding are as for a convolution.

    Attributes
    ----------
    window : where the kernel is applied.

    Raises
    ------
    InputError : weights of another shape.
    """
    window: Window
    concatenates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = (self.window.channels, self.window.kernel[0] * self.window.kernel[1])
        if self.weights.shape != shape:
            raise InputError(f"layer {self.name!r}: weights must have shape {shape}, a row for "
                             f"each channel and a column for each place of the kernel, "
                             f"not {self.weights.shape}")

    @property
    def outputs(self) -> int:
        """Activations that it writes for each input."""
        return self.positions * self.channels

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """Accumulators int64 [batch, positions, m] for activations x int64 [batch, inputs]."""
        seen = self.window.gather(x).reshape(len(x), self.positions, -1, self.channels)
        return np.einsum("bpkc,ck->bpc", seen, self.weights.dense())


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Add(Local):
    """The sum of two maps a and b of the same layout, each with a factor of its own because their
    scales differ: ``y = requantise(factors[0] * a + factors[1] * b)``.

    Attributes
    ----------
    name : unique in its network.
    pixels, channels : of each map, and of the output; a vector has one pixel.
    factors : two integers of 16 bits.
    multiplier, shift : for all channels; otherwise as in
        :class:`openeie.core.network.layers.Weighted`.
    relu : whether negative outputs become 0.
    sources : names of the two layers that it adds; one may be ``INPUT``.
    output_scale : real value of one unit of an output, for reports.

    Raises
    ------
    InputError : a value out of range.
    """
    name: str
    pixels: int
    channels: int
    factors: tuple[int, int]
    multiplier: int = 1
    shift: int = 0
    relu: bool = False
    sources: tuple[str, ...]
    output_scale: float = 1.0
    concatenates: ClassVar[bool] = False
    encoding: ClassVar[str | None] = None           # the factors fit any encoding

    def __post_init__(self) -> None:
        low, high = int_range(_FACTOR_BITS)
        if len(self.sources) != 2:
            raise InputError(f"layer {self.name!r}: sources must be two, not {self.sources!r}")
        if self.pixels < 1 or self.channels < 1:
            raise InputError(f"layer {self.name!r}: pixels and channels must be positive, "
                             f"not {self.pixels} and {self.channels}")
        if len(self.factors) != 2 or not all(low <= factor <= high for factor in self.factors):
            raise InputError(f"layer {self.name!r}: factors must be two integers in {low} .. "
                             f"{high}, not {self.factors!r}")
        check_scale(self.name, self.multiplier, self.shift)

    @cached_property
    def weights(self) -> SparseWeights:
        """The two factors for each channel; a factor 0 has no entry."""
        codebook = np.array([0, *sorted({*self.factors} - {0})])
        codes = [int(np.flatnonzero(codebook == factor)[0]) for factor in self.factors]
        return SparseWeights.from_codes(np.tile(codes, (self.channels, 1)), codebook)

    @property
    def inputs(self) -> int:
        """Activations of each map."""
        return self.pixels * self.channels

    @property
    def positions(self) -> int:
        """Pixels of the output."""
        return self.pixels

    @property
    def outputs(self) -> int:
        """Activations written; equal to ``inputs``, the size of each map."""
        return self.inputs

    @property
    def source_channels(self) -> int:
        """Channels of each map."""
        return self.channels

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """``bias``, ``multiplier`` and ``shift`` of each channel, int64 [channels]."""
        return {"bias": np.zeros(self.channels, np.int64),
                "multiplier": np.full(self.channels, self.multiplier),
                "shift": np.full(self.channels, self.shift)}

    def walk(self, source: MapLayout, pes: int, maps: Sequence[Placement]) -> AddressWalk:
        """The order in which the scan reads the maps: at each position a pixel of one, then the
        same pixel of the other.

        Raises
        ------
        InputError : the pixels of the two maps are not the same distance apart.
        """
        one, other = maps
        if one.stride != other.stride:
            raise InputError(
                f"layer {self.name!r} adds {' and '.join(map(repr, self.sources))}, whose pixels "
                f"lie {one.stride} and {other.stride} rows apart, since one is part of a "
                f"concatenation; add a copy of it instead, made by a pool of 1 x 1")
        return AddressWalk.of_pair(self.pixels, source.rows(pes), one.origin, other.origin,
                                   one.stride)

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """Accumulators int64 [batch, pixels, channels] for x int64 [batch, 2 x inputs], one map
        after the other."""
        maps = x.reshape(len(x), 2, self.pixels, self.channels)
        return self.factors[0] * maps[:, 0] + self.factors[1] * maps[:, 1]


def check_scale(name: str, multiplier: int, shift: int) -> None:
    """Refuse a layer's multiplier or shift, common to all its channels, that is out of range.

    Raises
    ------
    InputError : names the layer and both values.
    """
    if not 1 <= multiplier < 1 << MULTIPLIER_BITS or not 0 <= shift <= MAX_SHIFT:
        raise InputError(f"layer {name!r}: multiplier must be in 1 .. "
                         f"{(1 << MULTIPLIER_BITS) - 1} and shift in 0 .. {MAX_SHIFT}, "
                         f"not {multiplier} and {shift}")
