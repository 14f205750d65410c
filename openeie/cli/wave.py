# SPDX-License-Identifier: Apache-2.0
"""``openeie wave``: a waveform of the gateware at work."""
from pathlib import Path
from typing import Annotated

import typer

from ..core.compile import compile_network
from ..core.errors import InputError
from .common import (AsJson, Config16, Model, Quiet, Seed, Set, config_for, emit, working,
                     write_atomically)
from .compile import Encoding
from .models import inputs_for, load_model
from .sim import InputFile

__all__ = ["command"]

WaveOut = Annotated[Path, typer.Option("-o", "--out", help="The waveform (.vcd).")]
Image = Annotated[int, typer.Option("--image", help="Number of the input.")]


def command(model: Model, out: WaveOut = Path("wave.vcd"), image: Image = 0,
            inputs: InputFile = None, config: Config16 = None, changes: Set = None,
            encoding: Encoding = None, seed: Seed = 1, as_json: AsJson = False,
            quiet: Quiet = False) -> None:
    """Run one input on the gateware, write its waveform and views of it, and say how to open it."""
    from ..sim import rtl
    from ..sim.views import gtkwave_view, read_header, surfer_view
    if out.suffix != ".vcd":
        raise InputError(f"the waveform's name must end in .vcd, not {out.name!r}")
    network = load_model(model)
    x, _ = inputs_for(network, inputs, None)
    if not 0 <= image < len(x):
        raise InputError(f"--image must be in 0 .. {len(x) - 1}, not {image}")
    program = compile_network(network, config_for(network, config, changes, linear="EIE16"),
                              encoding=encoding)
    with working(f"rtl: input {image}", quiet=quiet or as_json):
        run = rtl.run(program, x[image:image + 1], trace=out, seed=seed)
    size, cycles = out.stat().st_size, int(run.cycles[0])
    signals, views = read_header(out), (out.with_suffix(".gtkw"), out.with_suffix(".sucl"))
    for path, view in zip(views, (gtkwave_view, surfer_view)):
        write_atomically(path, view(out, signals))
    opens = [f"gtkwave {out} {views[0]}", f"surfer --command-file {views[1]}"]
    emit({"waveform": str(out), "bytes": size, "cycles": cycles, "open_with": opens,
          "views": [str(path) for path in views],
          "config": program.config.to_dict()},
         lambda: [f"{out}: {size:,} bytes; the program takes {cycles:,} cycles, after it is "
                  f"loaded and stepped through once", *(f"open with: {line}" for line in opens)],
         as_json=as_json, quiet=quiet)
