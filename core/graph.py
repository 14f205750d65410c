# SPDX-License-Identifier: Apache-2.0
"""The network as the array sees it: integer layers, independent of any configuration."""
from dataclasses import dataclass, field

import numpy as np

from .config import ENCODINGS
from .errors import InputError
from .fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range
from .pool import Pool
from .weights import SparseWeights, frozen
from .window import Window

__all__ = ["SparseWeights", "Linear", "Conv", "Network"]


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
    layers: tuple[Linear | Pool, ...]
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
            if isinstance(after, (Conv, Pool)) and after.window.channels != before.channels:
                raise InputError(f"layer {after.name!r} takes {after.window.channels} channels, "
                                 f"but {before.name!r} gives {before.channels}")
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

    def source(self, layer: int) -> tuple[int, int]:
        """Pixels, and channels of each, of what layer number ``layer`` reads: they decide where
        an activation lies in the array. A vector is a map of one pixel."""
        this = self.layers[layer]
        if isinstance(this, (Conv, Pool)):
            return this.window.height * this.window.width, this.window.channels
        before = self.layers[layer - 1] if layer else None
        return (before.positions, before.channels) if before else (1, this.inputs)

    @property
    def outputs(self) -> int:
        """Length of the output vector."""
        return self.layers[-1].outputs

    def placed_columns(self, layer: int, pes: int) -> np.ndarray:
        """Where an array of ``pes`` PEs has the columns of a layer's matrix, int64 [n]: the
        channels of a pixel begin at a multiple of ``pes``, as in the activation memories."""
        this, (_, channels) = self.layers[layer], self.source(layer)
        if isinstance(this, Pool):
            return np.arange(-(-channels // pes))
        column = np.arange(this.weights.shape[1])
        return column // channels * (-(-channels // pes) * pes) + column % channels

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
