# SPDX-License-Identifier: Apache-2.0
"""The command line: one verb a file, each a thin layer over the library."""
import json
import sys
import traceback

import typer

from ..core.errors import OpenEIEError
from . import (
    board_sim,
    boards,
    build,
    compile,
    demo,
    doctor,
    inspect,
    program,
    run,
    sim,
    test,
    verify,
    wave,
    zoo,
)
from .common import SCHEMA_VERSION, describe_error

__all__ = ["app", "main"]

app = typer.Typer(name="openeie", no_args_is_help=True, add_completion=False,
                  pretty_exceptions_enable=False,
                  help="Compress a network, run it cycle by cycle on an EIE-style array, and "
                       "check that every engine agrees.")
for verb in (demo, doctor, inspect, compile, sim, verify, wave, zoo, boards,
             build, program, board_sim, run, test):
    app.command(verb.__name__.rpartition(".")[2].replace("_", "-"))(verb.command)


def main() -> None:
    """Entry point: run a verb; an error is one line on stderr and a non-zero exit code."""
    try:
        app()
    except OpenEIEError as error:
        if "-vv" in sys.argv:
            traceback.print_exc()
        if "--json" in sys.argv and not error.printed:
            print(json.dumps({"schema_version": SCHEMA_VERSION, "error": describe_error(error)}))
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
