# SPDX-License-Identifier: Apache-2.0
"""A sweep's points as tables for people: what each costs, and where its cycles went."""
from typing import Any

from rich.table import Table

from ..core.array.counters import COUNTERS
from .tables import counter_heads, plain_table

__all__ = ["sweep_tables"]

_STALLS = COUNTERS[1:]


def sweep_tables(rows: list[dict[str, Any]], title: str) -> list[Table]:
    """Points, then the shares of the PEs' cycles of those that have an array."""
    heads = [head for head in rows[0] if head not in _STALLS]
    costs = plain_table(title, *heads, left=("name", "status"))
    for row in rows:
        costs.add_row(*(_text(row[head]) for head in heads))
    point = heads[:heads.index("status")]
    shares = plain_table("what the PEs did with their cycles", *point, "busy",
                         *counter_heads(_STALLS), left=("name",))
    for row in rows:
        if row["status"] == "ok":
            shares.add_row(*(_text(row[head]) for head in point),
                           *(f"{row[head]:.1%}" for head in ("utilisation", *_STALLS)))
    return [costs, shares]


def _text(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:,.1f}" if value >= 10 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
