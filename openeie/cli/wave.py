# SPDX-License-Identifier: Apache-2.0
"""``openeie wave``: a waveform of the gateware."""
import errno
import re
import shutil
import subprocess
import sys
import shlex
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from ..core.compile.automatic import compile_for
from ..core.compile.program import Program
from ..core.errors import ArrayFault, InputError, ToolError
from ..core.host.files import is_stream, replacing
from .common import AsJson, Config16, Model, Quiet, Seed, Set, array_for, emit, working
from .compile import Encoding
from .models import inputs_for, load_model
from .outputs import check_format, check_writable, write_atomically
from .sim import InputFile
from .streams import BROKEN_PIPE, is_stdout

if TYPE_CHECKING:
    from ..sim.views.waveform import SignalChoice

__all__ = ["command"]

_FORMATS = (".fst", ".vcd")
_CONVERTER = "vcd2fst"
_MB = 1_000_000
#: What to do about a waveform that is too large.
_SMALLER = "choose --cycles, --layer or --pes, or give a larger --most-mb"
#: Cycle after the end of every run.
_ENDLESS = 10 ** 15

WaveOut = Annotated[Path, typer.Option(
    "-o", "--out", help="The waveform to write (.vcd, or .fst with GTKWave's vcd2fst; - is "
                        "standard output, as .vcd).")]
Image = Annotated[int, typer.Option("--image", metavar="K", help="Index of the input to run.")]
Layers = Annotated[list[str] | None, typer.Option(
    "--layer", metavar="NAME", help="Write only this layer; repeatable.")]
Pes = Annotated[str | None, typer.Option(
    "--pes", metavar="0,4-7", help="Write only these PEs, and the logic shared by all PEs.")]
Cycles = Annotated[str | None, typer.Option(
    "--cycles", metavar="FROM:TO", help="Write only cycles FROM .. TO - 1 of what the other "
                                        "options choose; its first cycle is 0.")]
Loading = Annotated[bool, typer.Option(
    "--with-loading", help="Also write the loading of the program, and a run layer by layer before "
                           "the whole one.")]
MostMb = Annotated[int, typer.Option(
    "--most-mb", min=1, help="Refuse a larger waveform; its size is estimated before the run.")]


def command(model: Model, out: WaveOut = Path("wave.vcd"), image: Image = 0,
            inputs: InputFile = None, layer: Layers = None, pes: Pes = None,
            cycles: Cycles = None, loading: Loading = False, most_mb: MostMb = 500,
            config: Config16 = None, changes: Set = None, encoding: Encoding = None,
            seed: Seed = 1, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Run one input in the gateware; write its waveform, and views for GTKWave and Surfer."""
    form = _check(out, as_json)
    from ..sim.views.waveform import SignalChoice, forecast
    choice = SignalChoice(layers=tuple(layer or ()), pes=_numbers(pes), cycles=_window(cycles),
                          loading=loading)
    network = load_model(model)
    x, _ = inputs_for(network, inputs, None)
    if not 0 <= image < len(x):
        raise InputError(f"--image must be in 0 .. {len(x) - 1}, not {image}")

    x = x[image:image + 1]
    program = compile_for(network, array_for(network, config, changes, linear="EIE16"),
                          encoding=encoding)
    expected = forecast(program, x, choice)
    told = f"about {expected.bytes / _MB:,.1f} MB (.vcd), {expected.cycles:,} cycles"
    if expected.bytes > most_mb * _MB:
        raise InputError(f"the waveform would have {told}, more than --most-mb {most_mb}; "
                         f"{_SMALLER}")
    if not quiet:
        typer.echo(f"{out}: {told}", err=True)

    with working(f"rtl: input {image}", quiet=quiet or as_json):
        result, lines = _record(program, x, out, form, choice, seed, most_mb)
    emit({"waveform": str(out), "estimate": {"bytes": expected.bytes, "cycles": expected.cycles},
          "config": program.config.to_dict()} | result, lambda: lines, as_json=as_json,
         quiet=quiet or is_stdout(out))


def _check(out: Path, as_json: bool) -> str:
    """Check before the run that its result can be written; returns the format."""
    form = check_format(out, _FORMATS)
    check_writable(out, *(() if _is_stream(out) else _views(out)), as_json=as_json)
    if form == ".fst" and is_stream(out):
        raise InputError(f"cannot write {out}: a .fst file is not written from its beginning to "
                         f"its end, as a device or a pipe needs it; choose .vcd")
    if form == ".fst" and shutil.which(_CONVERTER) is None:
        raise ToolError(f"a .fst waveform needs {_CONVERTER}, a program of GTKWave, which is not "
                        f"on PATH; install it (Debian: apt install gtkwave), or choose .vcd")
    return form


def _is_stream(out: Path) -> bool:
    """True for standard output, a device and a pipe."""
    return is_stdout(out) or is_stream(out)


def _views(out: Path) -> tuple[Path, Path]:
    """Paths of the views for GTKWave and Surfer."""
    return out.with_suffix(".gtkw"), out.with_suffix(".sucl")


def _numbers(text: str | None) -> tuple[int, ...]:
    """The numbers in a text such as ``0,4-7``."""
    if text is None:
        return ()
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"--pes takes numbers and ranges such as 0,4-7, not {text!r}")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(numbers)


def _window(text: str | None) -> tuple[int, int]:
    """First and last + 1 of a text such as ``100:500``."""
    match = re.fullmatch(r"(\d{0,15}):(\d{0,15})", text or ":")
    first = int(match[1] or 0) if match else 0
    last = int(match[2] or _ENDLESS) if match else 0
    if first >= last:
        raise InputError(f"--cycles takes FROM:TO such as 100:500, 100: or :500, not {text!r}")
    return first, last


def _record(program: Program, x: np.ndarray, out: Path, form: str, choice: "SignalChoice",
            seed: int, most_mb: int) -> tuple[dict, list[str]]:
    """Write the waveform and its views; returns facts about them as JSON and as lines."""
    from ..sim.views.waveform_views import gtkwave_view, read_header, surfer_view
    with tempfile.TemporaryDirectory() as folder:
        vcd = Path(folder) / "wave.vcd" if form == ".fst" else None
        cycles, fault = _trace(program, x, out, vcd, choice, seed, most_mb)
        signals = {} if _is_stream(out) else read_header(vcd or out)

    views = _views(out) if signals else ()
    for path, view in zip(views, (gtkwave_view, surfer_view)):
        write_atomically(path, view(out, signals))
    if fault is not None:
        raise ArrayFault(f"{fault}; {out} has the waveform up to there") from fault

    result: dict = {"cycles": cycles, "views": [str(path) for path in views], "open_with": []}
    size = ""
    if views:
        result["bytes"] = out.stat().st_size
        size = f"{result['bytes']:,} bytes; "
        result["open_with"] = [shlex.join(["gtkwave", str(out), str(views[0])]),
                               shlex.join(["surfer", "--command-file", str(views[1])])]
    loaded = ", after its loading and a run layer by layer" if choice.loading else ""
    return result, [f"{out}: {size}the program takes {cycles:,} cycles{loaded}",
                    *(f"open with: {line}" for line in result["open_with"])]


def _trace(program: Program, x: np.ndarray, out: Path, vcd: Path | None, choice: "SignalChoice",
           seed: int, most_mb: int) -> tuple[int, ArrayFault | None]:
    """Write the waveform, converted from ``vcd`` if that is given.

    Returns the run's cycles, or the fault that ended it. The waveform is kept then, too: it is
    needed most.
    """
    from ..sim.views.waveform import record
    try:
        with nullcontext(Path("-")) if is_stdout(out) else replacing(out) as place:
            cycles = 0
            fault = None
            try:
                cycles = record(program, x, vcd or place, choice, seed=seed,
                                most_bytes=most_mb * _MB)
            except ArrayFault as error:
                fault = error
            if vcd:
                _convert(vcd, place)
        return cycles, fault
    except OSError as error:
        if is_stdout(out) and error.errno == errno.EPIPE:
            sys.exit(BROKEN_PIPE)
        name = "standard output" if is_stdout(out) else out
        advice = f"; {_SMALLER}" if error.errno == errno.EFBIG else ""
        raise InputError(f"cannot write {name}: {error.strerror}{advice}") from error


def _convert(vcd: Path, place: Path) -> None:
    """Convert a .vcd file to .fst."""
    done = subprocess.run([_CONVERTER, vcd, place], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"]
        raise ToolError(f"{_CONVERTER} failed with exit code {done.returncode}: {lines[-1]}; "
                        f"choose .vcd")
