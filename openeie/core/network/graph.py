# SPDX-License-Identifier: Apache-2.0
"""The network as the array sees it: integer layers, independent of any configuration."""
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

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

#: What a network consists of; a :class:`Conv` is a :class:`Linear` layer too, and a
#: :class:`SignConv` a :class:`SignLinear` one.
Layer = Linear | Pool | Depthwise | Add | SignLinear

#: Names of the kinds of layers, as tables and artefacts have them.
_KINDS = {Linear: "linear", Conv: "conv", Pool: "pool", Depthwise: "depthwise", Add: "add",
          SignLinear: "binarylinear", SignConv: "binaryconv"}


def kind_of(layer: Layer) -> str:
    """What a layer is called in tables and counts: ``linear``, ``conv``, ``pool`` ..."""
    return _KINDS[type(layer)]


#: What layers call the network's input among their sources.
INPUT = "input"


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers in the order they run; the last one's output is the network's.

    Attributes
    ----------
    name : what it is called in tables and files.
    layers : at least one; each reads the one before it, or those that its ``sources`` name.
    act_width : bits of a signed activation everywhere in this network, 8 or 16.
    input_range : smallest and largest input activation that will ever be given; the proof that
        no accumulator overflows starts from it, and inputs outside it are refused.
    input_scale : what one unit of an input is worth as a float.
    provenance : how it was made (tool versions, seed, float accuracy); plain JSON values.
    """
    name: str
    layers: tuple[Layer, ...]
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
        if any(layer.name == INPUT for layer in self.layers):
            raise InputError(f"network {self.name!r}: {INPUT!r} names its input, and no layer")
        for number in range(len(self.layers)):
            self._check_sources(number)
        read = {name for number in range(len(self.layers)) for name in self.sources(number)}
        unread = [layer.name for layer in self.layers[:-1] if layer.name not in read]
        if unread:
            raise InputError(f"layer {unread[0]!r} is read by none, and is not the last")
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
        """Length of the input vector."""
        return self.layout(INPUT).pixels * self.layout(INPUT).channels

    def sources(self, layer: int) -> tuple[str, ...]:
        """Names of what layer number ``layer`` reads."""
        return self.layers[layer].sources or (self.layers[layer - 1].name if layer else INPUT,)

    def layout(self, name: str) -> MapLayout:
        """How the output of a layer, or the network's input, lies in the rows of activations."""
        if name not in self._layouts:
            self._layouts[name] = self._input_layout() if name == INPUT else self._output_layout(
                self._numbers[name])
        return self._layouts[name]

    def _input_layout(self) -> MapLayout:
        this = next(layer for number, layer in enumerate(self.layers)
                    if INPUT in self.sources(number))
        channels = this.source_channels or this.inputs
        return MapLayout(pixels=this.inputs // channels, parts=(channels,))

    def _output_layout(self, number: int) -> MapLayout:
        layer = self.layers[number]
        return MapLayout(pixels=layer.positions, parts=layer.parts(self.source(number)))

    def width(self, name: str) -> int:
        """Pixels of a line of a layer's output; a vector has one."""
        layer = self.layers[self._numbers[name]]
        return layer.window.out_width if isinstance(layer, Windowed) else 1

    def window(self, layer: int) -> Window:
        """The window that layer number ``layer`` follows, which must be one that has one."""
        return vars(self.layers[layer])["window"]

    def source(self, layer: int) -> MapLayout:
        """How what layer number ``layer`` reads lies in the rows of activations: its sources side
        by side, or, if it does not concatenate them, each of them."""
        names = self.sources(layer)
        layouts = [self.layout(name) for name in (
            names if self.layers[layer].concatenates else names[:1])]
        return MapLayout(pixels=layouts[0].pixels,
                      parts=tuple(part for layout in layouts for part in layout.parts))

    def read(self, layer: int, values: dict[str, np.ndarray]) -> np.ndarray:
        """What layer number ``layer`` reads, [batch, n], of the outputs so far by name: side by
        side, or one after the other."""
        if not self.layers[layer].concatenates:
            return np.concatenate([values[name] for name in self.sources(layer)], axis=1)
        parts = [values[name].reshape(len(values[name]), self.layout(name).pixels,
                                      self.layout(name).channels) for name in self.sources(layer)]
        joined = np.concatenate(parts, axis=2)
        return joined.reshape(len(joined), joined.shape[1] * joined.shape[2])

    @property
    def branches(self) -> list[str]:
        """Names of the layers that do not read the layer before them, and it alone."""
        return [layer.name for number, layer in enumerate(self.layers) if self.sources(number)
                != (self.layers[number - 1].name if number else INPUT,)]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {layer.name: number for number, layer in enumerate(self.layers)}

    @cached_property
    def _layouts(self) -> dict[str, MapLayout]:
        # Kept: a pool's follows from those of its sources, which may be pools, and so on.
        return {}

    def _check_sources(self, number: int) -> None:
        """What a layer reads must be there, and be a map of its size."""
        layer, names = self.layers[number], self.sources(number)
        for name in names:
            if name != INPUT and not self._numbers.get(name, number) < number:
                raise InputError(f"layer {layer.name!r} reads {name!r}, which is no layer before "
                                 f"it")
        if layer.concatenates and len(set(names)) != len(names):
            raise InputError(f"layer {layer.name!r} reads {names[0]!r} twice")
        layouts = [self.layout(name) for name in names]
        given = ", ".join(map(repr, names)) if number else "the input"
        if len({layout.pixels for layout in layouts}) > 1:
            raise InputError(f"layer {layer.name!r} reads maps of different sizes: {given}")
        if not layer.concatenates and len({layout.parts for layout in layouts}) > 1:
            raise InputError(f"layer {layer.name!r} reads maps whose channels do not lie alike: "
                             f"{given}; they consist of parts of "
                             f"{' and '.join(str(list(layout.parts)) for layout in layouts)} "
                             f"channels")
        source = self.source(number)
        if source.pixels * source.channels != layer.inputs:
            raise InputError(f"layer {layer.name!r} takes {layer.inputs} inputs, but {given} "
                             f"gives {source.pixels * source.channels}")
        if layer.source_channels not in (None, source.channels):
            raise InputError(f"layer {layer.name!r} takes {layer.source_channels} channels, "
                             f"but {given} gives {source.channels}")

    @property
    def outputs(self) -> int:
        """Length of the output vector."""
        return self.layers[-1].outputs

    def placed_columns(self, layer: int, pes: int) -> np.ndarray:
        """Where an array of ``pes`` PEs has the columns of a layer's matrix, int64 [n]."""
        return self.layers[layer].placed_columns(self.source(layer), pes)

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


def beyond_arrays(network: Network) -> list[str]:
    """Names of the layers that no array has an operation for: binary ones. The engine golden runs
    such a network all the same."""
    return [layer.name for layer in network.layers if layer.operation not in OPERATIONS]


def check_runnable(network: Network) -> None:
    """Refuse a network that no array can run, whatever its configuration.

    Raises
    ------
    InputError : names the first of its binary layers.
    """
    layers = beyond_arrays(network)
    if layers:
        raise InputError(f"layer {layers[0]!r} of network {network.name!r} is binary, and no array "
                         f"has a binary mode yet; run the network with the engine golden and "
                         f"without a configuration, as in openeie sim NET.eie --engine golden")
