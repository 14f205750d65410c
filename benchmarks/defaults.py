# SPDX-License-Identifier: Apache-2.0
"""EIE's nine layers on the paper's array and on what the compiler makes of EIE64; one JSON object.

    python benchmarks/defaults.py [--seed 1] [--markdown]

``paper``: queues of 8, runs of 4 bits. ``queue``: the preset, with its queues of 16. ``chosen``:
the preset with the run width that the compiler chooses for the layer in the preset's memories;
``words`` are those of entry memory in the fullest PE, before and after. ``least`` is the
theoretical time of the paper's array, whose PEs never wait. Weights and activations are random, at
the densities of Table III. A layer alone cannot be balanced: its rows are the network's outputs.
"""
import argparse
import inspect
import json
import statistics
import sys

from openeie.cli.common import one_line_errors
from openeie.core.array.config import preset
from openeie.core.compile.automatic import compile_for
from openeie.sim.study.eie import paper_array, paper_workloads
from openeie.sim.study.workload import Workload


def measure_layer(layer: Workload) -> dict:
    """Cycles of one layer on the three arrays."""
    network = layer.network()
    program = compile_for(network, "EIE64")
    plain = compile_for(network, preset("EIE64"))
    paper = layer.time(paper_array())
    return {"layer": layer.name, "paper": paper.cycles, "least": paper.least_cycles,
            "queue": layer.time(preset("EIE64")).cycles,
            "chosen": layer.time(program.config).cycles, "run_width": program.config.run_width,
            "words": [plain.entries.shape[1], program.entries.shape[1]]}


def lines(rows: list[dict]) -> list[str]:
    """The table in docs/results.md."""
    result = ["| layer | theoretical | queues of 8 | queues of 16 | chosen | run width "
              "| words of entries |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        before, after = row["words"]
        result.append(f"| {row['layer']} | {row['least']:,.0f} | {row['paper']:,} "
                      f"| {row['queue']:,} | {row['chosen']:,} | {row['run_width']} "
                      f"| {before:,} -> {after:,} |")
    means = " | ".join(f"{mean:.3f}" for mean in ratios(rows).values())
    return [*result, f"| mean / theoretical | 1 | {means} | | |"]


def ratios(rows: list[dict]) -> dict[str, float]:
    """Mean of the layers' cycles / theoretical, of each array."""
    return {name: statistics.mean(row[name] / row["least"] for row in rows)
            for name in ("paper", "queue", "chosen")}


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true",
                        help="print the table in docs/results.md")
    options = parser.parse_args()
    rows = [measure_layer(layer) for layer in paper_workloads(options.seed)]
    if options.markdown:
        print("\n".join(lines(rows)))
    else:
        print(json.dumps({"layers": rows, "means": ratios(rows)}))


if __name__ == "__main__":
    with one_line_errors():
        main()
