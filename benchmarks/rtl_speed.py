# SPDX-License-Identifier: Apache-2.0
"""Speed of the engine ``rtl`` on the array EIE64, as JSON.

    python benchmarks/rtl_speed.py [--seconds S] [--sizes N,M] [--large N,M] [--config C]
        [--baseline FOLDER]

Weights and activations are random, with the densities of EIE's Table III. Rates are in PE-cycles:
simulated cycles x PEs / seconds of processor time, the best of as many launches as fit in
``--seconds``. ``encodings`` run a layer of ``--sizes``; ``idle`` is an array that does nothing.
``load`` is how long the program of a layer of ``--large`` takes to load, as the engine loads it and
through the array's port; the latter is measured on the first 20,000 records and scaled.
``run_seconds`` is one launch of that layer, and ``read_seconds`` reading its outputs and counters.
``--baseline`` measures another commit's engine in the same run, in a process of its own, and adds
ratios. FOLDER is a checkout; this process's Python, with its packages, runs it.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from baseline import ratios

from openeie.core.array.config import ENCODINGS, ArrayConfig, preset
from openeie.core.array.load_port import Control, load_crc
from openeie.core.compile.compile import compile_network
from openeie.core.compile.program import Program
from openeie.core.errors import InputError, OpenEIEError, ToolError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.fixed import quantise_scale
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.rtl.drive import read_counters, read_outputs
from openeie.sim.rtl.rtl import Rtl

WEIGHT_DENSITY, ACT_DENSITY = 0.09, 0.353
#: Records whose way through the port is timed.
_PORT_SAMPLE = 20_000


def seconds_of(call: Callable[[], Any]) -> float:
    """Processor seconds of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def random_program(config: ArrayConfig, encoding: str, n: int, m: int
                   ) -> tuple[Program, np.ndarray]:
    """A linear layer of n inputs and m outputs, and one input [1, n]."""
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 16, (m, n), dtype=np.uint8)
    codes[rng.random((m, n), dtype=np.float32) >= WEIGHT_DENSITY] = 0
    codebook = np.concatenate([[0], np.arange(1, 16) * 400 - 3000])
    multiplier, shift = quantise_scale(1 / (3000 * (n * WEIGHT_DENSITY) ** 0.5))
    layer = Linear(name="fc", weights=SparseWeights.from_codes(codes, codebook),
                   bias=np.zeros(m, np.int64), multiplier=np.full(m, multiplier),
                   shift=np.full(m, shift))
    network = Network(name="random", layers=(layer,), input_range=(-4096, 4096))
    x = np.where(rng.random((1, n)) < ACT_DENSITY, rng.integers(1, 4096, (1, n)), 0)
    return compile_network(network, config, encoding=encoding), x


def launch_rate(array: Rtl, program: Program, seconds: float) -> float:
    """PE-cycles per second of launches of a program that is loaded."""
    limit = program.tiles[0].cycle_limit + 1024
    cycles = 0
    best = float("inf")
    end = time.process_time() + seconds
    while best == float("inf") or time.process_time() < end:
        before = array.cycles
        best = min(best, seconds_of(lambda: array.start(0, 1, limit)))
        cycles = array.cycles - before
    return cycles * program.config.pes / best


def measure(config: ArrayConfig, seconds: float, sizes: tuple[int, int], large: tuple[int, int]
            ) -> dict[str, Any]:
    """All numbers of this process's ``openeie``."""
    result: dict[str, Any] = {"encodings": {}}
    with Rtl(config) as array:
        for encoding in ENCODINGS:
            program, x = random_program(config, encoding, *sizes)
            array.load(np.concatenate([program.records(), program.input_records(x)]))
            result["encodings"][encoding] = launch_rate(array, program, seconds)
        count = 1000
        best = min(seconds_of(lambda: array.tick(count)) for _ in range(5))
        result["idle"] = count * config.pes / best
    return result | {"load": measure_load(config, *large)}


def measure_load(config: ArrayConfig, n: int, m: int) -> dict[str, Any]:
    """Loading a large layer, and running it where it can be loaded directly."""
    program, x = random_program(config, "codebook", n, m)
    records = np.concatenate([program.records(), program.input_records(x)])
    sample = records[:_PORT_SAMPLE]
    with Rtl(config) as array:
        is_direct = getattr(array, "direct", False)
        array.direct = False
        port = seconds_of(lambda: array.write(sample)) * len(records) / len(sample)
        array.command(Control.CHECK, load_crc(sample))
        array.check_fault()
        result = {"records": len(records), "port_seconds": port, "engine_seconds": port}
        if is_direct:
            array.direct = True
            result["engine_seconds"] = seconds_of(lambda: array.load(records))
            limit = program.tiles[0].cycle_limit + 1024
            result["run_seconds"] = seconds_of(lambda: array.start(0, 1, limit))
            result["read_seconds"] = seconds_of(
                lambda: (read_outputs(array, program, 0), read_counters(array, 0)))
    return result


def measure_in(folder: Path, words: list[str]) -> dict[str, Any]:
    """What this script measures with the ``openeie`` of another checkout.

    Raises
    ------
    ToolError : it fails there.
    """
    environment = os.environ | {"PYTHONPATH": str(folder.resolve())}
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True,
                          env=environment)
    if done.returncode:
        raise ToolError(f"{folder}: the measurement failed there: "
                        f"{done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)["rtl"]


def checkout(text: str) -> Path:
    """A folder with another commit's ``openeie``."""
    folder = Path(text)
    if not (folder / "openeie" / "sim" / "rtl" / "rtl.py").is_file():
        raise InputError(f"--baseline {folder}: there is no openeie in this folder; name a "
                         f"checkout of the commit to compare with")
    return folder


def sizes_of(text: str) -> tuple[int, int]:
    """Inputs and outputs from ``N,M``."""
    try:
        n, m = map(int, text.split(","))
    except ValueError:
        raise InputError(f"sizes must be two numbers N,M, not {text!r}") from None
    if min(n, m) < 1:
        raise InputError(f"sizes must be at least 1, not {text!r}")
    return n, m


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each rate")
    parser.add_argument("--sizes", default="1024,1024", help="inputs, outputs of the layer")
    parser.add_argument("--large", default="4096,1000", help="the same of the large layer")
    parser.add_argument("--config", default="EIE64", help="a preset with all encodings")
    parser.add_argument("--baseline", help="a checkout to compare with")
    options = parser.parse_args()
    baseline = checkout(options.baseline) if options.baseline else None
    result = {"schema_version": 1, "machine": platform.machine(), "config": options.config,
              "rtl": measure(preset(options.config), options.seconds, sizes_of(options.sizes),
                             sizes_of(options.large))}
    if baseline is not None:
        words = ["--seconds", str(options.seconds), "--sizes", options.sizes,
                 "--large", options.large, "--config", options.config]
        theirs = measure_in(baseline, words)
        result |= {"baseline": theirs, "ratios": ratios(result["rtl"], theirs)}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    try:
        main()
    except OpenEIEError as error:
        # Not cli's one_line_errors: an older commit's command line may need other packages.
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
