# SPDX-License-Identifier: Apache-2.0
"""SqueezeNet v1.0 from Song Han's compressed file on an array; one JSON object.

    python benchmarks/squeezenet.py NET PROTOTXT PICTURES.npz [--pes 16] [--images 10] [--rtl]
        [--clusters 1] [--act-depth 65536] [--picture FILE.svg]

PICTURES.npz has ``images`` uint8 [n, 227, 227, 3] RGB, ``labels``, and the float network's
``float_logits``. The last ten images set the scales, the first ``--images`` are run on ``fast``.
The first image is compared with ``golden`` in every output of every layer, and with ``--rtl`` with
the gateware in every output, cycle and counter. ``summary`` is the table of ``openeie sim
--layers`` for all images; its MAC utilisation is useful entries of the convolutions / (PEs x
cycles), pooling included in the cycles. ``--picture`` draws it. With a smaller ``--act-depth``,
layers run in tiles.
"""
import argparse
import inspect
import json
import sys
import time
from pathlib import Path

import numpy as np

from openeie.cli.common import one_line_errors
from openeie.cli.outputs import check_writable, write_atomically
from openeie.core import golden
from openeie.core.array.config import ArrayConfig
from openeie.core.compile.compile import compile_network
from openeie.core.compile.program import Program
from openeie.core.errors import Mismatch
from openeie.core.run import Run
from openeie.sim.fast import fast
from openeie.sim.views import picture
from openeie.sim.views.summary import summarise
from openeie.sw.data.imagenet import caffe_maps, load_images
from openeie.sw.zoo import import_squeezenet


def array(pes: int, clusters: int = 1, act_depth: int | None = None) -> ArrayConfig:
    """An array; unless ``act_depth`` is given, it has room for all maps."""
    untiled = 1 << 16 if pes >= 16 else 1 << 20
    depth = act_depth or untiled
    return ArrayConfig(pes=pes, clusters=clusters, operations=("linear", "conv", "pool"),
                       encodings=("codebook",), code_width=8, acc_width=48, act_depth=depth,
                       entry_depth=1 << 16, pointer_depth=1 << 15, acc_depth=1024,
                       channel_depth=1 << 13, max_layers=256)


def check_golden(program: Program, x: np.ndarray, run: Run) -> int:
    """Compare all layers with ``golden``; returns the number of words compared.

    Raises
    ------
    Mismatch : a layer differs.
    """
    words = 0
    outputs = golden.network(program.network, x)
    for tile, ours in zip(program.tiles, run.tiles):
        theirs = tile.part.cut(outputs[tile.layer])
        if not np.array_equal(ours.outputs[:len(x)], theirs):
            raise Mismatch(f"layer {ours.name}: fast and golden differ")
        words += theirs.size
    if not np.array_equal(run.outputs[:len(x)], outputs[-1]):
        raise Mismatch("the network's outputs: fast and golden differ")
    return words


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("net", type=Path)
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--pes", type=int, default=16)
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--act-depth", type=int)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rtl", action="store_true")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture:
        picture.check_picture(options.picture)
    check_writable(options.picture)
    pictures = load_images(options.pictures)
    labels = pictures.labels
    logits = pictures.float_logits
    if labels is None or logits is None:
        parser.error(f"{options.pictures} must have labels and float_logits")

    network, _ = import_squeezenet(options.net, options.prototxt, pictures)
    config = array(options.pes, options.clusters, options.act_depth)
    began = time.perf_counter()
    program = compile_network(network, config, encoding="codebook")
    compile_seconds = time.perf_counter() - began
    maps = caffe_maps(pictures.images[:options.images])
    x = maps.reshape(len(maps), -1)
    fast.run(program, x[:1])                            # compile the kernels
    began = time.perf_counter()
    cpu = time.process_time()
    run = fast.run(program, x, jobs=options.jobs)
    seconds = time.perf_counter() - began
    cpu = time.process_time() - cpu
    outputs = run.outputs
    float_outputs = logits[:len(x)]
    summary = summarise(program, run, x)
    if options.picture:
        write_atomically(options.picture, picture.draw(summary, options.picture))
    top5 = {}
    for name, values in (("array", outputs), ("float", float_outputs)):
        best = np.argsort(-values, axis=1)[:, :5]
        top5[name] = float((best == labels[:len(x), None]).any(axis=1).mean())
    result = {
        "pes": options.pes, "clusters": options.clusters, "images": len(x),
        "act_depth": program.config.act_depth, "tiles": len(program.tiles),
        "compile_seconds": compile_seconds,
        "top1": {"array": float((outputs.argmax(1) == labels[:len(x)]).mean()),
                 "float": float((float_outputs.argmax(1) == labels[:len(x)]).mean())},
        "top5": top5, "largest_logit_error": float(np.abs(
            outputs * network.layers[-1].output_scale - float_outputs).max()),
        "cycles_mean": float(run.cycles.mean()),
        "mac_utilisation": summary.total.mac_utilisation,
        "speedup_over_dense": summary.total.speedup,
        "fast_seconds_per_image": seconds / len(x), "jobs": options.jobs,
        "fast_cpu_seconds_per_image": cpu / len(x),
        "golden_words_equal": check_golden(program, x[:1], run),
        "summary": summary.to_dict()}
    if options.rtl:
        from openeie.sim.rtl import rtl
        rtl.build(program.config)
        began = time.perf_counter()
        cpu = time.process_time()
        truth = rtl.run(program, x[:1])
        result["rtl"] = {"seconds": time.perf_counter() - began,
                         "cpu_seconds": time.process_time() - cpu,
                         "compared": truth.compare(fast.run(program, x[:1]))}
    print(json.dumps(result))


if __name__ == "__main__":
    with one_line_errors():
        main()
