# SPDX-License-Identifier: Apache-2.0
"""The network as the array sees it: integer layers, independent of any configuration."""
from dataclasses import dataclass, field

import numpy as np

from .config import ENCODINGS
from .errors import InputError
from .fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range

__all__ = ["SparseWeights", "Linear", "Network"]


def _frozen(array, dtype) -> np.ndarray:
    """A read-only copy in a fixed integer type; refuses values that the type would change."""
    source = np.asarray(array)
    if source.size and source.dtype.kind not in "iub":
        raise InputError(f"expected integers, not an array of {source.dtype}")
    result = np.ascontiguousarray(source, dtype=dtype).copy()
    if source.size and not np.array_equal(result, source):
        raise InputError(f"values do not fit {np.dtype(dtype).name}: "
                         f"{source.min()} .. {source.max()}")
    result.setflags(write=False)
    return result


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseWeights:
    """Weights of one layer by column (CSC): what a non-zero activation has to touch.

    Attributes
    ----------
    shape : (rows m, columns n) = (outputs, inputs).
    indptr : int64 [n + 1]; column j is ``indptr[j]:indptr[j + 1]``.
    rows : int32 [nnz], strictly increasing inside a column.
    codebook : int16 [K], slot 0 is 0 (EIE's filler needs it); None where weights stand in place.
    codes : uint16 [nnz], codebook slots ``1 .. K - 1``; None where weights stand in place.
    values : int16 [nnz], the weights themselves, ``codebook[codes]`` where there is a codebook.
    """
    shape: tuple[int, int]
    indptr: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None

    def __post_init__(self) -> None:
        def put(name, value):
            object.__setattr__(self, name, value)
        put("shape", (int(self.shape[0]), int(self.shape[1])))
        put("indptr", _frozen(self.indptr, np.int64))
        put("rows", _frozen(self.rows, np.int32))
        put("values", _frozen(self.values, np.int16))
        if (self.codes is None) != (self.codebook is None):
            raise InputError("codes and codebook must be given together")
        if self.codes is not None:
            put("codes", _frozen(self.codes, np.uint16))
            put("codebook", _frozen(self.codebook, np.int16))
        self._check()

    def _check(self) -> None:
        m, n = self.shape
        if m < 1 or n < 1:
            raise InputError(f"shape must be at least 1 x 1, not {m} x {n}")
        if self.indptr.shape != (n + 1,) or self.indptr[0] != 0 \
                or self.indptr[-1] != len(self.rows) or np.any(np.diff(self.indptr) < 0):
            raise InputError(f"indptr must rise from 0 to {len(self.rows)} in {n + 1} steps")
        if len(self.values) != len(self.rows):
            raise InputError(f"values must have {len(self.rows)} elements, "
                             f"not {len(self.values)}")
        if len(self.rows) and not (self.rows.min() >= 0 and self.rows.max() < m):
            raise InputError(f"rows must be in 0 .. {m - 1}, "
                             f"not {self.rows.min()} .. {self.rows.max()}")
        position = np.repeat(np.arange(n, dtype=np.int64), np.diff(self.indptr)) * m + self.rows
        if np.any(np.diff(position) <= 0):
            raise InputError("rows must be strictly increasing inside each column")
        if self.codebook is None:
            if not self.values.all():
                raise InputError("values must not hold zeros: a weight of 0 is not stored")
            return
        if not 1 <= len(self.codebook) <= 256 or self.codebook[0] != 0:
            raise InputError("codebook must have 1 .. 256 slots, slot 0 holding 0")
        if len(self.codes) != len(self.rows) or (len(self.codes) and not (
                self.codes.min() >= 1 and self.codes.max() < len(self.codebook))):
            raise InputError(f"codes must be {len(self.rows)} slots in "
                             f"1 .. {len(self.codebook) - 1}")
        if not np.array_equal(self.codebook[self.codes], self.values):
            raise InputError("values must equal codebook[codes]")

    @classmethod
    def from_codes(cls, codes: np.ndarray, codebook: np.ndarray) -> "SparseWeights":
        """From a dense matrix [m, n] of codebook slots; slot 0 means "no weight"."""
        codes = np.asarray(codes)
        columns, rows = np.nonzero(codes.T)
        kept = codes[rows, columns]
        return cls(shape=codes.shape, indptr=_indptr(columns, codes.shape[1]), rows=rows,
                   codes=kept, codebook=codebook,
                   values=np.asarray(codebook)[kept.astype(np.int64)])

    @classmethod
    def from_dense(cls, weights: np.ndarray) -> "SparseWeights":
        """From a dense integer matrix [m, n]; weights stand in place, zeros are not stored."""
        weights = np.asarray(weights)
        columns, rows = np.nonzero(weights.T)
        return cls(shape=weights.shape, indptr=_indptr(columns, weights.shape[1]), rows=rows,
                   values=weights[rows, columns])

    @property
    def nnz(self) -> int:
        """Stored weights."""
        return len(self.rows)

    @property
    def columns(self) -> np.ndarray:
        """int64 [nnz]: the column of each stored weight."""
        return np.repeat(np.arange(self.shape[1], dtype=np.int64), np.diff(self.indptr))

    def dense(self) -> np.ndarray:
        """int64 [m, n]."""
        result = np.zeros(self.shape, np.int64)
        result[self.rows, self.columns] = self.values
        return result


def _indptr(columns: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n))])


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
    weight_scale, output_scale : what one unit of a weight and of an output is worth as a float;
        for reports and comparison with the float network only, the array never sees them.
    """
    name: str
    weights: SparseWeights
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    relu: bool = True
    encoding: str = "codebook"
    weight_scale: float = 1.0
    output_scale: float = 1.0

    def __post_init__(self) -> None:
        m = self.weights.shape[0]
        for name, dtype, (low, high) in (
                ("bias", np.int32, int_range(BIAS_BITS)),
                ("multiplier", np.int32, (1, (1 << MULTIPLIER_BITS) - 1)),
                ("shift", np.uint8, (0, MAX_SHIFT))):
            array = _frozen(getattr(self, name), dtype)
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
    def outputs(self) -> int:
        """Length of the output vector, m."""
        return self.weights.shape[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers in the order they run, each reading what the one before it wrote.

    Attributes
    ----------
    name : what it is called in tables and files.
    layers : at least one; sizes must chain.
    act_width : bits of a signed activation everywhere in this network, 8 or 16.
    input_range : smallest and largest input activation that will ever be given; the proof that
        no accumulator overflows starts from it, and inputs outside it are refused.
    input_scale : what one unit of an input is worth as a float.
    provenance : how it was made (tool versions, seed, float accuracy); plain JSON values.
    """
    name: str
    layers: tuple[Linear, ...]
    act_width: int = 16
    input_range: tuple[int, int] | None = None
    input_scale: float = 1.0
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError(f"network {self.name!r} has no layers")
        if self.act_width not in (8, 16):
            raise InputError(f"act_width must be 8 or 16, not {self.act_width!r}")
        if len({layer.name for layer in self.layers}) != len(self.layers):
            raise InputError(f"network {self.name!r}: layer names must differ")
        for before, after in zip(self.layers, self.layers[1:]):
            if before.outputs != after.inputs:
                raise InputError(f"layer {after.name!r} takes {after.inputs} inputs, but "
                                 f"{before.name!r} gives {before.outputs}")
        low, high = int_range(self.act_width)
        if self.input_range is None:
            object.__setattr__(self, "input_range", (low, high))
        first, last = self.input_range
        if not low <= first <= last <= high:
            raise InputError(f"input_range must lie in {low} .. {high}, not {first} .. {last}")
        object.__setattr__(self, "input_range", (int(first), int(last)))

    @property
    def inputs(self) -> int:
        """Length of the input vector."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Length of the output vector."""
        return self.layers[-1].outputs

    def check_inputs(self, x) -> np.ndarray:
        """Inputs [batch, n] as int64, or an :class:`InputError` naming the first bad element."""
        x = np.asarray(x)
        if x.ndim == 1:
            x = x[np.newaxis]
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise InputError(f"network {self.name!r} takes inputs of shape "
                             f"[batch, {self.inputs}], not {list(x.shape)}")
        if x.dtype.kind == "f":
            bad = np.argwhere(~np.isfinite(x) | (x != np.round(np.nan_to_num(x))))
            if len(bad):
                i, j = bad[0]
                raise InputError(f"input [{i}, {j}] must be an integer activation, "
                                 f"not {x[i, j]!r}; divide real inputs by the network's "
                                 f"input_scale ({self.input_scale:g}) and round")
        elif x.dtype.kind not in "iub":
            raise InputError(f"inputs must be integers, not {x.dtype}")
        low, high = self.input_range
        bad = np.argwhere((x < low) | (x > high))
        if len(bad):
            i, j = bad[0]
            raise InputError(f"input [{i}, {j}] must be in {low} .. {high}, not {x[i, j]}")
        return x.astype(np.int64)
