# SPDX-License-Identifier: Apache-2.0
"""``openeie demo``: the whole stack on real images, and the comparison that proves it."""
import dataclasses
from typing import Annotated

import numpy as np
import typer

from ..core.artefact import load
from ..core.compile import compile_network
from ..core.errors import InputError
from ..core.inspect import inspect
from ..core.run import Run
from ..sim.engines import simulate
from .common import AsJson, Config, Jobs, Out, Quiet, Seed, Set, emit, resolve_config, working
from .models import find_model, inputs_for
from .sim import error_rate
from .tables import compression_tables, run_dict, run_tables

__all__ = ["command"]

Images = Annotated[int, typer.Option("--images", help="Images on golden and fast.")]
RtlImages = Annotated[int, typer.Option("--rtl-images", help="Images on the gateware.")]


def command(images: Images = 5_000, rtl_images: RtlImages = 20, config: Config = "EIE16",
            changes: Set = None, seed: Seed = 1, jobs: Jobs = 1, as_json: AsJson = False,
            out: Out = None, quiet: Quiet = False) -> None:
    """Run the shipped LeNet-300-100 on images of MNIST, in three engines, and compare."""
    path = find_model("lenet-300-100")
    network, contents = load(path), inspect(path)
    x, labels = inputs_for(network, None, images)
    if not 1 <= rtl_images <= images:
        raise InputError(f"--rtl-images must be in 1 .. {images}, not {rtl_images}")
    program = compile_network(network, resolve_config(config, changes))
    calm = quiet or as_json
    with working(f"[1/4] golden: {images:,} images", quiet=calm):
        golden = simulate(program, x, "golden")
    with working(f"[2/4] fast: {images:,} images", quiet=calm):
        fast = simulate(program, x, "fast", jobs=jobs)
    with working(f"[3/4] rtl: {rtl_images:,} images (the first time, the gateware is compiled)",
                 quiet=calm):
        rtl = simulate(program, x[:rtl_images], "rtl", seed=seed)
    with working("[4/4] comparing every word, cycle and counter", quiet=calm):
        compared = fast.compare(golden) + rtl.compare(_first(fast, rtl_images))
    made = contents.provenance
    errors = {"integer": error_rate(fast, labels),
              "test_set": {"integer": made["integer_error"], "float": made["float_error"]}}
    result = {"contents": contents.to_dict(), "fast": run_dict(fast), "rtl": run_dict(rtl),
              "error_rate": errors, "file_bytes": contents.file_bytes, "compared": compared,
              "equal": True}

    def tables() -> list:
        return [
            *compression_tables(contents), "",
            *run_tables(fast, title=f"fast, {program.config.pes} PEs: an image's mean over "
                                    f"{images:,}"),
            *run_tables(rtl, title=f"rtl, {program.config.pes} PEs: an image's mean over "
                                   f"{rtl_images:,}"),
            f"error rate {errors['integer']:.2%} on {images:,} images that it was not trained "
            f"with, from the integer outputs; file {contents.file_bytes:,} bytes",
            f"on MNIST's 10,000 test images, as the file states: {made['integer_error']:.2%} "
            f"(float network: {made['float_error']:.2%})",
            f"equal: fast = golden on {images:,} images in every output word, rtl = fast on "
            f"{rtl_images:,} in every output word, cycle and counter: {compared:,} values "
            f"compared"]
    emit(result, tables, as_json=as_json, quiet=quiet, out=out)


def _first(run: Run, count: int) -> Run:
    """The run of the first ``count`` inputs, one a start."""
    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[:count]
    return Run(engine=run.engine, config=run.config, layers=tuple(
        dataclasses.replace(layer, outputs=layer.outputs[:count], cycles=cut(layer.cycles),
                            counters=cut(layer.counters)) for layer in run.layers))
