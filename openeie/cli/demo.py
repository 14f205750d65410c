# SPDX-License-Identifier: Apache-2.0
"""``openeie demo``: a network on real images, in three engines that are compared."""
import dataclasses
from typing import Annotated

import numpy as np
import typer

from ..core.artefact.artefact import load
from ..core.artefact.inspect import Contents, inspect
from ..core.compile.automatic import compile_for
from ..core.compile.program import Program
from ..core.errors import InputError, ToolError
from ..core.run import Run
from ..sim.engines import simulate
from .common import AsJson, Config, Jobs, Out, Quiet, Seed, Set, asked_array, emit, working
from .invocation import invocation
from .models import find_model, inputs_for
from .outputs import check_writable
from .sim import error_rate
from .tables import compression_tables, run_dict, run_tables

__all__ = ["command"]

_RTL_IMAGES = 20
#: What to try next: what a command shows, and its words after ``openeie``. None needs an extra.
_NEXT = (("where each layer's cycles went", "sim lenet-5 --images 2 --layers"),
         ("what a file is made of", "inspect lenet-5"),
         ("a layer of AlexNet on nine arrays",
          "sweep --grid pes=16,64,256 --grid queue_depth=1,8,64 --layer fc6:9216x4096:0.09:0.35"))

Images = Annotated[int, typer.Option("--images", help="Number of images for golden and fast.")]
RtlImages = Annotated[int | None, typer.Option(
    "--rtl-images", show_default=str(_RTL_IMAGES),
    help="Number of images for the gateware.")]
Gateware = Annotated[bool, typer.Option(
    "--rtl/--no-rtl", help="Compare with the gateware, which needs a C++ compiler.")]


def command(images: Images = 5_000, rtl_images: RtlImages = None, gateware: Gateware = True,
            config: Config = "EIE16", changes: Set = None, seed: Seed = 1, jobs: Jobs = 1,
            as_json: AsJson = False, out: Out = None, quiet: Quiet = False) -> None:
    """Run LeNet-300-100 on images of MNIST in three engines, and compare them.

    Without a C++ compiler, only golden and fast are run and compared, and the exit code is 3. With
    --no-rtl, which asks for that, it is 0.
    """
    check_writable(out, as_json=as_json)
    path = find_model("lenet-300-100")
    network = load(path)
    contents = inspect(path)
    x, labels = inputs_for(network, None, images)
    count = _rtl_images(images, rtl_images, gateware)
    program = compile_for(network, asked_array(config, changes))
    calm = quiet or as_json

    with working(f"golden: {images:,} images", quiet=calm):
        golden = simulate(program, x, "golden")
    with working(f"fast: {images:,} images", quiet=calm):
        fast = simulate(program, x, "fast", jobs=jobs)
    compared = fast.compare(golden)

    rtl = None
    left_out = "--no-rtl"
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
    failure = None
    if gateware and rtl is None:
        failure = ToolError(f"the gateware was not compared: {left_out}; or leave it out: {again} "
                            f"demo --no-rtl")
    result = {"contents": contents.to_dict(), "fast": run_dict(fast), "rtl": rtl and run_dict(rtl),
              "error_rate": errors, "file_bytes": contents.file_bytes, "compared": compared,
              "equal": True, "warnings": list(fast.warnings),
              "not_compared": {"rtl": left_out} if left_out else {},
              "next": [f"{again} {words}" for _, words in _NEXT]}
    emit(result, lambda: [*_tables(contents, fast, rtl), *_score(contents, errors, images),
                          *_equal(compared, images, count, left_out), *_next(again)],
         as_json=as_json, quiet=quiet, out=out, failure=failure)


def _rtl_images(images: int, asked: int | None, gateware: bool) -> int:
    """Number of images for the gateware.

    Raises
    ------
    InputError : it is out of range, or the gateware is left out.
    """
    if asked is not None and not gateware:
        raise InputError(f"--rtl-images {asked} is for the gateware, which --no-rtl leaves out; "
                         f"give one of the two")
    if asked is None:
        return min(_RTL_IMAGES, images)
    if not 1 <= asked <= images:
        raise InputError(f"--rtl-images must be in 1 .. {images}, not {asked}")
    return asked


def _rtl(program: Program, x: np.ndarray, seed: int) -> tuple[Run | None, str]:
    """A run in the gateware and ``""``; or None and what the machine lacks for it."""
    try:
        return simulate(program, x, "rtl", seed=seed), ""
    except ToolError as error:
        return None, str(error)


def _tables(contents: Contents, fast: Run, rtl: Run | None) -> list:
    """Sizes of the network, and where the cycles went in each engine."""
    tables: list = [*compression_tables(contents), ""]
    for run in (fast, rtl):
        if run is not None:
            tables += run_tables(run, title=f"{run.engine}, {run.config.pes} PEs: mean of "
                                            f"{len(run.outputs):,} images")
    tables.append(f"latency {fast.cycles.mean():,.1f} cycles an image, one image a start")
    return tables


def _score(contents: Contents, errors: dict, images: int) -> list[str]:
    """Error rates, here and as stated in the file."""
    stated = errors["test_set"]
    return [f"error rate {errors['integer']:.2%} of the integer outputs on {images:,} images that "
            f"the network was not trained with; file {contents.file_bytes:,} bytes",
            f"error rate on MNIST's 10,000 test images, as stated in the file: "
            f"{stated['integer']:.2%} (float network: {stated['float']:.2%})"]


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
    """Commands to copy, each below a line that says what it shows."""
    lines = ["", "next:"]
    for shown, words in _NEXT:
        lines += [f"  # {shown}", f"  {again} {words}"]
    return lines


def _first(run: Run, count: int) -> Run:
    """The run of the first ``count`` inputs; ``run`` has one input per launch."""
    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[:count]

    return Run(engine=run.engine, config=run.config, tiles=tuple(
        dataclasses.replace(layer, outputs=layer.outputs[:count], cycles=cut(layer.cycles),
                            counters=cut(layer.counters), saturated=cut(layer.saturated))
        for layer in run.tiles))
