# SPDX-License-Identifier: Apache-2.0
"""A sweep's pictures: cycles over each field, and what they cost in memory."""
from collections.abc import Iterator
from typing import Any

from .figures import Figure
from .grid import Sweep

__all__ = ["sweep_charts"]


def sweep_charts(sweep: Sweep, rows: list[dict[str, Any]]) -> Iterator[Figure]:
    """For each swept field of numbers, the fewest cycles of each layer or network that any of
    the other fields' values gives."""
    for field, values in sweep.grid.items():
        if not all(isinstance(value, int) and value > 0 for value in values):
            continue
        x = tuple(sorted(values))
        series = {}
        for name in dict.fromkeys(row["name"] for row in rows):
            best = [min((row["cycles"] for row in rows if row["name"] == name
                         and row[field] == value and row["status"] == "ok"),
                        default=float("nan")) for value in x]
            series[name] = tuple(best)
        yield Figure(name=f"cycles-{field}", title=f"Fewest cycles over {field}", x_label=field,
                     y_label="cycles", x=x, series=series, log_y=True)
