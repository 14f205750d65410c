# SPDX-License-Identifier: Apache-2.0
"""The command line. Each verb is one file, a thin layer over the library."""
import json
import sys
import traceback
from typing import Annotated, Any

import typer

from .. import __version__
from ..core.errors import InputError, OpenEIEError
from . import (bench, board_sim, boards, build, compile, compress, demo, doctor, inspect, program,
               report, run, sim, sweep, test, verify, wave, zoo)
from .common import SCHEMA_VERSION, describe_error, emit
from .invocation import invocation
from .streams import guarded_streams

__all__ = ["app", "main"]

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
        emit({"version": __version__}, lambda: [f"openeie {__version__}"], as_json=as_json,
             quiet=False)


for verb in (demo, doctor, compress, inspect, compile, sim, report, verify, wave, sweep, zoo,
             boards, build, program, board_sim, run, test):
    app.command(verb.__name__.rpartition(".")[2].replace("_", "-"))(verb.command)
app.add_typer(bench.app, name="bench")


# Raised for a command line that cannot be parsed: an unknown option, a word where a number belongs.
_UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Entry point: run a verb. An error is one line on stderr and a non-zero exit code."""
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
