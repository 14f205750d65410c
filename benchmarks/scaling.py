# SPDX-License-Identifier: Apache-2.0
"""Time of a cycle-exact answer by broadcast columns and PEs, as JSON and as a chart.

    python benchmarks/scaling.py [--seconds S] [--picture FILE.svg] [--baseline FOLDER]

Layers of 4096 outputs at 9 % density and of 512 to 8192 inputs, all of them broadcast, on 1 to 1024
PEs. Only the recurrence is timed, in one thread: the best of as many repetitions as fit in
``--seconds``. If the cost is linear, a column costs the same in a long layer as in a short one,
and its cost is a linear function of the PEs: ``fit`` is that function. ``--baseline`` runs the same
in a checkout of another commit and adds ratios (``baseline.py``).
"""
import argparse
import io
import json
import time
from pathlib import Path

import numpy as np
from baseline import with_baseline

from openeie.cli.common import one_line_errors
from openeie.cli.outputs import check_writable, write_atomically
from openeie.core.array.config import preset
from openeie.sim.study.workload import Workload, random_workload

INPUTS = (512, 2048, 8192)
PES = tuple(1 << k for k in range(11))


def seconds_of(layer: Workload, pes: int, seconds: float) -> float:
    """Shortest time of an answer; the positions of the entries are computed before."""
    config = preset("EIE64").replace(pes=pes)
    layer.time(config)
    best = float("inf")
    end = time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        layer.time(config)
        best = min(best, time.perf_counter() - began)
    return best


def measure(seconds: float) -> list[dict]:
    """A point for each number of inputs and of PEs."""
    points = []
    for inputs in INPUTS:
        layer = random_workload("layer", (4096, inputs), weight_density=0.09, act_density=1.0,
                                seed=0)
        for pes in PES:
            took = seconds_of(layer, pes, seconds)
            points.append({"inputs": inputs, "pes": pes, "seconds": took,
                           "ns_per_column": took / inputs * 1e9})
    return points


def fit(points: list[dict]) -> dict[str, float]:
    """Least-squares line through all points: ns of a column, and ns of each PE."""
    slope, base = np.polyfit([point["pes"] for point in points],
                             [point["ns_per_column"] for point in points], 1)
    return {"ns_per_column": float(base), "ns_per_column_and_pe": float(slope)}


def draw(points: list[dict], path: Path) -> None:
    """Draw the cost of a column over the number of PEs, and the line."""
    import matplotlib
    from matplotlib.figure import Figure
    line = fit(points)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "openeie"}):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for inputs, marker in zip(INPUTS, "osv"):
            mine = [point for point in points if point["inputs"] == inputs]
            axes.plot([point["pes"] for point in mine],
                      [point["ns_per_column"] for point in mine], marker, markersize=5,
                      label=f"{inputs:,} broadcast columns")
        base, slope = line.values()
        axes.plot([0, PES[-1]], [base, base + slope * PES[-1]], "--", color="#999999", zorder=0,
                  label=f"{base:.0f} ns + {slope:.2f} ns x PEs")
        axes.set_xlabel("PEs")
        axes.set_ylabel("ns per broadcast column, one thread")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.grid(color="#dddddd", linewidth=0.6)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix[1:],
                       metadata={"Date": None} if path.suffix == ".svg" else None)
    write_atomically(path, buffer.getvalue())


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each point")
    parser.add_argument("--picture", type=Path, help="draw a chart to this file (.svg, .png)")
    parser.add_argument("--baseline", type=Path, help="a checkout to compare with")
    options = parser.parse_args()
    check_writable(options.picture)
    points = measure(options.seconds)
    if options.picture:
        draw(points, options.picture)
    result = {"schema_version": 1, "threads": 1, "fit": fit(points), "points": points}
    print(json.dumps(with_baseline(result, options.baseline, "scaling.py",
                                   ["--seconds", str(options.seconds)]), indent=2))


if __name__ == "__main__":
    with one_line_errors():
        main()
