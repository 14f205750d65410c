# SPDX-License-Identifier: Apache-2.0
"""Tables for people."""
from rich import box
from rich.table import Table

from ..core.counters import COUNTERS
from ..core.inspect import Contents, LayerColumns
from ..core.program import Program
from ..core.run import LayerRun, Run

# Broken so that every table fits a terminal of 80 columns.
_HEADS = {"empty_column": "empty\ncolumn", "writeback": "write-\nback"}

__all__ = ["compression_table", "run_table", "plan_tables", "run_dict", "memory_use"]


def compression_table(contents: Contents) -> Table:
    """Deep Compression's columns: weights kept, bits before and after Huffman coding, rates."""
    table = Table(title=f"{contents.name}: {contents.file_bytes:,} bytes on disk, "
                        f"{contents.factor:.1f}x smaller than float32",
                  box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    walks = any(layer.window for layer in contents.layers)
    for name in ("layer", *["kernel, map"] * walks, "weights", "kept\n(P)", "fill-\ners",
                 "weight\nbits\n(P+Q)", "weight\nbits\n(P+Q+H)", "index\nbits\n(P+Q)",
                 "index\nbits\n(P+Q+H)", "rate\n(P+Q)", "rate\n(P+Q+H)"):
        table.add_column(name, justify="left" if name in ("layer", "kernel, map") else "right")

    def row(layer: LayerColumns, *, style=None):
        names = [layer.name, *[_kernel(layer)] * walks]
        if not layer.weights:
            table.add_row(*names, style=style)
            return
        table.add_row(
            *names, f"{layer.weights:,}", f"{layer.kept_share:.1%}", f"{layer.fillers:,}",
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
    window, stride = layer.window, layer.window.stride
    text = "x".join(map(str, window.kernel))
    if stride != (1, 1):
        text += f"/{stride[0]}" if stride[0] == stride[1] else f"/{stride[0]},{stride[1]}"
    if layer.kind != "conv":
        text += f" {layer.kind.removesuffix(' pool')}"
    return f"{text}, {window.height}x{window.width}x{window.channels}"


def run_table(run: Run, *, title: str) -> Table:
    """Per layer, an input's cycles on average, entries, utilisation and where the rest went."""
    starts = len(run.cycles)
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    names = ("layer", "cycles", "entries", "fill-\ners", "util.",
             *(_HEADS.get(name, name) for name in COUNTERS[2:]))
    for name in names:
        table.add_column(name, justify="left" if name == "layer" else "right")

    def row(name, layers: list[LayerRun], *, style=None):
        cycles = sum(int(layer.cycles.sum()) for layer in layers)
        totals = {counter: sum(layer.total(counter) for layer in layers) for counter in COUNTERS}
        pe_cycles = cycles * run.config.pes
        table.add_row(
            name, f"{cycles / starts:,.1f}",
            f"{(totals['busy'] + totals['filler']) / starts:,.1f}",
            f"{totals['filler'] / starts:,.1f}", f"{totals['busy'] / pe_cycles:.1%}",
            *(f"{totals[counter] / pe_cycles:.1%}" for counter in COUNTERS[2:]), style=style)
    for layer in run.layers:
        row(layer.name, [layer])
    table.add_section()
    row("all", list(run.layers), style="bold")
    return table


def run_dict(run: Run, *, per_pe: bool = False) -> dict:
    """A run as plain values; sums over all starts."""
    layers = []
    for layer in run.layers:
        entry: dict = {"name": layer.name}
        if layer.cycles is not None:
            entry |= {"cycles": int(layer.cycles.sum()), "utilisation": layer.utilisation,
                      "entries": layer.total("busy") + layer.total("filler"),
                      "counters": {name: layer.total(name) for name in COUNTERS}}
            if per_pe:
                entry["counters_per_pe"] = layer.counters.sum(axis=0).tolist()
        layers.append(entry)
    result = {"engine": run.engine, "config": run.config.to_dict(), "inputs": len(run.outputs),
              "layers": layers}
    if run.layers[0].cycles is not None:
        result |= {"starts": len(run.cycles), "cycles": int(run.cycles.sum())}
    return result


def plan_tables(program: Program) -> list[Table]:
    """Where a program lies in the array's memories."""
    layers = Table(title=f"{program.network.name} on {program.config.pes} PEs")
    for name in ("layer", "encoding", "inputs", "outputs", "entries", "fillers",
                 "most entries in a PE", "mean", "watchdog"):
        layers.add_column(name, justify="left" if name in ("layer", "encoding") else "right")
    for plan in program.layers:
        per_pe = plan.entry_count.sum(axis=1)
        layers.add_row(plan.name, plan.encoding, f"{plan.inputs:,}", f"{plan.outputs:,}",
                       f"{per_pe.sum():,}", f"{plan.filler_count.sum():,}", f"{per_pe.max():,}",
                       f"{per_pe.mean():,.1f}", f"{plan.cycle_limit:,}")
    memories = Table(title="memories of each PE")
    for name in ("memory", "used", "available", "share"):
        memories.add_column(name, justify="left" if name == "memory" else "right")
    for name, (used, available) in memory_use(program).items():
        memories.add_row(name, f"{used:,}", f"{available:,}", f"{used / available:.0%}")
    return [layers, memories]


def memory_use(program: Program) -> dict[str, tuple[int, int]]:
    """Words used and available, by the configuration's field."""
    config, plans = program.config, program.layers
    used = {"entry_depth": program.entries.shape[1], "pointer_depth": program.pointers.shape[1],
            "channel_depth": program.channels.shape[1],
            "act_depth": program.act_depth,
            "acc_depth": max(plan.dst_rows for plan in plans), "max_layers": len(plans)}
    return {name: (value, getattr(config, name)) for name, value in used.items()}
