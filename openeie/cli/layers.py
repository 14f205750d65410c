# SPDX-License-Identifier: Apache-2.0
"""Tables of a run, by layer: the work of each layer, and where its cycles went."""
from rich.table import Table

from ..sim.views.summary import SHARES, LayerSummary, Summary
from .tables import counter_heads, plain_table, share_text

__all__ = ["layer_tables"]


def layer_tables(summary: Summary) -> list[Table]:
    """A table of work and speed-up, and one of the shares of the PEs' cycles. Numbers are means
    per input."""
    of = "one input" if summary.inputs == 1 else f"mean of {summary.inputs:,} inputs"
    where = f"{summary.network}, {summary.pes} PEs, {summary.engine}"
    work = plain_table(f"{where}: {of}", "layer", "MACs", "weights\nnon-zero", "acts\nnon-zero",
                       "entries", "cycles", "cycles\ndense", "speed-\nup", "satu-\nrated")
    shares = plain_table("shares of the PEs' cycles", "layer", "MAC\nutil.",
                         *counter_heads(SHARES[1:]))
    for layer in (*summary.layers, summary.total):
        if layer.kind == "all":
            work.add_section()
            shares.add_section()
        style = "bold" if layer.kind == "all" else None
        work.add_row(*_work(layer, summary.inputs), style=style)
        shares.add_row(layer.name, *(f"{share:.1%}" for share in layer.shares.values()),
                       style=style)
    return [work, shares]


def _work(layer: LayerSummary, inputs: int) -> list[str]:
    """A row of the first table."""
    macs = f"{layer.macs / inputs:,.0f}" if layer.macs else "-"
    density = "-" if layer.weight_density is None else f"{layer.weight_density:.1%}"
    return [layer.name, macs, density,
            f"{layer.activation_density:.1%}", f"{layer.entries / inputs:,.0f}",
            f"{layer.cycles / inputs:,.0f}", f"{layer.dense_cycles / inputs:,.0f}",
            f"{layer.speedup:.2f}", share_text(layer.saturated_share)]
