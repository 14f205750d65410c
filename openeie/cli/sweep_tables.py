# SPDX-License-Identifier: Apache-2.0
"""Tables of a sweep's points: the cost of each, and where its cycles went."""
from typing import Any

from rich.table import Table

from ..core.array.counters import COUNTERS
from .tables import counter_heads, plain_table

__all__ = ["sweep_tables"]

_STALLS = COUNTERS[1:]


def sweep_tables(rows: list[dict[str, Any]], title: str) -> list[Table]:
    """A table of all points, and one of the shares of the PEs' cycles of those that were run."""
    heads = [head for head in rows[0] if head not in _STALLS]
    costs = plain_table(title, *heads, left=("name", "status"))
    for row in rows:
        costs.add_row(*(_text(row[head]) for head in heads))
    point = heads[:heads.index("status")]
    shares = plain_table("shares of the PEs' cycles", *point, "busy",
                         *counter_heads(_STALLS), left=("name",))
    for row in rows:
        if row["status"] == "ok":
            shares.add_row(*(_text(row[head]) for head in point),
                           *(f"{row[head]:.1%}" for head in ("utilisation", *_STALLS)))
    return [costs, shares]


def _text(value: Any) -> str:
    """A cell of the table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:,.1f}" if value >= 10 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
