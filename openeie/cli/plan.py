# SPDX-License-Identifier: Apache-2.0
"""A compiled program as tables and as plain values: layers, memory use and time."""
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from ..core.array.config import half_rows
from ..core.compile.capacity import words_used
from ..core.compile.program import Choices, Program, TilePlan
from ..core.network.graph import Layer, Pool, kind_of
from ..core.network.tile_part import Part
from .speed import LaunchSpeed
from .tables import plain_table, window_text

if TYPE_CHECKING:
    from ..sim.fast.predict import Prediction

__all__ = ["ProgramForecast", "choice_lines", "plan_dict", "plan_tables",
           "wider_run_lines"]


@dataclass(frozen=True, kw_only=True)
class ProgramForecast:
    """Time of a launch.

    Attributes
    ----------
    tiles : the prediction of each tile of the program.
    basis : plain values that tell which activations it is for.
    words : the same as a sentence.
    speed : latency and throughput.
    clock : MHz, or None.
    """
    tiles: Sequence["Prediction"]
    basis: dict
    words: str
    speed: LaunchSpeed
    clock: float | None = None

    def to_dict(self) -> dict:
        """Totals over all layers, as plain values."""
        cycles = sum(tile.cycles for tile in self.tiles)
        result = self.basis | {
            "cycles": cycles, "dense_cycles": sum(tile.dense_cycles for tile in self.tiles),
            "utilisation": sum(tile.utilisation * tile.cycles for tile in self.tiles) / cycles}
        result |= self.speed.to_dict()
        if self.clock is not None:
            result |= {"clock_mhz": self.clock, "seconds": cycles / (self.clock * 1e6)}
        return result


def plan_tables(program: Program, forecast: ProgramForecast) -> list:
    """Layers, times, addresses, entries and memory use."""
    memories = plain_table("memories of each PE", "memory", "used", "available", "share",
                           left=("memory",))
    for name, used in words_used(program).items():
        available = getattr(program.config, name)
        memories.add_row(name, f"{used:,}", f"{available:,}", f"{used / available:.0%}")
    return [_layers(program), _times(program, forecast), forecast.words,
            *forecast.speed.lines(), *choice_lines(program), "", _places(program),
            _entries(program), memories]


def choice_lines(program: Program) -> list[str]:
    """What the compiler chose of what nobody told it, and what that saves."""
    choices = program.choices
    lines = []
    if choices.is_balanced:
        lines.append("balanced: the inner layers' channels are ordered so that the PEs have "
                     "similar loads")
    if choices.unbalanced_because:
        lines.append(f"not balanced: {choices.unbalanced_because}")
    wider = wider_run_lines(program)
    if choices.run_widths and not wider:
        lines.append(f"run width {program.config.run_width}, the array's own: none up to "
                     f"{max(choices.run_widths)} is worth a change")
    return lines + wider


def wider_run_lines(program: Program) -> list[str]:
    """A line about the run width if the compiler has not kept the array's own."""
    choices = program.choices
    chosen = program.config.run_width
    own = min(choices.run_widths, default=chosen)
    if chosen == own:
        return []
    return [f"run width {chosen} instead of {own}, chosen from {own} to "
            f"{max(choices.run_widths)}: about {_saved_share(choices, chosen):.1%} fewer cycles in "
            f"the same memories; --set run_width={own} keeps {own}"]


def _saved_share(choices: Choices, chosen: int) -> float:
    """Share of the estimated cycles that the chosen run width saves over the array's own."""
    own = min(choices.run_widths)
    return 1 - choices.run_widths[chosen] / choices.run_widths[own]


def _choice_dict(program: Program) -> dict:
    """The contents of :func:`choice_lines` as plain values."""
    choices = program.choices
    result: dict = {"balanced": choices.is_balanced, "run_width": None}
    if choices.unbalanced_because:
        result["unbalanced_because"] = choices.unbalanced_because
    if choices.run_widths:
        chosen = program.config.run_width
        result["run_width"] = {
            "chosen": chosen, "own": min(choices.run_widths),
            "estimated_cycles": dict(choices.run_widths),
            "saved_share": _saved_share(choices, chosen)}
    return result


def _layers(program: Program) -> Table:
    """Kind, shape, window and encoding of each layer."""
    is_clustered = program.config.clusters > 1
    is_tiled = len(program.tiles) > len(program.network.layers)
    extra = ["tiles"] * is_tiled + ["clus-\nters"] * is_clustered
    table = plain_table(f"{program.network.name} on {program.config.pes} PEs", "layer", "kind",
                        "reads", "window", "writes", "encoding", *extra,
                        left=("layer", "kind", "encoding"))
    for number, layer in enumerate(program.network.layers):
        tiles = [tile for tile in program.tiles if tile.layer == number]
        kind = f"{layer.reduce} pool" if isinstance(layer, Pool) else kind_of(layer)
        counts = [str(len(tiles))] * is_tiled + [str(tiles[0].clusters)] * is_clustered
        table.add_row(layer.name, kind, *_shape(layer), tiles[0].encoding, *counts)
    return table


def _times(program: Program, forecast: ProgramForecast) -> Table:
    """Time of each layer in a launch, and the share of the PEs' cycles that are busy."""
    timed = ["time us"] if forecast.clock is not None else []
    table = plain_table("cycles of a launch", "layer", "acts\nnon-zero", "cycles", *timed, "busy",
                        "speed-up\nover dense")

    def numbers(density: str, cycles: float, dense: float, utilisation: float) -> list[str]:
        time = [f"{cycles / forecast.clock:,.1f}"] if timed else []
        return [density, f"{cycles:,.0f}", *time, f"{utilisation:.1%}", f"{dense / cycles:.2f}"]

    for number, layer in enumerate(program.network.layers):
        times = [time for tile, time in zip(program.tiles, forecast.tiles)
                 if tile.layer == number]
        cycles = sum(time.cycles for time in times)
        dense = sum(time.dense_cycles for time in times)
        utilisation = sum(time.utilisation * time.cycles for time in times) / cycles
        table.add_row(layer.name, *numbers(f"{times[0].density:.1%}", cycles, dense, utilisation))

    table.add_section()
    total = forecast.to_dict()
    table.add_row("all", *numbers(
        "", total["cycles"], total["dense_cycles"], total["utilisation"]), style="bold")
    return table


def _shape(layer: Layer) -> tuple[str, str, str]:
    """Input shape, window (kernel / stride + padding) and output shape of a layer. Shapes are
    height x width x channels."""
    window = getattr(layer, "window", None)
    if window is None:
        return f"{layer.inputs:,}", "-", f"{layer.outputs:,}"
    text = window_text(window)
    if any(window.pad):
        pad = window.pad if len(set(window.pad)) > 1 else window.pad[:1]
        text += " +" + ",".join(map(str, pad))
    return (f"{window.height}x{window.width}x{window.channels}", text,
            f"{window.out_height}x{window.out_width}x{layer.channels}")


def _places(program: Program) -> Table:
    """Activation rows, pointers and channels of each tile, as address ranges."""
    ranges = ("reads rows", "writes rows", "pointers", "channels")
    table = plain_table("addresses in each PE", "layer", *ranges, ranges=ranges)
    for tile in program.tiles:
        source, target = _rows(tile)
        table.add_row(tile.name, _span(program, source), _span(program, target),
                      _words(tile.pointer_base, tile.columns + 1),
                      _words(tile.channel_base, tile.acc_rows))
    return table


def _entries(program: Program) -> Table:
    """Entries of each tile, and the cycle count at which the watchdog stops it."""
    table = plain_table("entries in a PE, and the watchdog's limit in cycles", "layer",
                        "most entries", "mean", "fillers\n(mean)", "watchdog")
    for tile in program.tiles:
        per_pe = tile.entry_count.sum(axis=1)
        table.add_row(tile.name, f"{per_pe.max():,}", f"{per_pe.mean():,.1f}",
                      f"{tile.filler_count.sum(axis=1).mean():,.1f}", f"{tile.cycle_limit:,}")
    return table


def _rows(tile: TilePlan) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row of activations that a tile reads, and that it writes, in a launch."""
    walk = tile.walk
    vectors = len(tile.part.vectors)
    first = walk.map_origin
    last_pixel = (vectors - 1) * walk.image_step \
        + (walk.height * walk.width - 1) * walk.pixel_stride
    last = first + last_pixel + walk.pixel_rows - 1

    step = tile.memory_rows - 1 + tile.dst_step
    last_position = (vectors * walk.positions - 1) * step
    return (first, last), (tile.dst_origin,
                           tile.dst_origin + last_position + tile.memory_rows - 1)


def _span(program: Program, rows: tuple[int, int]) -> str:
    """A range of rows in the two activation memories, such as ``A 0 .. 48``."""
    half = half_rows(program.config)
    first, last = (f"{'A' if row < half else 'B'} {row % half:,}" for row in rows)
    if last[0] == first[0]:
        last = last[2:]
    return f"{first} .. {last}"


def _words(first: int, count: int) -> str:
    """A range of addresses."""
    return f"{first:,} .. {first + count - 1:,}"


def plan_dict(program: Program, forecast: ProgramForecast) -> dict:
    """The contents of :func:`plan_tables` as plain values."""
    layers = []
    for tile, time in zip(program.tiles, forecast.tiles):
        layer = program.network.layers[tile.layer]
        fields = {field.name: getattr(tile, field.name) for field in dataclasses.fields(tile)}
        fields = {name: value for name, value in fields.items()
                  if not isinstance(value, np.ndarray) and value is not None}
        source, target = _rows(tile)
        window = getattr(layer, "window", None)
        predicted = dataclasses.asdict(time)
        del predicted["name"]
        layers.append(fields | {
            "layer": tile.layer, "part": _part_dict(tile.part), "outputs": tile.outputs,
            "kind": kind_of(layer), "window": window and dataclasses.asdict(window),
            "walk": vars(tile.walk), "source_rows": source, "destination_rows": target,
            "entries": int(tile.entry_count.sum()), "fillers": int(tile.filler_count.sum()),
            "entries_per_pe": tile.entry_count.sum(axis=1).tolist(),
            "predicted": predicted})
    return {"network": program.network.name, "config": program.config.to_dict(),
            "vectors": program.vectors, "layers": layers, "predicted": forecast.to_dict(),
            "choices": _choice_dict(program), "balance": program.choices.is_balanced,
            "memories": {name: {"used": used, "available": getattr(program.config, name)}
                         for name, used in words_used(program).items()}}


def _part_dict(part: Part) -> dict:
    """A part as plain values; ranges become ``[first, last + 1]``."""
    return vars(part) | {name: [one.start, one.stop] for name, one in vars(part).items()
                         if isinstance(one, range)}
