# SPDX-License-Identifier: Apache-2.0
"""What an engine returns, and the comparison that is the project's law."""
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .array.config import ArrayConfig, preset_name
from .array.counters import COUNTERS
from .errors import Mismatch
from .host.table import Table
from .network.one_line import count_text, short_name
from .network.tile_part import Part, joined

__all__ = ["LayerRun", "Run", "SATURATED_SHARE"]

#: Share of a layer's outputs that may saturate before a run warns of it (docs/numerics.md).
SATURATED_SHARE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerRun:
    """One layer, or a tile of it, over a batch. The array takes ``vectors`` inputs a start, so
    ``batch = starts * vectors``.

    Attributes
    ----------
    name : the layer's or the tile's.
    outputs : int64 [batch, m]; of the tile's inputs and outputs alone.
    cycles : int64 [starts], from the first descriptor word's fetch to the end of the layer;
        None from ``golden``, which has no time.
    counters : int64 [starts, PEs, 7] in the order of :data:`COUNTERS`; every PE's seven add up
        to ``cycles``. None from ``golden``.
    saturated : int64 [starts, PEs], of each PE's outputs those that saturation changed; from
        ``golden``, which has no PEs, int64 [starts, 1]. None if they were not counted.
    part : which outputs of which layer the tile has; None for a whole layer.
    tiled_outputs : of a layer put together from tiles, how many outputs these computed; one that
        several computed counts as often as that, in ``saturated``, too.
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
        """It is no tile."""
        return self.part is None or self.part.is_untiled

    def total(self, counter: str) -> int:
        """A counter summed over starts and PEs."""
        return int(self.counters[..., COUNTERS.index(counter)].sum())

    @property
    def computed(self) -> int:
        """Outputs, each as often as it was computed."""
        return self.outputs.size if self.tiled_outputs is None else self.tiled_outputs

    @property
    def saturated_share(self) -> float:
        """Of all outputs as computed, those that saturation changed; 0 if none was counted."""
        if self.saturated is None or not self.computed:
            return 0.0
        return int(self.saturated.sum()) / self.computed

    @property
    def utilisation(self) -> float:
        """Useful entries / (PEs x cycles)."""
        return self.total("busy") / (self.counters.shape[1] * int(self.cycles.sum()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A program executed on a batch by one engine (``golden``, ``fast``, ``rtl`` or ``board``);
    ``tiles`` are in the order they ran: one a layer, if no layer is tiled. ``config`` is None
    for a network that ``golden`` ran without an array."""
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
        """The network's layers: cycles of all starts together, the shares of the PEs' cycles that
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
        """The network's layers: outputs put together, cycles and counters added up. Lines that
        no tile computed, since nothing reads them, are 0."""
        tiles: dict[object, list[LayerRun]] = {}
        for number, run in enumerate(self.tiles):
            tiles.setdefault((number,) if run.is_untiled else run.part.layer, []).append(run)
        # A chain's layer that has nothing to do in the first band comes after one behind it.
        ordered = sorted(tiles.values(), key=lambda parts: parts[0].part.layer) \
            if all(run.part is not None for run in self.tiles) else tiles.values()
        return tuple(parts[0] if parts[0].is_untiled else self._merged(parts) for parts in ordered)

    def _merged(self, tiles: list[LayerRun]) -> LayerRun:
        def total(name: str) -> np.ndarray | None:
            values = [getattr(tile, name) for tile in tiles]
            return None if values[0] is None else np.sum(values, axis=0)
        return LayerRun(name=tiles[0].part.bare(tiles[0].name), cycles=total("cycles"),
                        counters=total("counters"), saturated=total("saturated"),
                        outputs=self._joined(tiles[0].part.layer),
                        tiled_outputs=sum(tile.outputs.size for tile in tiles))

    def _joined(self, layer: int) -> np.ndarray:
        return joined((run.part, run.outputs) for run in self.tiles
                      if run.part is not None and run.part.layer == layer)

    @property
    def cycles(self) -> np.ndarray:
        """Cycles of all tiles together, int64 [starts]."""
        return np.sum([tile.cycles for tile in self.tiles], axis=0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the outputs have lost: a line for each layer of whose outputs more than
        :data:`SATURATED_SHARE` saturated."""
        return tuple(
            f"layer {layer.name}: {int(layer.saturated.sum()):,} of {layer.computed:,} outputs "
            f"({layer.saturated_share:.2%}) saturated, so what it was given goes beyond what its "
            f"scales were chosen for; quantise the network again, with calibration inputs like "
            f"these" for layer in self.layers if layer.saturated_share > SATURATED_SHARE)

    def compare(self, other: "Run") -> int:
        """Compare every output word and every count of saturated outputs, and, where both engines
        have time, every cycle and counter.

        Returns the number of words, cycles and counters compared.

        Raises
        ------
        Mismatch : at the first difference, naming layer, input, PE, word or counter, cycle.
        """
        if len(self.tiles) != len(other.tiles):
            raise Mismatch(f"{self.engine} ran {len(self.tiles)} layers, "
                           f"{other.engine} {len(other.tiles)}")
        return sum(self._compare_layer(a, b, other.engine)
                   for a, b in zip(self.tiles, other.tiles))

    def _compare_layer(self, a: LayerRun, b: LayerRun, engine: str) -> int:
        def check(what: str, ours: np.ndarray, theirs: np.ndarray, place) -> int:
            if ours.shape != theirs.shape:
                raise Mismatch(f"layer {a.name}: {what} of shape {ours.shape} in {self.engine}, "
                               f"{theirs.shape} in {engine}")
            wrong = np.argwhere(ours != theirs)
            if len(wrong):
                index = tuple(int(i) for i in wrong[0])
                raise Mismatch(f"layer {a.name}, {place(index)}: {self.engine} {ours[index]}, "
                               f"{engine} {theirs[index]} ({len(wrong)} of {ours.size} differ)")
            return ours.size

        pes = self.config.pes
        cycles = b.cycles if a.cycles is None else a.cycles     # whichever engine has time

        def word(index):
            end = ""
            if cycles is not None and len(cycles):
                start = index[0] * len(cycles) // len(a.outputs)
                end = f", cycle {cycles[start]}"
            return f"{_place(a, b, index, pes)}{end}"
        compared = check("outputs", a.outputs, b.outputs, word)
        if a.cycles is not None and b.cycles is not None:
            compared += check("cycles", a.cycles, b.cycles,
                              lambda i: f"start {i[0]}, cycles of the layer")
            compared += check("counters", a.counters, b.counters,
                              lambda i: f"start {i[0]}, PE {i[1]}, counter {COUNTERS[i[2]]}, "
                                        f"cycle {a.cycles[i[0]]}")
        if a.saturated is not None and b.saturated is not None:
            if a.saturated.shape == b.saturated.shape:
                compared += check("saturated", a.saturated, b.saturated,
                                  lambda i: f"start {i[0]}, PE {i[1]}, saturated outputs")
            else:                                   # golden has no PEs
                compared += check("saturated", a.saturated.sum(axis=1), b.saturated.sum(axis=1),
                                  lambda i: f"start {i[0]}, saturated outputs")
        return compared


def _value_row(layer: LayerRun) -> tuple:
    return layer.name, layer.outputs.size, _saturated([layer])


def _time_row(name: str, layers: Sequence[LayerRun]) -> tuple:
    """Sums over layers and starts; shares are of the cycles of all PEs, None without any."""
    spent = [sum(layer.total(counter) for layer in layers) for counter in COUNTERS]
    shares = [count / sum(spent) if sum(spent) else None for count in spent]
    cycles = sum(int(layer.cycles.sum()) for layer in layers)
    return name, cycles, *shares, _saturated(layers)


def _saturated(layers: Sequence[LayerRun]) -> int | None:
    """Outputs that saturation changed; None if they were not counted."""
    if any(layer.saturated is None for layer in layers):
        return None
    return sum(int(layer.saturated.sum()) for layer in layers)


def _place(a: LayerRun, b: LayerRun, index: tuple[int, ...], pes: int) -> str:
    """Where output ``index`` of a layer or tile is: a vector's in which PE, a map's in which pixel
    and channel."""
    part = b.part if a.part is None else a.part
    row = index[0] if part is None or part.is_untiled else part.input(index[0])
    where = f"input {row}, output {index[1]}"
    if part is not None and part.shape[1] * part.shape[2] > 1:
        pixel, channel = divmod(index[1], len(part.channels))
        line, column = divmod(pixel, part.shape[2])
        return (f"{where} = line {part.lines[line]}, column {column}, "
                f"channel {part.channels[channel]}")
    return f"{where} = PE {index[1] % pes} word {index[1] // pes}"
