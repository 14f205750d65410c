# SPDX-License-Identifier: Apache-2.0
"""Speed of the engine ``fast`` in PE-cycles per second, as JSON; ``--rtl`` compares with ``rtl``.

    python benchmarks/fast_speed.py [--rtl] [--images N] [--seconds S] [--seed S]
        [--baseline FOLDER]

Weights and activations are random, with the densities of EIE's Table III. A rate is simulated
cycles x PEs / seconds of one thread: the best of as many repetitions as fit in ``--seconds``.
Decoding the memory images is timed once, separately. ``encode_seconds`` is the time from dense
matrices of codebook slots to packed entry words. ``memory_of_encoded`` is the memory of the decoded
layers, and the peak while decoding, divided by the bytes of entries and pointers. ``start_up`` is a
process that takes VGG-6 from dense float32 weights to its first run: CPU seconds by step, and the
memory that it needs beside the dense weights, as a multiple of them. ``--baseline`` runs the same
in a checkout of another commit and adds ratios (``baseline.py``).
"""
import argparse
import json
import platform
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from baseline import with_baseline

from openeie.cli.common import one_line_errors
from openeie.core.array.config import ArrayConfig, preset
from openeie.core.compile.compile import compile_network
from openeie.core.compile.program import Program
from openeie.core.entries.encoding import encode_entries, pack_fixed
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.fixed import quantise_scale
from openeie.core.numbers.sparse import SparseWeights
from openeie.core.run import LayerRun, Run
from openeie.sim.fast import fast
from openeie.sim.fast.decoded import decode
from openeie.sim.rtl.drive import read_counters, read_outputs
from openeie.sim.study.workload import Workload

#: name: preset, sizes of layers, weight densities, activation density, images.
CASES = {
    "Alex-6": ("EIE64", (9216, 4096), (0.09,), 0.351, 8),
    "4096-4096-1000": ("EIE64", (4096, 4096, 1000), (0.09, 0.09), 0.353, 8),
    "LeNet-300-100": ("EIE16", (784, 300, 100, 10), (0.08, 0.09, 0.26), 0.19, 10_000),
}


def random_network(sizes: Sequence[int], densities: Sequence[float],
                   rng: np.random.Generator) -> Network:
    """A network whose activations stay in range, about half of them positive."""
    layers = []
    for number, (n, m, density) in enumerate(zip(sizes, sizes[1:], densities)):
        codes = rng.integers(1, 16, (m, n), dtype=np.uint8)
        codes[rng.random((m, n), dtype=np.float32) >= density] = 0
        codebook = np.concatenate([[0], np.round(rng.normal(0, 3000, 15)).astype(np.int64)])
        codebook[1:][codebook[1:] == 0] = 1
        multiplier, shift = quantise_scale(1 / (3000 * (n * density) ** 0.5))
        layers.append(Linear(
            name=f"fc{number + 1}", weights=SparseWeights.from_codes(codes, codebook),
            bias=np.zeros(m, np.int64), multiplier=np.full(m, multiplier),
            shift=np.full(m, shift)))
    return Network(name="random", layers=tuple(layers), input_range=(-4096, 4096))


def random_inputs(count: int, n: int, density: float, rng: np.random.Generator) -> np.ndarray:
    """Activations, int64 [count, n], not negative, as after a ReLU."""
    x = rng.integers(1, 4096, (count, n))
    return np.where(rng.random((count, n)) < density, x, 0)


def best_of(call: Callable[[], Any], seconds: float) -> tuple[Any, float]:
    """Result and shortest time of calls for about ``seconds``; the first call does not count."""
    result = call()
    best = float("inf")
    end = time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - began)
    return result, best


def encode_dense(network: Network, config: ArrayConfig, seconds: float) -> float:
    """Seconds from dense matrices to packed words, for all layers together."""
    dense = []
    for layer in network.layers:
        codes = np.zeros(layer.weights.shape, np.uint8)
        codes[layer.weights.rows, layer.weights.columns] = layer.weights.codes
        dense.append((codes, layer.weights.codebook))

    def encode() -> None:
        for codes, codebook in dense:
            weights = SparseWeights.from_codes(codes, codebook)
            pack_fixed(config, "codebook", encode_entries(weights, config.pes, config.max_run))

    return best_of(encode, seconds)[1]


def memory(program: Program) -> dict[str, float]:
    """Memory of the decoded layers, and the peak while decoding, divided by the encoded bytes."""
    config = program.config
    encoded = sum(int(tile.entry_count.sum()) * config.entry_widths["codebook"] / 8
                  + config.pes * (tile.columns + 1) * 4 for tile in program.tiles)
    tracemalloc.start()
    decoded = decode(program)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(decoded) == len(program.tiles)
    return {"decoded": held / encoded, "peak": peak / encoded}


def timed_only(program: Program, layers: Sequence, acts: Sequence[np.ndarray], *, counted: bool
               ) -> int:
    """PE-cycles of all layers, without values: the inputs ``acts`` of each layer are known."""
    config = program.config
    return config.pes * sum(
        fast.layer_cycles(fast.broadcast_items(vector), layer.counts[0], layer.fillers[0],
                          config=config, outputs=tile.channels, counted=counted)[0]
        for tile, layer, x in zip(program.tiles, layers, acts) for vector in x)


def measure(name: str, images: int | None, seconds: float, seed: int, rtl: bool) -> dict:
    """One case of :data:`CASES`."""
    preset_name, sizes, densities, act_density, default = CASES[name]
    rng = np.random.default_rng(seed)
    config = preset(preset_name)
    network = random_network(sizes, densities, rng)
    program = compile_network(network, config, encoding="codebook")
    x = random_inputs(images or default, sizes[0], act_density, rng)
    fast.run(program, x[:1])                            # compile the kernels
    began = time.perf_counter()
    layers = decode(program)
    decode_seconds = time.perf_counter() - began

    run, with_values = best_of(lambda: fast.run(program, x, tiles=layers), seconds)
    pe_cycles = int(run.cycles.sum()) * config.pes
    few = slice(0, 200)
    acts = [x[few], *(layer.outputs[few] for layer in run.tiles[:-1])]
    timed_cycles, timing = best_of(
        lambda: timed_only(program, layers, acts, counted=False), seconds)
    _, counting = best_of(lambda: timed_only(program, layers, acts, counted=True), seconds)
    result = {
        "case": name, "preset": preset_name, "images": len(x), "cycles": int(run.cycles.sum()),
        "pe_cycles": pe_cycles, "decode_seconds": decode_seconds,
        "encode_seconds": encode_dense(network, config, seconds),
        "memory_of_encoded": memory(program),
        "timing_only_pe_cycles_per_second": timed_cycles / timing,
        "with_counters_pe_cycles_per_second": timed_cycles / counting,
        "with_values_seconds": with_values,
        "with_values_pe_cycles_per_second": pe_cycles / with_values,
        "utilisation": [layer.utilisation for layer in run.tiles],
    }
    if rtl:
        result["rtl"] = compare_rtl(program, x[:32], run)
        result["rtl"]["fast_is_times_faster"] = (result["with_values_pe_cycles_per_second"]
                                                 / result["rtl"]["pe_cycles_per_second"])
    return result


def compare_rtl(program: Program, x: np.ndarray, run: Run) -> dict:
    """Run the gateware on the same inputs. Its rate is that of the launches, without loading and
    reading.

    Raises
    ------
    Mismatch : the network's outputs, a cycle or a counter differ.
    """
    from openeie.sim.rtl.rtl import Rtl
    tiles = program.tiles
    limit = sum(tile.cycle_limit for tile in tiles) + 1024
    seconds = 0.0
    results: list[list] = [[] for _ in tiles]
    with Rtl(program.config) as rtl:
        rtl.load(program.records())
        for vector in x:
            rtl.load(program.input_records(vector[np.newaxis]))
            began = time.perf_counter()
            rtl.start(0, len(tiles), limit)
            seconds += time.perf_counter() - began
            outputs = read_outputs(rtl, program, len(tiles) - 1)
            for number, result in enumerate(results):
                result.append((outputs, *read_counters(rtl, number)))

    compared = 0
    for number, (result, layer) in enumerate(zip(results, run.tiles)):
        outputs, cycles, counters, saturated = (np.array(part) for part in zip(*result))
        last = number == len(tiles) - 1
        truth = LayerRun(name=layer.name, cycles=cycles, counters=counters,
                         saturated=saturated, outputs=outputs[:, 0] if last else layer.outputs[:0])
        ours = LayerRun(name=layer.name, cycles=layer.cycles[:len(x)],
                        counters=layer.counters[:len(x)], saturated=layer.saturated[:len(x)],
                        outputs=layer.outputs[:len(x) if last else 0])
        compared += Run(engine="fast", config=program.config, tiles=(ours,)).compare(
            Run(engine="rtl", config=program.config, tiles=(truth,)))
    pe_cycles = int(run.cycles[:len(x)].sum()) * program.config.pes
    return {"images": len(x), "equal": True, "compared": compared, "seconds": seconds,
            "pe_cycles_per_second": pe_cycles / seconds}


def start_up(seed: int) -> dict:
    """VGG-6, 25088 x 4096 with 4 % of its weights, from a dense matrix to its first run."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((4096, 25088), np.float32)
    kept = dense.size // 25
    weights = np.linspace(-1, 1, 16)[:15].astype(np.float32)
    dense.reshape(-1)[rng.integers(0, dense.size, kept)] = rng.choice(weights, kept)
    x = rng.random(25088) * (rng.random(25088) < 0.183)
    config = preset("EIE64").replace(entry_depth=1 << 17, pointer_depth=1 << 17)
    seconds = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def step(name: str, call: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = call()
        seconds[name] = time.process_time() - began
        return result

    layer = step("from_dense", lambda: Workload.from_dense(dense, x))
    program = step("compile", lambda: compile_network(layer.network(), config))
    tiles = step("decode", lambda: decode(program))
    step("run", lambda: fast.run(program, layer.acts, tiles=tiles))
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"cpu_seconds": seconds | {"all": sum(seconds.values())},
            "memory_of_dense": more * 1024 / dense.nbytes}


def start_up_alone(seed: int) -> dict:
    """:func:`start_up` in a process of its own, whose peak of memory is its own, too."""
    done = subprocess.run([sys.executable, __file__, "--start-up", "--seed", str(seed)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rtl", action="store_true", help="also run the gateware, and compare")
    parser.add_argument("--case", choices=CASES, action="append", help="run only this case")
    parser.add_argument("--images", type=int, help="inputs of each case")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--baseline", type=Path, help="a checkout to compare with")
    parser.add_argument("--start-up", action="store_true", help="measure nothing but start_up")
    options = parser.parse_args()
    if options.start_up:
        print(json.dumps(start_up(options.seed)))
        return
    cases = [measure(name, options.images, options.seconds, options.seed, options.rtl)
             for name in options.case or CASES]
    result = {"schema_version": 1, "machine": platform.machine(), "threads": 1,
              "numpy": np.__version__, "seed": options.seed, "cases": cases,
              "start_up": start_up_alone(options.seed)}
    words = ["--seconds", str(options.seconds), "--seed", str(options.seed)]
    if options.images:
        words += ["--images", str(options.images)]
    for case in options.case or ():
        words += ["--case", case]
    print(json.dumps(with_baseline(result, options.baseline, "fast_speed.py", words), indent=2))


if __name__ == "__main__":
    with one_line_errors():
        main()
