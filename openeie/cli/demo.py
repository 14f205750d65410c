# SPDX-License-Identifier: Apache-2.0
"""``openeie demo``: the whole stack on real images, and the comparison that proves it."""
import dataclasses
from typing import Annotated

import numpy as np
import typer

from ..core.artefact.artefact import load
from ..core.artefact.inspect import Contents, inspect
from ..core.compile.compile import compile_network
from ..core.compile.program import Program
from ..core.errors import InputError, ToolError
from ..core.run import Run
from ..sim.engines import simulate
from .common import (AsJson, Config, Jobs, Out, Quiet, Seed, Set, check_writable, emit,
                     resolve_config, working)
from .invocation import invocation
from .models import find_model, inputs_for
from .sim import error_rate
from .tables import compression_tables, run_dict, run_tables

__all__ = ["command"]

_RTL_IMAGES = 20
#: What to try next: what each shows, and the words behind ``openeie``. They need no extra.
_NEXT = (("where each layer's cycles went", "sim lenet-5 --images 2 --layers"),
         ("what a file is made of", "inspect lenet-5"),
         ("a layer of AlexNet on nine arrays",
          "sweep --grid pes=16,64,256 --grid queue_depth=1,8,64 --layer fc6:9216x4096:0.09:0.35"))

Images = Annotated[int, typer.Option("--images", help="Images on golden and fast.")]
RtlImages = Annotated[int | None, typer.Option(
    "--rtl-images", show_default=str(_RTL_IMAGES), help="Images on the gateware.")]
Gateware = Annotated[bool, typer.Option(
    "--rtl/--no-rtl", help="Compare with the gateware, which takes a C++ compiler.")]


def command(images: Images = 5_000, rtl_images: RtlImages = None, gateware: Gateware = True,
            config: Config = "EIE16", changes: Set = None, seed: Seed = 1, jobs: Jobs = 1,
            as_json: AsJson = False, out: Out = None, quiet: Quiet = False) -> None:
    """Run the shipped LeNet-300-100 on images of MNIST, in three engines, and compare.

    Without a C++ compiler golden and fast are shown and compared, and the exit code is 3; with
    --no-rtl, which asks for just that, it is 0.
    """
    check_writable(out, as_json=as_json)
    path = find_model("lenet-300-100")
    network, contents = load(path), inspect(path)
    x, labels = inputs_for(network, None, images)
    count = _rtl_images(images, rtl_images, gateware)
    program = compile_network(network, resolve_config(config, changes))
    calm = quiet or as_json
    with working(f"golden: {images:,} images", quiet=calm):
        golden = simulate(program, x, "golden")
    with working(f"fast: {images:,} images", quiet=calm):
        fast = simulate(program, x, "fast", jobs=jobs)
    compared = fast.compare(golden)
    rtl, left_out = None, "--no-rtl"
    if gateware:
        with working(f"rtl: {count:,} images (the first time, the gateware is compiled)",
                     quiet=calm):
            rtl, left_out = _rtl(program, x[:count], seed)
    if rtl is not None:
        compared += rtl.compare(_first(fast, count))
    made = contents.provenance
    errors = {"integer": error_rate(fast, labels),
              "test_set": {"integer": made["integer_error"], "float": made["float_error"]}}
    again = invocation()
    failure = ToolError(f"the gateware was not compared: {left_out}; or leave it out: {again} demo "
                        f"--no-rtl") if gateware and rtl is None else None
    result = {"contents": contents.to_dict(), "fast": run_dict(fast), "rtl": rtl and run_dict(rtl),
              "error_rate": errors, "file_bytes": contents.file_bytes, "compared": compared,
              "equal": True, "warnings": list(fast.warnings),
              "not_compared": {"rtl": left_out} if left_out else {},
              "next": [f"{again} {words}" for _, words in _NEXT]}
    emit(result, lambda: [*_tables(contents, fast, rtl), *_score(contents, errors, images),
                          *_equal(compared, images, count, left_out), *_next(again)],
         as_json=as_json, quiet=quiet, out=out, failure=failure)


def _rtl_images(images: int, asked: int | None, gateware: bool) -> int:
    """Images on the gateware."""
    if asked is not None and not gateware:
        raise InputError(f"--rtl-images {asked} counts images on the gateware, which --no-rtl "
                         f"leaves out; give one of the two")
    if asked is None:
        return min(_RTL_IMAGES, images)
    if not 1 <= asked <= images:
        raise InputError(f"--rtl-images must be in 1 .. {images}, not {asked}")
    return asked


def _rtl(program: Program, x: np.ndarray, seed: int) -> tuple[Run | None, str]:
    """The gateware's run; or what the machine lacks for it, so that the rest can be shown."""
    try:
        return simulate(program, x, "rtl", seed=seed), ""
    except ToolError as error:
        return None, str(error)


def _tables(contents: Contents, fast: Run, rtl: Run | None) -> list:
    """What is in the file, and where the cycles went."""
    tables: list = [*compression_tables(contents), ""]
    for run in (fast, rtl):
        if run is not None:
            tables += run_tables(run, title=f"{run.engine}, {run.config.pes} PEs: an image's mean "
                                            f"over {len(run.outputs):,}")
    return tables


def _score(contents: Contents, errors: dict, images: int) -> list[str]:
    stated = errors["test_set"]
    return [f"error rate {errors['integer']:.2%} on {images:,} images that it was not trained "
            f"with, from the integer outputs; file {contents.file_bytes:,} bytes",
            f"on MNIST's 10,000 test images, as the file states: {stated['integer']:.2%} (float "
            f"network: {stated['float']:.2%})"]


def _equal(compared: int, images: int, on_rtl: int, left_out: str) -> list[str]:
    """What was compared, and what was not."""
    parts = [f"fast = golden on {images:,} images in every output word"]
    if not left_out:
        parts.append(f"rtl = fast on {on_rtl:,} in every output word, cycle and counter")
    lines = [f"equal: {', '.join(parts)}: {compared:,} values compared"]
    if left_out:
        lines.append(f"NOT compared with the gateware (rtl): {left_out}")
    return lines


def _next(again: str) -> list[str]:
    """Commands to copy, each below what it shows."""
    lines = ["", "next:"]
    for shown, words in _NEXT:
        lines += [f"  # {shown}", f"  {again} {words}"]
    return lines


def _first(run: Run, count: int) -> Run:
    """The run of the first ``count`` inputs, one a start."""
    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[:count]
    return Run(engine=run.engine, config=run.config, tiles=tuple(
        dataclasses.replace(layer, outputs=layer.outputs[:count], cycles=cut(layer.cycles),
                            counters=cut(layer.counters), saturated=cut(layer.saturated))
        for layer in run.tiles))
