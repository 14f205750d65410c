# SPDX-License-Identifier: Apache-2.0
"""Tables for people."""
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from ..core.array.counters import COUNTERS
from ..core.artefact.inspect import Contents, LayerColumns
from ..core.network.window import Window
from ..core.run import LayerRun, Run

if TYPE_CHECKING:
    from ..sw.quantise.report import QuantiseReport

__all__ = ["plain_table", "counter_heads", "window_text", "compression_tables",
           "quantisation_table", "run_tables", "run_dict", "share_text"]

# Broken so that every table fits a terminal of 80 columns.
_HEADS = {"empty_column": "empty\ncolumn", "writeback": "write-\nback"}


def plain_table(title: str, *names: str, left: tuple[str, ...] = ("layer",),
                ranges: tuple[str, ...] = ()) -> Table:
    """An empty table; columns are words in ``left``, ranges, or numbers.

    Where there is too little room, words and ranges go on in the next line, and nothing is cut
    off.
    """
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in left else "right",
                         no_wrap=name not in (*left, *ranges), overflow="fold")
    return table


def counter_heads(names: Iterable[str]) -> list[str]:
    """Counters as heads of columns."""
    return [_HEADS.get(name, name) for name in names]


def window_text(window: Window) -> str:
    """A kernel and, if it is not 1, its stride: ``3x3/2``, ``3x3/2,1``."""
    text, stride = "x".join(map(str, window.kernel)), window.stride
    if stride == (1, 1):
        return text
    return f"{text}/{stride[0]}" if stride[0] == stride[1] else f"{text}/{stride[0]},{stride[1]}"


def compression_tables(contents: Contents) -> list[Table]:
    """Kernels and maps, if there are any, and Deep Compression's columns: weights kept, bits
    before and after Huffman coding, rates."""
    tables = [_compression(contents)]
    if any(layer.window for layer in contents.layers):
        walks = plain_table(f"{contents.name}: kernels and maps", "layer", "kernel, map",
                            left=("layer", "kernel, map"))
        for layer in contents.layers:
            walks.add_row(layer.name, _kernel(layer))
        tables.insert(0, walks)
    return tables


def quantisation_table(report: "QuantiseReport") -> Table:
    """What each layer lost when it became integers."""
    heads, *rows = report.rows()
    table = plain_table(f"errors on {report.inputs} calibration inputs, in shares of the largest "
                        f"value", *heads)
    for row in rows:
        table.add_row(*row)
    return table


def _compression(contents: Contents) -> Table:
    table = plain_table(
        f"{contents.name}: {contents.file_bytes:,} bytes on disk, "
        f"{contents.factor:.1f}x smaller than float32",
        "layer", "weights", "kept\n(P)", "fill-\ners",
        "weight\nbits\n(P+Q)", "weight\nbits\n(P+Q+H)", "index\nbits\n(P+Q)",
        "index\nbits\n(P+Q+H)", "rate\n(P+Q)", "rate\n(P+Q+H)")

    def row(layer: LayerColumns, *, style=None):
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


def _kernel(layer: LayerColumns) -> str:
    """A kernel and its stride, what another layer than a convolution does with it, and the map it
    goes over: ``3x3/2 max, 111x111x96``."""
    if layer.window is None:
        return ""
    window, text = layer.window, window_text(layer.window)
    if layer.kind != "conv":
        text += f" {layer.kind.removesuffix(' pool')}"
    return f"{text}, {window.height}x{window.width}x{window.channels}"


def run_tables(run: Run, *, title: str) -> list[Table]:
    """Per layer, an input's cycles and entries on average, and what the PEs did with the cycles:
    busy with entries, a pool's too, or not."""
    inputs = len(run.outputs)
    work = plain_table(title, "layer", "cycles", "entries", "fillers", "busy",
                       "saturated")
    rest = plain_table("the PEs' other cycles", "layer", *counter_heads(COUNTERS[1:]))

    def row(name, layers: list[LayerRun], *, style=None):
        cycles = sum(int(layer.cycles.sum()) for layer in layers)
        totals = {counter: sum(layer.total(counter) for layer in layers) for counter in COUNTERS}
        busy, *others = (f"{total / (cycles * run.config.pes):.1%}" for total in totals.values())
        work.add_row(name, f"{cycles / inputs:,.1f}",
                     f"{(totals['busy'] + totals['filler']) / inputs:,.1f}",
                     f"{totals['filler'] / inputs:,.1f}", busy,
                     share_text(_saturated_share(layers)), style=style)
        rest.add_row(name, *others, style=style)
    for layer in run.layers:
        row(layer.name, [layer])
    work.add_section()
    rest.add_section()
    row("all", list(run.tiles), style="bold")
    return [work, rest]


def _saturated_share(layers: list[LayerRun]) -> float:
    """Of the outputs of all ``layers``."""
    return sum(int(layer.saturated.sum()) for layer in layers) / max(
        1, sum(layer.computed for layer in layers))


def share_text(share: float) -> str:
    """A small share, so that a single one among many does not look like none."""
    return "0" if not share else f"{share:.2%}" if share >= 1e-4 else "< 0.01%"


def run_dict(run: Run, *, per_pe: bool = False) -> dict:
    """A run as plain values; sums over all starts."""
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
