# SPDX-License-Identifier: Apache-2.0
"""Time and memory of k-means and Huffman coding for a layer of fc6's size; one JSON object.

    python benchmarks/clustering.py [--rows 4096] [--columns 9216] [--seed 1]

fc6 is AlexNet's largest layer; the weights are normally distributed. ``clustering``: k-means of all
weights to 16 centroids from each initialisation, and the codes of all. ``encoding``: a layer that
keeps 9 % of its weights (as in Deep Compression) or all, shared by k-means to 15 centroids, and
Huffman coded as in a file; ``columns`` is the time of sorting the codes by columns. Every case is
a process of its own with one thread. ``peak_bytes`` is the most memory that it held, including
Python and its libraries; ``base_bytes`` is that before the first weight.
"""
import argparse
import inspect
import json
import os
import resource
import subprocess
import sys
import time

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def peak() -> int:
    """Most memory that this process has held so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Clock:
    """Wall-clock and processor seconds of each step."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._lap()

    def _lap(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def note(self, step: str) -> None:
        """Note the time of the step that ends now."""
        self.steps[f"{step}_seconds"] = time.perf_counter() - self._began[0]
        self.steps[f"{step}_cpu_seconds"] = time.process_time() - self._began[1]
        self._lap()


def cluster_all(options: argparse.Namespace) -> dict:
    """K-means of all weights, and the codes of all."""
    import numpy as np
    import torch
    from openeie.sw.compress.methods.kmeans import assign, kmeans
    base = peak()
    values = np.random.default_rng(options.seed).standard_normal(
        options.rows * options.columns, dtype=np.float32)
    clock = Clock()
    centroids = kmeans(values, 16, init=options.case,
                       generator=torch.Generator().manual_seed(options.seed))
    clock.note("kmeans")
    codes = assign(values, centroids)
    clock.note("assign")

    error = 0.0
    for part, code in zip(np.array_split(values, 64), np.array_split(codes, 64)):
        error += float(np.square(part - centroids[code], dtype=np.float64).sum())
    return {"weights": len(values), "mean_square_error": error / len(values), "base_bytes": base,
            "peak_bytes": peak()} | clock.steps


def encode(options: argparse.Namespace) -> dict:
    """Huffman coding of one layer's codes."""
    import numpy as np
    from openeie.core.network.layers import Linear
    from openeie.core.artefact.payload import encode_payload
    from openeie.core.numbers.sparse import SparseWeights
    from openeie.sw.compress.methods.kmeans import assign, kmeans
    base = peak()
    keep = float(options.case)
    weight = np.random.default_rng(options.seed).standard_normal(
        (options.rows, options.columns), dtype=np.float32)
    if keep < 1:
        weight[np.abs(weight) < np.quantile(np.abs(weight[:256]), 1 - keep)] = 0
    kept = weight != 0
    values = weight[kept]
    centroids = kmeans(values, 15)
    codes = np.zeros(weight.shape, np.uint8)
    codes[kept] = assign(values, centroids) + np.uint8(1)
    del weight, kept, values
    clock = Clock()
    table = np.concatenate([[0], np.rint(centroids / np.abs(centroids).max() * 16383)])
    weights = SparseWeights.from_codes(codes, table.astype(np.int64))
    del codes
    clock.note("columns")
    ones = np.ones(options.rows, np.int64)
    layer = Linear(name="fc6", relu=True, encoding="huffman", weights=weights, bias=0 * ones,
                   multiplier=16384 * ones, shift=14 * ones, weight_scale=1.0, output_scale=1.0)
    clock.note("layer")
    before = peak()
    shape, data = encode_payload(layer)
    clock.note("encode")
    return {"kept": weights.nnz, "entries": shape.entries, "payload_bytes": len(data),
            "base_bytes": base, "peak_before_bytes": before, "peak_bytes": peak()} | clock.steps


CASES = {"clustering": (cluster_all, ("linear", "density", "random")),
         "encoding": (encode, ("0.09", "1"))}


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=9216)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=CASES, help="run one case of this part, in this process")
    parser.add_argument("--case", help="the case to run")
    options = parser.parse_args()
    if options.part and options.case not in CASES[options.part][1]:
        parser.error(f"--case of --part {options.part} must be one of "
                     f"{', '.join(CASES[options.part][1])}, not {options.case}")
    if min(options.rows, options.columns) < 1:
        parser.error(f"--rows and --columns must be at least 1, not {options.rows} and "
                     f"{options.columns}")
    if options.part:
        print(json.dumps(CASES[options.part][0](options)))
        return
    result: dict = {"rows": options.rows, "columns": options.columns}
    for part, (_, cases) in CASES.items():
        result[part] = {}
        for case in cases:
            print(f"{part} {case}", file=sys.stderr)
            done = subprocess.run([sys.executable, *sys.argv, "--part", part, "--case", case],
                                  env=os.environ | _ONE_THREAD, stdout=subprocess.PIPE, check=True)
            result[part][case] = json.loads(done.stdout)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
