# SPDX-License-Identifier: Apache-2.0
"""The network: a graph of integer layers, independent of any array."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..array.limits import OPERATIONS
from ..errors import InputError
from ..host.table import Table
from ..numbers.fixed import int_range
from .binary import SignConv, SignLinear
from .channelwise import Add, Depthwise
from .layers import Conv, Linear, Windowed
from .layout import MapLayout
from .one_line import network_line, network_table
from .pool import Pool
from .window import Window

__all__ = ["INPUT", "Linear", "Conv", "Pool", "Depthwise", "Add", "SignLinear",
           "SignConv", "Layer", "Network", "kind_of", "beyond_arrays",
           "check_runnable"]

#: Any layer of a network. A :class:`Conv` is also a :class:`Linear` layer, and a
#: :class:`SignConv` a :class:`SignLinear` layer.
Layer = Linear | Pool | Depthwise | Add | SignLinear

#: Name of each kind of layer in tables and counts.
_KINDS = {Linear: "linear", Conv: "conv", Pool: "pool", Depthwise: "depthwise", Add: "add",
          SignLinear: "binarylinear", SignConv: "binaryconv"}


def kind_of(layer: Layer) -> str:
    """Name of a layer's kind in tables and counts: ``linear``, ``conv``, ``pool`` ..."""
    return _KINDS[type(layer)]


#: Name of the network's input among a layer's sources.
INPUT = "input"


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers in the order they run; the output of the last is the network's output.

    Attributes
    ----------
    name : its name in tables and files.
    layers : at least one. Each reads the layers that its ``sources`` name, or the one before it.
    act_width : bits of all signed activations of this network, 8 or 16.
    input_range : smallest and largest permitted input activation; None: the whole range of
        ``act_width``. The proof that no accumulator overflows starts from it, and inputs outside it
        are refused.
    input_scale : real value of one unit of an input.
    provenance : how the network was made (tool versions, seed, float accuracy ...), as plain JSON
        values.

    Raises
    ------
    InputError : no layers, names that are not unique, sources that do not exist or do not fit, or
        values out of range.
    """
    name: str
    layers: tuple[Layer, ...]
    act_width: int = 16
    input_range: tuple[int, int] | None = None
    input_scale: float = 1.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError(f"network {self.name!r} has no layers")
        if self.act_width not in (8, 16):
            raise InputError(f"act_width must be 8 or 16, not {self.act_width!r}")
        if len({layer.name for layer in self.layers}) != len(self.layers):
            raise InputError(f"network {self.name!r}: layer names must differ")
        if any(layer.name == INPUT for layer in self.layers):
            raise InputError(f"network {self.name!r}: {INPUT!r} is the name of its input, and "
                             f"cannot be a layer's")
        read: set[str] = set()
        for number in range(len(self.layers)):
            self._check_sources(number)
            read.update(self.sources(number))
        for layer in self.layers[:-1]:
            if layer.name not in read:
                raise InputError(f"layer {layer.name!r} is read by no layer, and is not the last")
        low, high = int_range(self.act_width)
        if self.input_range is None:
            object.__setattr__(self, "input_range", (low, high))
        first, last = self.input_range
        if not low <= first <= last <= high:
            raise InputError(f"input_range must lie in {low} .. {high}, not {first} .. {last}")
        object.__setattr__(self, "input_range", (int(first), int(last)))

    def __repr__(self) -> str:
        return network_line(self)

    def table(self) -> Table:
        """The layers: kinds, sizes, kernels, weights and how many of them are stored."""
        return network_table(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def inputs(self) -> int:
        """Activations of one input."""
        layout = self.layout(INPUT)
        return layout.pixels * layout.channels

    def sources(self, layer: int) -> tuple[str, ...]:
        """Names of what layer number ``layer`` reads."""
        return self.layers[layer].sources or (self._before(layer),)

    def _before(self, layer: int) -> str:
        """Name of the layer before number ``layer``, or ``INPUT``."""
        return self.layers[layer - 1].name if layer else INPUT

    def layout(self, name: str) -> MapLayout:
        """Arrangement in rows of activations of a layer's output, or of the network's input."""
        if name not in self._layouts:
            if name == INPUT:
                layout = self._input_layout()
            else:
                layout = self._output_layout(self._numbers[name])
            self._layouts[name] = layout
        return self._layouts[name]

    def _input_layout(self) -> MapLayout:
        reader = next(layer for number, layer in enumerate(self.layers)
                      if INPUT in self.sources(number))
        channels = reader.source_channels or reader.inputs
        return MapLayout(pixels=reader.inputs // channels, parts=(channels,))

    def _output_layout(self, number: int) -> MapLayout:
        layer = self.layers[number]
        return MapLayout(pixels=layer.positions, parts=layer.parts(self.source(number)))

    def width(self, name: str) -> int:
        """Pixels of one line of a layer's output; 1 for a vector."""
        layer = self.layers[self._numbers[name]]
        return layer.window.out_width if isinstance(layer, Windowed) else 1

    def window(self, layer: int) -> Window:
        """The window of layer number ``layer``, which must have one."""
        window: Window = vars(self.layers[layer])["window"]
        return window

    def source(self, layer: int) -> MapLayout:
        """Arrangement in rows of activations of what layer number ``layer`` reads: its sources
        concatenated, or, if it does not concatenate them, of each source."""
        names = self.sources(layer)
        if not self.layers[layer].concatenates:
            names = names[:1]
        layouts = [self.layout(name) for name in names]
        parts = tuple(part for layout in layouts for part in layout.parts)
        return MapLayout(pixels=layouts[0].pixels, parts=parts)

    def read(self, layer: int, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Activations [batch, n] that layer number ``layer`` reads, from the outputs ``values`` of
        earlier layers by name: concatenated along the channels, or else one map after another."""
        names = self.sources(layer)
        if not self.layers[layer].concatenates:
            return np.concatenate([values[name] for name in names], axis=1)
        maps = []
        for name in names:
            layout = self.layout(name)
            maps.append(values[name].reshape(len(values[name]), layout.pixels, layout.channels))
        joined = np.concatenate(maps, axis=2)
        return joined.reshape(len(joined), joined.shape[1] * joined.shape[2])

    @property
    def branches(self) -> list[str]:
        """Names of the layers that read anything else than just the layer before them."""
        return [layer.name for number, layer in enumerate(self.layers)
                if self.sources(number) != (self._before(number),)]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {layer.name: number for number, layer in enumerate(self.layers)}

    @cached_property
    def _layouts(self) -> dict[str, MapLayout]:
        # Filled on demand: a pool's layout follows from its sources', which may be pools, too.
        return {}

    def _check_sources(self, number: int) -> None:
        """Refuse a layer whose sources do not exist, or do not have the size that it reads."""
        layer = self.layers[number]
        names = self.sources(number)
        for name in names:
            if name != INPUT and not self._numbers.get(name, number) < number:
                raise InputError(f"layer {layer.name!r} reads {name!r}, which is not an earlier "
                                 f"layer")
        if layer.concatenates and len(set(names)) != len(names):
            raise InputError(f"layer {layer.name!r} reads {names[0]!r} twice")
        layouts = [self.layout(name) for name in names]
        given = ", ".join(map(repr, names)) if number else "the input"
        if len({layout.pixels for layout in layouts}) > 1:
            raise InputError(f"layer {layer.name!r} reads maps of different sizes: {given}")
        if not layer.concatenates and len({layout.parts for layout in layouts}) > 1:
            parts = " and ".join(str(list(layout.parts)) for layout in layouts)
            raise InputError(f"layer {layer.name!r} reads maps whose channels are arranged "
                             f"differently: {given}; they consist of parts of {parts} channels")
        source = self.source(number)
        if source.pixels * source.channels != layer.inputs:
            raise InputError(f"layer {layer.name!r} takes {layer.inputs} inputs, but {given} "
                             f"gives {source.pixels * source.channels}")
        if layer.source_channels not in (None, source.channels):
            raise InputError(f"layer {layer.name!r} takes {layer.source_channels} channels, "
                             f"but {given} gives {source.channels}")

    @property
    def outputs(self) -> int:
        """Activations of one output."""
        return self.layers[-1].outputs

    def placed_columns(self, layer: int, pes: int) -> np.ndarray:
        """Column numbers of the matrix of layer number ``layer`` in an array of ``pes`` PEs, int64
        [n]."""
        return self.layers[layer].placed_columns(self.source(layer), pes)

    def check_inputs(self, x: npt.ArrayLike) -> np.ndarray:
        """Inputs [batch, n], or a single one [n], as int64 [batch, n].

        Raises
        ------
        InputError : another shape, or an element that is not an integer or outside
            ``input_range``; names the first one.
        """
        inputs = np.asarray(x)
        if inputs.ndim == 1:
            inputs = inputs[np.newaxis]
        if inputs.ndim != 2 or inputs.shape[1] != self.inputs:
            raise InputError(f"network {self.name!r} takes inputs of shape "
                             f"[batch, {self.inputs}], not {list(inputs.shape)}")
        if inputs.dtype.kind == "f":
            bad = np.argwhere(~np.isfinite(inputs) | (inputs != np.round(np.nan_to_num(inputs))))
            if len(bad):
                i, j = bad[0]
                raise InputError(f"input [{i}, {j}] must be an integer activation, "
                                 f"not {inputs[i, j]!r}; divide real inputs by the network's "
                                 f"input_scale ({self.input_scale:g}) and round")
        elif inputs.dtype.kind not in "iub":
            raise InputError(f"inputs must be integers, not {inputs.dtype}")
        low, high = self.input_range
        bad = np.argwhere((inputs < low) | (inputs > high))
        if len(bad):
            i, j = bad[0]
            raise InputError(f"input [{i}, {j}] must be in {low} .. {high}, not {inputs[i, j]}")
        return inputs.astype(np.int64)


def beyond_arrays(network: Network) -> list[str]:
    """Names of the layers for which no array has an operation, which are the binary ones. The
    engine golden runs such a network all the same."""
    return [layer.name for layer in network.layers if layer.operation not in OPERATIONS]


def check_runnable(network: Network) -> None:
    """Refuse a network that no array can run, whatever the array's configuration.

    Raises
    ------
    InputError : names the first binary layer.
    """
    layers = beyond_arrays(network)
    if layers:
        raise InputError(f"layer {layers[0]!r} of network {network.name!r} is binary, and no array "
                         f"has a binary mode yet; run the network with the engine golden and "
                         f"without a configuration, as in openeie sim NET.eie --engine golden")
