# SPDX-License-Identifier: Apache-2.0
"""The command line. Each verb is one file, a thin layer over the library."""
import json
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from ..core.errors import InputError, OpenEIEError
from ..core.version import VERSION
from . import bench
from .common import SCHEMA_VERSION, describe_error, emit
from .invocation import invocation
from .later import add_later
from .streams import guarded_streams

__all__ = ["VERBS", "app", "main"]

#: All verbs but bench, each with the first line of its command's docstring, which a test compares.
VERBS = {
    "demo": "Run LeNet-300-100 on images of MNIST in three engines, and compare them.",
    "doctor": "Check the machine, and print how to fix what is missing; exit 3 if something is.",
    "compress": "Train, prune, share and quantise a network of your own; report its errors and "
                "sizes.",
    "inspect": "Print the sizes of a compressed network, in the columns of Deep Compression.",
    "compile": "Compile a network for an array: print its plan, memory use and predicted cycles.",
    "sim": "Simulate a network: its outputs, and the cycles of each layer and their use.",
    "report": "Run a network, and write a page on cycles, stalls, load, queues, compression and "
              "energy.",
    "verify": "Compare engines on a model's inputs, or on random layers; exit 1 at the first "
              "difference.",
    "wave": "Run one input in the gateware; write its waveform, and views for GTKWave and Surfer.",
    "sweep": "Cycles, energy, memory and LUTs of every array of a grid, and the Pareto front.",
    "zoo": "List the networks with their size, errors and cycles; or import SqueezeNet.",
    "boards": "List the boards: chip, default array, clock, memories, and whether LeNet-300-100 "
              "fits.",
    "build": "Build a board's bitstream; exit 3 if its clock is missed.",
    "program": "Load a bitstream into a board with openFPGALoader.",
    "board-sim": "Simulate a board until Ctrl-C. Any program can open its UART like that of a "
                 "real board.",
    "run": "Run a network on a board. The board's bitstream tells which array it has.",
    "test": "Test a board: link, memories, faults, every encoding, and a network on MNIST's "
            "images.",
}

app = typer.Typer(name="openeie", add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None)        # brackets in help texts are no markup

Version = Annotated[bool, typer.Option("--version", help="Print the version only.")]
VersionAsJson = Annotated[bool, typer.Option(
    "--json", help="With --version: print it as JSON. A verb's own --json goes after the verb.")]


@app.callback(invoke_without_command=True, no_args_is_help=True)
def _root(context: typer.Context, version: Version = False,
          as_json: VersionAsJson = False) -> None:
    """Compress a network, run it cycle by cycle on an EIE-style array, and check that all engines
    agree."""
    verb = context.invoked_subcommand
    if verb is not None and (version or as_json):
        if version:
            raise InputError(f"--version is before the verb {verb}; leave out one of the two")
        raise InputError(f"--json is before the verb {verb}; type {invocation()} {verb} ... --json")
    if verb is None and not version:
        raise InputError(f"there is no verb; {invocation()} --help lists all verbs")
    if version:
        emit({"version": VERSION}, lambda: [f"openeie {VERSION}"], as_json=as_json, quiet=False)


add_later(app, VERBS)
app.add_typer(bench.app, name="bench")


# Raised for a command line that cannot be parsed: an unknown option, a word where a number belongs.
_UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Entry point: run a verb. An error is one line on stderr and a non-zero exit code."""
    # pydantic would look for plugins of its own in every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    with guarded_streams():
        _run_verb("--json" in sys.argv)


def _run_verb(as_json: bool) -> None:
    try:
        sys.exit(app(standalone_mode=not as_json))
    except _UsageError as error:            # raised with --json only; typer prints it otherwise
        _print_error({"type": "UsageError", "message": error.format_message()})
        error.show()
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
    except OpenEIEError as error:
        if "-vv" in sys.argv:
            traceback.print_exc()
        if as_json and not error.printed:
            _print_error(describe_error(error))
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _print_error(description: dict[str, str]) -> None:
    print(json.dumps({"schema_version": SCHEMA_VERSION, "error": description}))
