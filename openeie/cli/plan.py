# SPDX-License-Identifier: Apache-2.0
"""A program as tables and as plain values: its layers, their places and their time."""
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from ..core.array.config import half_rows
from ..core.compile.capacity import words_used
from ..core.compile.program import TilePlan, Program
from ..core.network.graph import Layer, Pool, kind_of
from ..core.network.tile_part import Part
from .tables import plain_table, window_text

__all__ = ["Forecast", "plan_tables", "plan_dict"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Time of a start, for people and as values.

    Attributes
    ----------
    tiles : :class:`openeie.sim.fast.predict.Prediction` of each plan.
    basis : plain values that say what the activations are.
    words : the same in words.
    clock : MHz, or None.
    """
    tiles: Sequence
    basis: dict
    words: str
    clock: float | None = None

    def to_dict(self) -> dict:
        """Totals; what belongs to a layer stands there."""
        cycles = sum(layer.cycles for layer in self.tiles)
        result = self.basis | {
            "cycles": cycles, "dense_cycles": sum(layer.dense_cycles for layer in self.tiles),
            "utilisation": sum(layer.utilisation * layer.cycles for layer in self.tiles) / cycles}
        if self.clock is not None:
            result |= {"clock_mhz": self.clock, "seconds": cycles / (self.clock * 1e6)}
        return result


def plan_tables(program: Program, forecast: Forecast) -> list:
    """What runs and how long, where it lies, and what of the memories that takes."""
    memories = plain_table("memories of each PE", "memory", "used", "available", "share",
                           left=("memory",))
    for name, used in words_used(program).items():
        available = getattr(program.config, name)
        memories.add_row(name, f"{used:,}", f"{available:,}", f"{used / available:.0%}")
    return [_layers(program), _times(program, forecast), forecast.words, "", _places(program),
            _entries(program), memories]


def _layers(program: Program) -> Table:
    """Kind, shape, window and encoding of each layer."""
    clustered = ["clus-\nters"] if program.config.clusters > 1 else []
    tiled = ["tiles"] if len(program.tiles) > len(program.network.layers) else []
    table = plain_table(f"{program.network.name} on {program.config.pes} PEs", "layer", "kind",
                        "reads", "window", "writes", "encoding", *tiled, *clustered,
                        left=("layer", "kind", "encoding"))
    for number, layer in enumerate(program.network.layers):
        plans = [plan for plan in program.tiles if plan.layer == number]
        kind = f"{layer.reduce} pool" if isinstance(layer, Pool) else kind_of(layer)
        ways = [str(len(plans))] * bool(tiled) + [str(plans[0].clusters)] * bool(clustered)
        table.add_row(layer.name, kind, *_shape(layer), plans[0].encoding, *ways)
    return table


def _times(program: Program, forecast: Forecast) -> Table:
    """Time of each layer in a start, and what share of the PEs' cycles is busy with entries."""
    timed = ["time us"] if forecast.clock is not None else []
    table = plain_table("cycles of a start", "layer", "acts\nnot zero", "cycles", *timed, "busy",
                        "speed-up\nover dense")

    def numbers(density, cycles, dense, utilisation) -> list[str]:
        time = [f"{cycles / forecast.clock:,.1f}"] if timed else []
        return [density, f"{cycles:,.0f}", *time, f"{utilisation:.1%}", f"{dense / cycles:.2f}"]
    for number, layer in enumerate(program.network.layers):
        tiles = [time for plan, time in zip(program.tiles, forecast.tiles)
                 if plan.layer == number]
        cycles = sum(time.cycles for time in tiles)
        table.add_row(layer.name, *numbers(
            f"{tiles[0].density:.1%}", cycles, sum(time.dense_cycles for time in tiles),
            sum(time.utilisation * time.cycles for time in tiles) / cycles))
    table.add_section()
    total = forecast.to_dict()
    table.add_row("all", *numbers(
        "", total["cycles"], total["dense_cycles"], total["utilisation"]), style="bold")
    return table


def _shape(layer: Layer) -> tuple[str, str, str]:
    """What a layer reads, its window (kernel / stride + padding), and what it writes: height x
    width x channels."""
    window = getattr(layer, "window", None)
    if window is None:
        return f"{layer.inputs:,}", "-", f"{layer.outputs:,}"
    text = window_text(window)
    if any(window.pad):
        text += " +" + ",".join(map(str, window.pad if len(set(window.pad)) > 1
                                     else window.pad[:1]))
    return (f"{window.height}x{window.width}x{window.channels}", text,
            f"{window.out_height}x{window.out_width}x{layer.channels}")


def _places(program: Program) -> Table:
    """Rows of activations, pointers and channels that each plan takes."""
    ranges = ("reads rows", "writes rows", "pointers", "channels")
    table = plain_table("where it lies in each PE", "layer", *ranges, ranges=ranges)
    for plan in program.tiles:
        source, target = _rows(plan)
        table.add_row(plan.name, _span(program, source), _span(program, target),
                      _words(plan.pointer_base, plan.columns + 1),
                      _words(plan.channel_base, plan.acc_rows))
    return table


def _entries(program: Program) -> Table:
    """Entries of each plan, and the cycles at which the watchdog ends it."""
    table = plain_table("entries in a PE, and the limit of cycles", "layer", "most entries",
                        "mean", "of them\nfillers", "watchdog")
    for plan in program.tiles:
        per_pe = plan.entry_count.sum(axis=1)
        table.add_row(plan.name, f"{per_pe.max():,}", f"{per_pe.mean():,.1f}",
                      f"{plan.filler_count.sum(axis=1).mean():,.1f}", f"{plan.cycle_limit:,}")
    return table


def _rows(plan: TilePlan) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row of activations that a plan reads and writes in a start."""
    walk, vectors = plan.walk, len(plan.part.vectors)
    first = walk.map_origin
    last = first + (vectors - 1) * walk.image_step \
        + (walk.height * walk.width - 1) * walk.pixel_stride + walk.pixel_rows - 1
    step = plan.memory_rows - 1 + plan.dst_step
    return (first, last), (plan.dst_origin, plan.dst_origin + plan.memory_rows - 1
                           + (vectors * walk.positions - 1) * step)


def _span(program: Program, rows: tuple[int, int]) -> str:
    """Rows of the two activation memories."""
    half = half_rows(program.config)
    texts = [f"{'A' if row < half else 'B'} {row % half:,}" for row in rows]
    return f"{texts[0]} .. {texts[1] if texts[1][0] != texts[0][0] else texts[1][2:]}"


def _words(first: int, count: int) -> str:
    return f"{first:,} .. {first + count - 1:,}"


def plan_dict(program: Program, forecast: Forecast) -> dict:
    """The same as plain values."""
    layers = []
    for plan, time in zip(program.tiles, forecast.tiles):
        layer = program.network.layers[plan.layer]
        fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
        fields = {name: value for name, value in fields.items()
                  if not isinstance(value, np.ndarray) and value is not None}
        source, target = _rows(plan)
        window = getattr(layer, "window", None)
        layers.append(fields | {
            "layer": plan.layer, "part": _part_dict(plan.part), "outputs": plan.outputs,
            "kind": kind_of(layer), "window": window and dataclasses.asdict(window),
            "walk": vars(plan.walk), "source_rows": source, "destination_rows": target,
            "entries": int(plan.entry_count.sum()), "fillers": int(plan.filler_count.sum()),
            "entries_per_pe": plan.entry_count.sum(axis=1).tolist(),
            "predicted": dataclasses.asdict(time)})
        del layers[-1]["predicted"]["name"]
    return {"network": program.network.name, "config": program.config.to_dict(),
            "vectors": program.vectors, "layers": layers, "predicted": forecast.to_dict(),
            "memories": {name: {"used": used, "available": getattr(program.config, name)}
                         for name, used in words_used(program).items()}}


def _part_dict(part: Part) -> dict:
    """Ranges as first and one past the last."""
    return vars(part) | {name: [one.start, one.stop] for name, one in vars(part).items()
                         if isinstance(one, range)}
