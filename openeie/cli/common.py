# SPDX-License-Identifier: Apache-2.0
"""Options, output and errors that all verbs share."""
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import RenderableType
from rich.measure import Measurement
from rich.progress import Progress, TextColumn
from rich.text import Text

from ..core.array.config import PRESETS, ArrayConfig, check_keys, preset
from ..core.array.limits import NAMES
from ..core.defaults import WHOLE_NETWORKS, default_preset
from ..core.errors import ConfigError, InputError, OpenEIEError, UntrustedError
from ..core.host.shown import shown
from ..core.host.untrusted import read_json, read_toml
from ..core.network.graph import Network
from ..sw.data.npz import read_arrays
from .console import PlainConsole
from .outputs import check_writable, make_folder, write_atomically
from .streams import guarded_streams, is_stdout

__all__ = ["SCHEMA_VERSION", "AsJson", "Out", "Quiet", "Verbose", "Jobs", "Seed", "Config",
           "Config16", "Config64", "Set", "Model", "Engine", "emit", "describe_error",
           "resolve_config", "config_for", "read_inputs", "working", "progress",
           "make_folder", "check_writable", "write_atomically", "one_line_errors"]

#: Columns that a table may take, whatever the terminal has.
_WIDEST = 1_000
#: Version of every verb's JSON output; a change of meaning raises it.
SCHEMA_VERSION = 1

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Out = Annotated[Path | None, typer.Option(
    "-o", "--out", help="Write the result there, too, as JSON; - is standard output.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No tables, no progress.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="More detail, per PE.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Work side by side.")]
Seed = Annotated[int, typer.Option("--seed", help="What random choices start from.")]


def _config_option(default: bool | str) -> typer.models.OptionInfo:
    return typer.Option("-c", "--config", show_default=default,
                        help=f"Preset ({', '.join(PRESETS)}), or a .toml or .json file.")


Config = Annotated[str, _config_option(True)]
Config16 = Annotated[str | None, _config_option(
    f"EIE16, {WHOLE_NETWORKS} for networks with more than linear layers")]
Config64 = Annotated[str | None, _config_option(
    f"EIE64, {WHOLE_NETWORKS} for networks with more than linear layers")]
Set = Annotated[list[str] | None, typer.Option(
    "--set", metavar="FIELD=VALUE", help="Change one field of the configuration; repeatable.")]
Model = Annotated[str, typer.Argument(
    metavar="MODEL", help="An *.eie file, or the name of a network that comes with the package.")]
Engine = Annotated[str, typer.Option("-e", "--engine", help="golden, fast or rtl.")]


def resolve_config(name: str | None, changes: list[str] | None,
                   base: ArrayConfig | None = None) -> ArrayConfig:
    """The configuration that ``--config`` and ``--set`` ask for; ``base`` without the former."""
    config = base if name is None else _read_config(name)
    fields: dict[str, object] = {}
    for change in changes or ():
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"--set takes FIELD=VALUE, not {change!r}")
        check_keys([key])               # before its value is told to be of the wrong kind
        if key in NAMES:
            fields[key] = tuple(text.split(","))
            continue
        try:
            fields[key] = int(text)
        except ValueError:
            raise ConfigError(f"--set {key} takes an integer, not {text!r}") from None
    return ArrayConfig.from_dict(config.to_dict() | fields) if fields else config


def config_for(network: Network, name: str | None, changes: list[str] | None, *,
               linear: str) -> ArrayConfig:
    """The configuration that the options ask for; without ``--config`` that of
    :func:`openeie.core.defaults.default_preset`."""
    return resolve_config(default_preset(network, linear=linear) if name is None else name,
                          changes)


def _read_config(name: str) -> ArrayConfig:
    path = Path(name)
    if path.suffix not in (".toml", ".json"):
        return preset(name)
    try:
        fields = read_toml(path) if path.suffix == ".toml" else read_json(path)
    except UntrustedError as error:
        raise ConfigError(f"cannot read the configuration {error}") from error
    if not isinstance(fields, dict):
        raise ConfigError(f"{path} must hold one table of fields, not a {type(fields).__name__}")
    try:
        return ArrayConfig.from_dict(fields)
    except TypeError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_inputs(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs [batch, n] from ``.npy``, or from ``.npz`` as ``inputs`` and, if there, ``labels``.

    Raises
    ------
    InputError : a file that cannot be read, no input at all, or labels that are not integers
        [batch].
    """
    arrays = read_arrays(path, "inputs", ("inputs", "labels"))
    if isinstance(arrays, np.ndarray):
        arrays = {"inputs": arrays}
    x, labels = np.atleast_2d(arrays["inputs"]), arrays.get("labels")
    if not len(x):
        raise InputError(f"{path} must hold at least one input, not an array of shape "
                         f"{list(x.shape)}")
    if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != x.shape[:1]):
        raise InputError(f"{path}: array 'labels' must be integers [{len(x)}], one for each "
                         f"input, not {labels.dtype} {list(labels.shape)}")
    return x, labels


def emit(result: dict, tables: Callable[[], list], *, as_json: bool, quiet: bool,
         out: Path | None = None, failure: OpenEIEError | None = None) -> None:
    """Print a result as JSON or as tables, and write it to ``out`` as JSON.

    Where ``out`` is standard output, nothing else is printed there. A list ``warnings`` in the
    result is told on stderr, whatever else is printed. A ``failure`` that the result shows is part
    of the one JSON object, and raised in the end.
    """
    result = {"schema_version": SCHEMA_VERSION} | result
    if failure is not None:
        result["error"] = describe_error(failure)
    text = json.dumps(result, indent=None if as_json else 1)
    if out is not None:
        write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    if as_json:
        print(text)
    elif not quiet and not is_stdout(out):
        console = _console()
        terminal = console.width
        for part in tables():
            # A line is not markup: it may have brackets of its own. Nor is it broken: it may be a
            # command to copy.
            if isinstance(part, str):
                console.print(Text(shown(part)), soft_wrap=True)
            else:
                console.width = _room(part, console, terminal)
                console.print(part, crop=False)
    for line in result.get("warnings", ()):
        print(f"warning: {line}", file=sys.stderr)
    if failure is not None:
        failure.printed = as_json
        raise failure


def _room(part: RenderableType, console: PlainConsole, terminal: int) -> int:
    """Columns for a table: the terminal's, or as many as its numbers need; digits that are cut off
    would make others of them."""
    options = console.options.update(max_width=_WIDEST)
    return max(terminal, Measurement.get(console, options, part).minimum)


def describe_error(error: OpenEIEError) -> dict[str, str]:
    """An error as JSON output has it."""
    return {"type": type(error).__name__, "message": str(error)}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """For a script of its own: an error is one line on stderr and a non-zero exit code."""
    with guarded_streams():
        try:
            yield
        except OpenEIEError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(error.exit_code)


def _console() -> PlainConsole:
    """Coloured on a terminal; plain text, wide enough for every table, elsewhere."""
    if sys.stdout.isatty():
        return PlainConsole()
    return PlainConsole(width=140, color_system=None, highlight=False)


def working(what: str, *, quiet: bool) -> AbstractContextManager:
    """Say on a terminal's stderr what takes its time, for as long as it does."""
    console = PlainConsole(stderr=True)
    return nullcontext() if quiet or not console.is_terminal else console.status(Text(shown(what)))


@contextmanager
def progress(what: str, *, quiet: bool):
    """A bar on stderr that appears only on a terminal; yields ``update(done, total)``."""
    console = PlainConsole(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), *Progress.get_default_columns()[1:])
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal,
                  transient=True) as bar:
        task = bar.add_task(shown(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
