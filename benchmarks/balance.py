# SPDX-License-Identifier: Apache-2.0
"""Cycles with rows in the given and in balanced orders, and their lower bounds; one JSON object.

    python benchmarks/balance.py [--pes 64] [--seed 1] [--markdown]

``layers``: EIE's nine layers (Table III: shape and densities; weights and activations are random),
with queues of 8, the paper's, and of 256. ``networks``: LeNet-300-100 on EIE16 and EIE64, LeNet-5
on NET16, with queues of 8 and without clusters; ``rates`` are measured on 200 other images than
those that are run.

``work`` is a lower bound of cycles for any assignment of rows: the mean over the PEs of
max(weights, PEs), summed over the broadcast columns, since a column costs each PE at least a cycle.
``bound`` adds the start of the scan and the writeback. ``total`` and ``column`` are imbalances,
relative to the mean: the weights of the busiest PE over all columns, and those of the busiest PE of
each column, summed. ``busiest`` is the work of the PE with most work, where a column without
entries counts as one cycle.
"""
import argparse
import inspect
import json
import sys

import numpy as np

import openeie
from openeie.cli.common import one_line_errors
from openeie.core import golden
from openeie.core.array.config import ArrayConfig, preset
from openeie.core.array.timing import Timing
from openeie.core.compile.balance import GOALS, balance_rows, balanced
from openeie.core.golden import column_rates
from openeie.core.network.graph import INPUT, Conv, Linear, Network
from openeie.core.numbers.sparse import SparseWeights, permuted
from openeie.sim.study.eie import paper_workloads
from openeie.sim.study.workload import Workload, occupancy
from openeie.sw.data.mnist import demo_images

NETWORKS = (("lenet-300-100", "EIE16", 200), ("lenet-300-100", "EIE64", 200),
            ("lenet-5", "NET16", 20))
#: Depth of queues that never fill.
_DEEP = 256
#: Images for the rates.
_CALIBRATION = 200


def imbalance(weights: SparseWeights, columns: np.ndarray, pes: int) -> dict[str, float]:
    """Imbalances ``total`` and ``column``; 1 is perfect balance."""
    counts, fillers = occupancy(weights, pes, run_width=8)
    held = (counts - fillers)[columns].astype(np.int64)
    mean = held.sum() / pes
    return {"total": float(held.sum(axis=0).max() / mean),
            "column": float(held.max(axis=1).sum() / mean)}


def work(weights: SparseWeights, columns: np.ndarray, pes: int) -> int:
    """Lower bound of the cycles for these columns, for any assignment of rows."""
    return -(-int(np.maximum(np.diff(weights.indptr)[columns], pes).sum()) // pes)


def bound(weights: SparseWeights, columns: np.ndarray, config: ArrayConfig, *,
          positions: int = 1) -> int:
    """Lower bound of a layer's cycles, for any assignment of rows (docs/timing.md)."""
    timing = Timing(config)
    last = timing.token + timing.row * -(-weights.shape[0] // config.pes)
    waits = max(work(weights, columns, config.pes) + positions - 1, (positions - 1) * last)
    return timing.first_scan + 4 + waits + last + timing.commit


def measure_layer(layer: Workload, pes: int) -> dict:
    """One of the nine layers."""
    config = preset("EIE64").replace(pes=pes, queue_depth=8)
    columns = np.flatnonzero(layer.acts[0])
    result: dict = {"layer": layer.name, "pes": pes,
                    "weights_by_pes": np.diff(layer.weights.indptr)[columns].sum() / pes,
                    "work": work(layer.weights, columns, pes),
                    "bound": bound(layer.weights, columns, config), "orders": {}}
    for by in (None, *GOALS[::-1]):
        weights = layer.weights
        if by is not None:
            weights = permuted(weights, balance_rows(weights, pes, by=by),
                               np.arange(layer.shape[1]))
        moved = Workload(name=layer.name, weights=weights, acts=layer.acts)
        time = moved.time(config)
        result["orders"][by or "as they are"] = {
            "cycles": time.cycles, "fillers": time.total("filler"),
            "cycles_deep": moved.time(config.replace(queue_depth=_DEEP)).cycles,
            "imbalance": imbalance(weights, columns, pes)}
    return result


def _read(network: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs of each layer with a matrix, [inputs, positions, n]."""
    values = {INPUT: x} | dict(zip((layer.name for layer in network.layers),
                                   golden.network(network, x)))
    seen = {}
    for number, layer in enumerate(network.layers):
        if isinstance(layer, Linear):
            read = network.read(number, values)
            if isinstance(layer, Conv):
                seen[layer.name] = layer.window.gather(read)
            else:
                seen[layer.name] = read[:, np.newaxis]
    return seen


def _layers(network: Network, x: np.ndarray, config: ArrayConfig) -> dict[str, dict[str, float]]:
    """Bound, busiest PE and imbalances of each layer with a matrix, as means over the inputs."""
    found = {}
    for layer in network.layers:
        if not isinstance(layer, Linear):
            continue
        columns = [np.nonzero(one)[1] for one in _read(network, x)[layer.name]]
        counts, _ = occupancy(layer.weights, config.pes, config.run_width)
        each = [{"bound": bound(layer.weights, one, config, positions=layer.positions),
                 "busiest": np.maximum(counts, 1)[one].sum(axis=0).max()}
                | imbalance(layer.weights, one, config.pes) for one in columns]
        found[layer.name] = {key: float(np.mean([one[key] for one in each])) for key in each[0]}
    return found


def measure_network(name: str, array: str, images: int, all_images: np.ndarray) -> dict:
    """A network in the package, in each order; its outputs must not change."""
    network = openeie.load(openeie.shipped(name))
    config = preset(array).replace(queue_depth=8, clusters=1)
    x = all_images[:images]
    rates = column_rates(network, all_images[images:images + _CALIBRATION])
    expected = openeie.simulate(network, x, config=config, engine="golden").outputs
    result: dict = {"network": name, "config": array, "images": images, "orders": {}}
    for title, by, given in (("as they are", None, None), ("entries", "entries", None),
                             ("columns", "columns", None), ("columns, rates", "columns", rates)):
        moved = network if by is None else balanced(network, config.pes, given, by=by)
        run = openeie.simulate(moved, x, config=config)
        about = _layers(moved, x, config)
        assert np.array_equal(run.outputs, expected)
        result["orders"][title] = {
            "cycles": float(run.cycles.mean()),
            "layers": {layer.name: {"cycles": float(layer.cycles.mean())}
                       | about.get(layer.name, {}) for layer in run.layers}}
    return result


def _markdown(result: dict) -> None:
    """Print the rows of the tables in docs/balance.md."""
    for one in result["layers"]:
        cells = [one["layer"]]
        for key in ("cycles", "cycles_deep"):
            cells += [f"{order[key]:,}" for order in one["orders"].values()]
        cells += [f"{one['bound']:,}", f"{one['weights_by_pes']:,.0f}"]
        both = [one["orders"][order]["imbalance"] for order in ("as they are", "columns")]
        cells += [" -> ".join(f"{each[kind]:.2f}" for each in both)
                  for kind in ("total", "column")]
        cells.append(" -> ".join(f"{one['orders'][order]['fillers'] / one['pes']:,.0f}"
                                 for order in ("as they are", "columns")))
        print("| " + " | ".join(cells) + " |")
    for one in result["networks"]:
        orders = list(one["orders"].values())
        cells = [f"{order['cycles']:,.1f}" for order in orders]
        print(f"| {one['network']}, {one['config']} | all | {' | '.join(cells)} | | | |")
        for name in orders[0]["layers"]:
            layers = [order["layers"][name] for order in orders]
            if "bound" not in layers[0]:
                continue
            cells = [f"{layer['cycles']:,.1f}" for layer in layers]
            cells.append(f"{layers[0]['bound']:,.1f}")
            cells.append(", ".join(f"{layer['total']:.2f}" for layer in layers[:3]))
            cells.append(", ".join(f"{layer['busiest']:,.0f}" for layer in layers[:3]))
            print(f"| | {name} | {' | '.join(cells)} |")


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pes", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true",
                        help="print the tables of docs/balance.md")
    options = parser.parse_args()
    images, _ = demo_images()
    result = {"seed": options.seed,
              "layers": [measure_layer(layer, options.pes)
                         for layer in paper_workloads(options.seed)],
              "networks": [measure_network(*case, images) for case in NETWORKS]}
    if options.markdown:
        _markdown(result)
    else:
        print(json.dumps(result))


if __name__ == "__main__":
    with one_line_errors():
        main()
