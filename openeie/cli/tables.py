# SPDX-License-Identifier: Apache-2.0
"""Tables that verbs print, and a run as plain values."""
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.array.counters import COUNTERS

if TYPE_CHECKING:
    from rich.table import Table

    from ..core.artefact.inspect import Contents, LayerColumns
    from ..core.network.window import Window
    from ..core.run import LayerRun, Run
    from ..sw.quantise.report import QuantiseReport

__all__ = ["plain_table", "counter_heads", "window_text", "compression_tables",
           "quantisation_table", "run_tables", "run_dict", "share_text"]

# Headings with line breaks, so that every table fits a terminal of 80 columns.
_HEADS = {"empty_column": "empty\ncolumn", "writeback": "write-\nback"}


def plain_table(title: str, *names: str, left: tuple[str, ...] = ("layer",),
                ranges: tuple[str, ...] = ()) -> "Table":
    """An empty table with the columns ``names``.

    Parameters
    ----------
    left : columns of words, which are aligned left.
    ranges : columns of ranges. All other columns are numbers, which are never wrapped or cut off.
    """
    from rich import box
    from rich.table import Table
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in left else "right",
                         no_wrap=name not in (*left, *ranges), overflow="fold")
    return table


def counter_heads(names: Iterable[str]) -> list[str]:
    """Column headings for counters."""
    return [_HEADS.get(name, name) for name in names]


def window_text(window: "Window") -> str:
    """A kernel, and its stride if that is not 1: ``3x3``, ``3x3/2``, ``3x3/2,1``."""
    text = "x".join(map(str, window.kernel))
    down, across = window.stride
    if (down, across) == (1, 1):
        return text
    return f"{text}/{down}" if down == across else f"{text}/{down},{across}"


def compression_tables(contents: "Contents") -> "list[Table]":
    """Sizes in the columns of Deep Compression: weights kept, bits before and after Huffman
    coding, and compression rates; before it kernels and maps, if there are any."""
    tables = [_compression(contents)]
    if any(layer.window for layer in contents.layers):
        walks = plain_table(f"{contents.name}: kernels and maps", "layer", "kernel, map",
                            left=("layer", "kernel, map"))
        for layer in contents.layers:
            walks.add_row(layer.name, _kernel(layer))
        tables.insert(0, walks)
    return tables


def quantisation_table(report: "QuantiseReport") -> "Table":
    """Errors of each layer due to quantisation."""
    heads, *rows = report.rows()
    table = plain_table(f"errors on {report.inputs} calibration inputs, as shares of the largest "
                        f"value", *heads)
    for row in rows:
        table.add_row(*row)
    return table


def _compression(contents: "Contents") -> "Table":
    table = plain_table(
        f"{contents.name}: {contents.file_bytes:,} bytes on disk, "
        f"{contents.factor:.1f}x smaller than float32",
        "layer", "weights", "kept\n(P)", "fill-\ners",
        "weight\nbits\n(P+Q)", "weight\nbits\n(P+Q+H)", "index\nbits\n(P+Q)",
        "index\nbits\n(P+Q+H)", "rate\n(P+Q)", "rate\n(P+Q+H)")

    def row(layer: "LayerColumns", *, style: str | None = None) -> None:
        if not layer.weights:
            table.add_row(layer.name, style=style)
            return
        table.add_row(
            layer.name, f"{layer.weights:,}", f"{layer.kept_share:.1%}", f"{layer.fillers:,}",
            f"{layer.weight_bits:.1f}", f"{layer.weight_bits_huffman:.2f}",
            f"{layer.index_bits:.1f}", f"{layer.index_bits_huffman:.2f}",
            f"{layer.rate_shared:.2%}", f"{layer.rate_stored:.2%}", style=style)

    for layer in contents.layers:
        row(layer)
    table.add_section()
    row(contents.total, style="bold")
    return table


def _kernel(layer: "LayerColumns") -> str:
    """A kernel, the kind of layer unless it is a convolution, and the input map, such as
    ``3x3/2 max, 111x111x96``."""
    window = layer.window
    if window is None:
        return ""
    text = window_text(window)
    if layer.kind != "conv":
        text += f" {layer.kind.removesuffix(' pool')}"
    return f"{text}, {window.height}x{window.width}x{window.channels}"


def run_tables(run: "Run", *, title: str) -> "list[Table]":
    """Cycles and entries of each layer, as means per input, and the shares of the PEs' cycles.

    A PE is busy in the cycles in which it executes an entry, also one of a pool.
    """
    inputs = len(run.outputs)
    work = plain_table(title, "layer", "cycles", "entries", "fillers", "busy",
                       "saturated")
    rest = plain_table("other cycles of the PEs", "layer", *counter_heads(COUNTERS[1:]))

    def row(layer: "LayerRun", *, style: str | None = None) -> None:
        cycles = int(layer.cycles.sum())
        totals = {counter: layer.total(counter) for counter in COUNTERS}
        busy, *others = (f"{total / (cycles * run.config.pes):.1%}" for total in totals.values())
        work.add_row(layer.name, f"{cycles / inputs:,.1f}",
                     f"{(totals['busy'] + totals['filler']) / inputs:,.1f}",
                     f"{totals['filler'] / inputs:,.1f}", busy,
                     share_text(layer.saturated_share), style=style)
        rest.add_row(layer.name, *others, style=style)

    for layer in run.layers:
        row(layer)
    work.add_section()
    rest.add_section()
    row(_all_layers(run), style="bold")
    return [work, rest]


def _all_layers(run: "Run") -> "LayerRun":
    """All layers of a run as one: their cycles, counters and saturated outputs added up."""
    import numpy as np

    from ..core.run import LayerRun
    layers = run.layers
    return LayerRun(name="all", outputs=run.outputs, cycles=run.cycles,
                    counters=np.sum([layer.counters for layer in layers], axis=0),
                    saturated=np.sum([layer.saturated for layer in layers], axis=0),
                    tiled_outputs=sum(layer.computed for layer in layers))


def share_text(share: float) -> str:
    """A share that is usually small; one that is not 0 does not look like 0."""
    if not share:
        return "0"
    return f"{share:.2%}" if share >= 1e-4 else "< 0.01%"


def run_dict(run: "Run", *, per_pe: bool = False) -> dict:
    """A run as plain values; numbers are sums over all launches."""
    layers = []
    tiles = Counter(number if layer.part is None else layer.part.layer
                    for number, layer in enumerate(run.tiles))
    for layer, (_, count) in zip(run.layers, sorted(tiles.items())):
        entry: dict = {"name": layer.name, "tiles": count,
                       "saturated": int(layer.saturated.sum()),
                       "saturated_share": layer.saturated_share}
        if layer.cycles is not None:
            entry |= {"cycles": int(layer.cycles.sum()), "utilisation": layer.utilisation,
                      "entries": layer.total("busy") + layer.total("filler"),
                      "counters": {name: layer.total(name) for name in COUNTERS}}
            if per_pe:
                entry["counters_per_pe"] = layer.counters.sum(axis=0).tolist()
        layers.append(entry)
    result = {"engine": run.engine, "config": run.config and run.config.to_dict(),
              "inputs": len(run.outputs),
              "layers": layers, "warnings": list(run.warnings)}
    if run.tiles[0].cycles is not None:
        result |= {"starts": len(run.cycles), "cycles": int(run.cycles.sum())}
    return result
