# SPDX-License-Identifier: Apache-2.0
"""What an engine returns, and the comparison of two engines word by word.

A *launch* is one execution of a program by the array, on ``vectors`` inputs at once.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .array.config import ArrayConfig
from .array.counters import COUNTERS
from .errors import Mismatch
from .host.table import Table
from .network.one_line import count_text, preset_name, short_name
from .network.tile_part import Part, joined

__all__ = ["LayerRun", "Run", "SATURATED_SHARE"]

#: A run warns of a layer if more than this share of its outputs saturates (docs/numerics.md).
SATURATED_SHARE = 1e-4

#: From the index of an array's element to its description in a message.
_Place = Callable[[tuple[int, ...]], str]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerRun:
    """One layer, or a tile of it, executed on a batch: ``batch = launches * vectors``.

    Attributes
    ----------
    name : the layer's or the tile's name.
    outputs : int64 [batch, m]; for a tile, only its own inputs and outputs.
    cycles : int64 [launches], from fetching the first descriptor word to the end of the layer;
        None from ``golden``, which has no time.
    counters : int64 [launches, PEs, 7] in the order of :data:`COUNTERS`. The seven of each PE add
        up to ``cycles``. None from ``golden``.
    saturated : int64 [launches, PEs], how many outputs of each PE saturation changed; from
        ``golden``, which has no PEs, int64 [launches, 1]; None if they were not counted.
    part : which outputs of which layer the tile has; None for a whole layer.
    tiled_outputs : for a layer put together from tiles, the number of outputs that the tiles
        computed. Outputs computed by several tiles count several times, also in ``saturated``.
    """
    name: str
    outputs: np.ndarray
    cycles: np.ndarray | None = None
    counters: np.ndarray | None = None
    saturated: np.ndarray | None = None
    part: Part | None = None
    tiled_outputs: int | None = None

    def __repr__(self) -> str:
        facts = [f"LayerRun {short_name(self.name)}", count_text(len(self.outputs), "input"),
                 count_text(self.outputs.shape[-1], "output")]
        if self.cycles is not None:
            facts.append(count_text(int(self.cycles.sum()), "cycle"))
        return f"<{', '.join(facts)}>"

    @property
    def is_untiled(self) -> bool:
        """Whether this is a whole layer."""
        return self.part is None or self.part.is_untiled

    def total(self, counter: str) -> int:
        """A counter's sum over launches and PEs."""
        return int(self.counters[..., COUNTERS.index(counter)].sum())

    @property
    def computed(self) -> int:
        """Number of outputs that were computed; repeated ones count each time."""
        return self.outputs.size if self.tiled_outputs is None else self.tiled_outputs

    @property
    def saturated_share(self) -> float:
        """Share of the computed outputs that saturation changed; 0 if they were not counted."""
        if self.saturated is None or not self.computed:
            return 0.0
        return int(self.saturated.sum()) / self.computed

    @property
    def utilisation(self) -> float:
        """Entries with a weight / (PEs x cycles)."""
        pes = self.counters.shape[1]
        return self.total("busy") / (pes * int(self.cycles.sum()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A program executed on a batch by one engine.

    Attributes
    ----------
    engine : ``golden``, ``fast``, ``rtl`` or ``board``.
    config : the array; None for a network that ``golden`` ran without one.
    tiles : in the order they ran; one per layer if no layer is tiled.
    """
    engine: str
    config: ArrayConfig | None
    tiles: tuple[LayerRun, ...]

    def __repr__(self) -> str:
        where = "" if self.config is None else f" on {preset_name(self.config)}"
        facts = [f"Run {self.engine}{where}", count_text(len(self.outputs), "input"),
                 count_text(self.outputs.shape[-1], "output")]
        if self._has_time:
            facts.append(count_text(int(self.cycles.sum()), "cycle"))
        return f"<{', '.join(facts)}>"

    def table(self) -> Table:
        """The network's layers: cycles of all launches together, the shares of the PEs' cycles that
        went into each of :data:`COUNTERS`, and saturated outputs.

        ``utilisation`` is the share of ``busy``. A run of ``golden`` has no cycles, and its table
        no columns for them.
        """
        layers = self.layers
        title = repr(self)[1:-1]
        if not self._has_time:
            return Table(title=title, columns=("layer", "outputs", "saturated"),
                         formats=("", ",", ","), rows=tuple(map(_value_row, layers)))
        return Table(title=title, formats=("", ",", *[".1%"] * len(COUNTERS), ","),
                     columns=("layer", "cycles", "utilisation", *COUNTERS[1:], "saturated"),
                     rows=tuple(_time_row(layer.name, [layer]) for layer in layers),
                     total=_time_row("all", layers))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def _has_time(self) -> bool:
        return self.tiles[0].cycles is not None

    @property
    def outputs(self) -> np.ndarray:
        """The last layer's outputs, int64 [batch, m]."""
        last = self.tiles[-1]
        return last.outputs if last.is_untiled else self._joined(last.part.layer)

    @cached_property
    def layers(self) -> tuple[LayerRun, ...]:
        """The network's layers. A tiled layer's outputs are put together, its cycles and counters
        added up. Lines that no tile computed, because nothing reads them, are 0."""
        by_layer: dict[Any, list[LayerRun]] = {}
        for number, tile in enumerate(self.tiles):
            key = ("untiled", number) if tile.is_untiled else tile.part.layer
            by_layer.setdefault(key, []).append(tile)
        groups = list(by_layer.values())
        if all(tile.part is not None for tile in self.tiles):
            # A layer of a chain that has nothing to do in the first band runs after a later layer.
            groups.sort(key=lambda tiles: tiles[0].part.layer)
        return tuple(tiles[0] if tiles[0].is_untiled else self._merged(tiles) for tiles in groups)

    def _merged(self, tiles: list[LayerRun]) -> LayerRun:
        """A layer from its tiles."""
        def total(name: str) -> np.ndarray | None:
            values = [getattr(tile, name) for tile in tiles]
            return None if values[0] is None else np.sum(values, axis=0)
        part = tiles[0].part
        return LayerRun(name=part.bare(tiles[0].name), cycles=total("cycles"),
                        counters=total("counters"), saturated=total("saturated"),
                        outputs=self._joined(part.layer),
                        tiled_outputs=sum(tile.outputs.size for tile in tiles))

    def _joined(self, layer: int) -> np.ndarray:
        """Outputs of a tiled layer, int64 [batch, m]."""
        return joined((tile.part, tile.outputs) for tile in self.tiles
                      if tile.part is not None and tile.part.layer == layer)

    @property
    def cycles(self) -> np.ndarray:
        """Cycles of all tiles together, int64 [launches]."""
        return np.sum([tile.cycles for tile in self.tiles], axis=0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each layer of which more than :data:`SATURATED_SHARE` of the outputs
        saturated."""
        return tuple(
            f"layer {layer.name}: {int(layer.saturated.sum()):,} of {layer.computed:,} outputs "
            f"({layer.saturated_share:.2%}) saturated: its inputs are larger than its scales "
            f"allow for; quantise the network again, with calibration inputs like these"
            for layer in self.layers if layer.saturated_share > SATURATED_SHARE)

    def compare(self, other: "Run") -> int:
        """Compare every output and every count of saturated outputs; if both engines have time,
        also every cycle count and counter.

        Returns the number of words, cycles and counters compared.

        Raises
        ------
        Mismatch : at the first difference, naming layer, input, PE, word or counter, cycle.
        """
        if len(self.tiles) != len(other.tiles):
            raise Mismatch(f"{self.engine} ran {len(self.tiles)} tiles, "
                           f"{other.engine} {len(other.tiles)}")
        comparisons = [_Comparison(ours, theirs, self.engine, other.engine, self.config.pes)
                       for ours, theirs in zip(self.tiles, other.tiles)]
        return sum(comparison.check() for comparison in comparisons)


@dataclass(frozen=True)
class _Comparison:
    """One tile as two engines ran it."""
    ours: LayerRun
    theirs: LayerRun
    our_engine: str
    their_engine: str
    pes: int

    def check(self) -> int:
        """Compare all that both have; the number of words, cycles and counters compared."""
        ours = self.ours
        theirs = self.theirs
        compared = self._check("outputs", ours.outputs, theirs.outputs, self._output)
        if ours.cycles is not None and theirs.cycles is not None:
            compared += self._check("cycles", ours.cycles, theirs.cycles,
                                    lambda i: f"launch {i[0]}, cycles of the layer")
            compared += self._check("counters", ours.counters, theirs.counters,
                                    lambda i: f"launch {i[0]}, PE {i[1]}, counter "
                                              f"{COUNTERS[i[2]]}, cycle {ours.cycles[i[0]]}")
        if ours.saturated is not None and theirs.saturated is not None:
            compared += self._check_saturated(ours.saturated, theirs.saturated)
        return compared

    def _check_saturated(self, ours: np.ndarray, theirs: np.ndarray) -> int:
        """Compare by PE, or, if one engine has no PEs, the sums over them."""
        if ours.shape == theirs.shape:
            return self._check("saturated", ours, theirs,
                               lambda i: f"launch {i[0]}, PE {i[1]}, saturated outputs")
        return self._check("saturated", ours.sum(axis=1), theirs.sum(axis=1),
                           lambda i: f"launch {i[0]}, saturated outputs")

    def _check(self, what: str, ours: np.ndarray, theirs: np.ndarray, place: _Place) -> int:
        """Refuse arrays that differ; otherwise their size."""
        if ours.shape != theirs.shape:
            raise Mismatch(f"layer {self.ours.name}: {what} of shape {ours.shape} in "
                           f"{self.our_engine}, {theirs.shape} in {self.their_engine}")
        wrong = np.argwhere(ours != theirs)
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise Mismatch(f"layer {self.ours.name}, {place(index)}: "
                           f"{self.our_engine} {ours[index]}, {self.their_engine} {theirs[index]} "
                           f"({len(wrong)} of {ours.size} differ)")
        return ours.size

    def _output(self, index: tuple[int, ...]) -> str:
        """Where an output is, and in which cycle its layer ended."""
        cycles = self.theirs.cycles if self.ours.cycles is None else self.ours.cycles
        place = _place(self.ours, self.theirs, index, self.pes)
        if cycles is None or not len(cycles):
            return place
        launch = index[0] * len(cycles) // len(self.ours.outputs)
        return f"{place}, cycle {cycles[launch]}"


def _value_row(layer: LayerRun) -> tuple[Any, ...]:
    return layer.name, layer.outputs.size, _saturated([layer])


def _time_row(name: str, layers: Sequence[LayerRun]) -> tuple[Any, ...]:
    """Sums over layers and launches; shares are of the cycles of all PEs, None without any."""
    spent = [sum(layer.total(counter) for layer in layers) for counter in COUNTERS]
    shares = [count / sum(spent) if sum(spent) else None for count in spent]
    cycles = sum(int(layer.cycles.sum()) for layer in layers)
    return name, cycles, *shares, _saturated(layers)


def _saturated(layers: Sequence[LayerRun]) -> int | None:
    """Number of outputs that saturation changed; None if they were not counted."""
    if any(layer.saturated is None for layer in layers):
        return None
    return sum(int(layer.saturated.sum()) for layer in layers)


def _place(a: LayerRun, b: LayerRun, index: tuple[int, ...], pes: int) -> str:
    """Where output ``index`` of a layer or tile is: in a vector the PE and its word, in a map the
    pixel and the channel."""
    part = b.part if a.part is None else a.part
    row = index[0] if part is None or part.is_untiled else part.input(index[0])
    where = f"input {row}, output {index[1]}"
    if part is None or part.shape[1] * part.shape[2] == 1:
        return f"{where} = PE {index[1] % pes} word {index[1] // pes}"
    pixel, channel = divmod(index[1], len(part.channels))
    line, column = divmod(pixel, part.shape[2])
    return (f"{where} = line {part.lines[line]}, column {column}, "
            f"channel {part.channels[channel]}")
