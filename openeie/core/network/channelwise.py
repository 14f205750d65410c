# SPDX-License-Identifier: Apache-2.0
"""Layers that work on every channel by itself, inside the PE where it lies.

Each PE takes its own activation of every row that the scan reads, zeros included, so that N
multiplications are done in a cycle. :class:`openeie.core.network.pool.Pool` is another one.
"""
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import InputError
from ..numbers.fixed import MAX_SHIFT, MULTIPLIER_BITS, int_range
from ..numbers.sparse import SparseWeights
from .address_walk import AddressWalk
from .layers import Weighted, Windowed
from .layout import MapLayout
from .one_line import layer_line
from .window import Window

if TYPE_CHECKING:
    from .layout import Placement

__all__ = ["Local", "Depthwise", "Add", "check_scale"]

_WEIGHT_BITS = 16           # of the widest array


class Local:
    """What such layers answer; see :class:`openeie.core.network.layers.Linear`.

    A position sees *places*, each of them a pixel: those of a kernel, or one of each map.

    Attributes
    ----------
    weights : [channels, places]; one column serves all places where ``repeats`` is not 1.
    """
    operation: ClassVar[str] = "pool"
    is_local: ClassVar[bool] = True
    if TYPE_CHECKING:       # what is there at run time is a field, or found when it is asked for
        @property
        def weights(self) -> SparseWeights: ...

    def __repr__(self) -> str:
        return layer_line(self)

    @property
    def weight_counts(self) -> tuple[int, int]:
        """See :class:`openeie.core.network.layers.Weighted`; a pool and a sum have no matrix."""
        return 0, 0

    @property
    def maximum(self) -> bool:
        """The largest product counts, not the sum."""
        return False

    @property
    def repeats(self) -> int:
        """How often a position goes through the columns."""
        return 1

    def parts(self, source: MapLayout) -> tuple[int, ...]:
        """Every channel stays where it is."""
        return source.parts

    def placed_columns(self, source: MapLayout, pes: int) -> np.ndarray:
        """A column for every row of a pixel, at every place: int64 [n]."""
        return np.arange(self.weights.shape[1] * source.rows(pes))

    def matrix(self, source: MapLayout, pes: int) -> SparseWeights:
        """What each PE multiplies its own activations with: in the column of a row, at most one
        entry for each PE, in the row of the channel that lies there."""
        weights, rows, places = self.weights, source.rows(pes), source.places(pes)
        n = weights.shape[1] * rows
        columns = weights.columns * rows + places[weights.rows] // pes
        return dataclasses.replace(
            weights, shape=(rows * pes, n), rows=places[weights.rows],
            indptr=np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n))]))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Depthwise(Windowed, Weighted, Local):
    """A convolution of each channel by itself, with one output for it (channel multiplier 1).

    ``weights`` [channels, kernel places]: a row for each channel, a column for each (kernel row,
    kernel column), in this order. ``SparseWeights.from_dense`` makes them of integers, in place;
    ``from_codes`` of slots of a codebook. A weight of 0 has no entry. Bias, scale, ReLU and
    encoding are a convolution's.

    Attributes
    ----------
    window : where the kernel goes.

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
        """Activations of its output."""
        return self.positions * self.channels

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """The accumulators for activations x int64 [batch, inputs]: [batch, positions, m]."""
        seen = self.window.gather(x).reshape(len(x), self.positions, -1, self.channels)
        return np.einsum("bpkc,ck->bpc", seen, self.weights.dense())


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Add(Local):
    """The sum of two maps of one layout, each with a weight of its own since their scales differ:
    ``y = requantise(factors[0] * a + factors[1] * b)``.

    Attributes
    ----------
    name : unique in its network.
    pixels, channels : of each map, and of the output; a vector has one pixel.
    factors : the weights, two integers of 16 bits.
    multiplier, shift : of every channel, as in a :class:`openeie.core.network.layers.Linear` layer.
    relu : clamp negative outputs to zero.
    sources : the two layers, or one and ``INPUT``.
    output_scale : what one unit of an output is worth as a float; for reports.

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
    encoding: ClassVar[str | None] = None           # two weights take any

    def __post_init__(self) -> None:
        low, high = int_range(_WEIGHT_BITS)
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
        """The two factors for each channel; a 0 has no entry."""
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
        """Activations of the output."""
        return self.inputs

    @property
    def source_channels(self) -> int:
        """Channels of each map."""
        return self.channels

    def writeback(self, act_width: int) -> dict[str, np.ndarray]:
        """See :class:`openeie.core.network.layers.Weighted`."""
        return {"bias": np.zeros(self.channels, np.int64),
                "multiplier": np.full(self.channels, self.multiplier),
                "shift": np.full(self.channels, self.shift)}

    def walk(self, source: MapLayout, pes: int, maps: Sequence["Placement"]) -> AddressWalk:
        """At every position, a pixel of the one map and that of the other.

        Raises
        ------
        InputError : the maps' pixels are not the same distance apart.
        """
        one, other = maps
        if one.stride != other.stride:
            raise InputError(
                f"layer {self.name!r} adds {' and '.join(map(repr, self.sources))}, whose pixels "
                f"lie {one.stride} and {other.stride} rows apart, since one is part of a "
                f"concatenation; add a copy of it, which a pool of 1 x 1 makes")
        return AddressWalk.of_pair(self.pixels, source.rows(pes), one.origin, other.origin,
                                   one.stride)

    def sums(self, x: np.ndarray, act_width: int) -> np.ndarray:
        """The accumulators for x int64 [batch, 2 x inputs], one map after the other."""
        maps = x.reshape(len(x), 2, self.pixels, self.channels)
        return self.factors[0] * maps[:, 0] + self.factors[1] * maps[:, 1]


def check_scale(name: str, multiplier: int, shift: int) -> None:
    """Refuse a layer whose one multiplier or shift is out of range."""
    if not 1 <= multiplier < 1 << MULTIPLIER_BITS or not 0 <= shift <= MAX_SHIFT:
        raise InputError(f"layer {name!r}: multiplier must be in 1 .. "
                         f"{(1 << MULTIPLIER_BITS) - 1} and shift in 0 .. {MAX_SHIFT}, "
                         f"not {multiplier} and {shift}")
