# SPDX-License-Identifier: Apache-2.0
"""Options, output and errors that are shared by all verbs.

Every verb imports this, ``--help`` and ``--version``, too. So what takes long to load, numpy and
rich first of all, is imported by the functions that need it.
"""
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.array.config import PRESETS, ArrayConfig, check_keys, preset
from ..core.array.limits import NAMES
from ..core.defaults import WHOLE_NETWORKS, AskedArray, default_preset
from ..core.errors import ConfigError, InputError, OpenEIEError, UntrustedError
from ..core.host.shown import shown
from .outputs import write_atomically
from .streams import guarded_streams, is_stdout

if TYPE_CHECKING:
    import numpy as np
    from rich.console import RenderableType

    from ..core.network.graph import Network
    from .console import PlainConsole

__all__ = ["SCHEMA_VERSION", "AsJson", "Out", "Quiet", "Verbose", "Jobs", "Seed", "Config",
           "Config16", "Config64", "Set", "Model", "Engine", "emit", "describe_error",
           "resolve_config", "array_for", "asked_array", "read_inputs", "working", "progress",
           "one_line_errors"]

#: Most columns of a table, however wide the terminal is.
_WIDEST = 1_000
#: Version of the JSON output of all verbs; it rises when a meaning changes.
SCHEMA_VERSION = 1

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Out = Annotated[Path | None, typer.Option(
    "-o", "--out", help="Also write the result to this file, as JSON; - is standard output.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print no tables and no progress.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print more detail, by PE.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Number of parallel processes.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random choices.")]


def _config_option(default: bool | str) -> typer.models.OptionInfo:
    return typer.Option("-c", "--config", show_default=default,
                        help=f"A preset ({', '.join(PRESETS)}), or a .toml or .json file.")


Config = Annotated[str, _config_option(True)]
Config16 = Annotated[str | None, _config_option(
    f"EIE16, {WHOLE_NETWORKS} for networks with more than linear layers")]
Config64 = Annotated[str | None, _config_option(
    f"EIE64, {WHOLE_NETWORKS} for networks with more than linear layers")]
Set = Annotated[list[str] | None, typer.Option(
    "--set", metavar="FIELD=VALUE", help="Change one field of the configuration; repeatable.")]
Model = Annotated[str, typer.Argument(
    metavar="MODEL", help="An *.eie file, or the name of a network in the package.")]
Engine = Annotated[str, typer.Option("-e", "--engine", help="golden, fast or rtl.")]


def resolve_config(name: str | None, changes: list[str] | None,
                   base: ArrayConfig | None = None) -> ArrayConfig:
    """The configuration that ``--config`` and ``--set`` ask for.

    Parameters
    ----------
    name : value of ``--config``; None takes ``base``.
    changes : values of ``--set``, each ``FIELD=VALUE``.

    Raises
    ------
    ConfigError : a file cannot be read, or a field or value is wrong.
    """
    config = base if name is None else _read_config(name)
    fields: dict[str, object] = {}
    for change in changes or ():
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"--set takes FIELD=VALUE, not {change!r}")
        check_keys([key])               # an unknown field is told before a wrong value
        if key in NAMES:
            fields[key] = tuple(text.split(","))
            continue
        try:
            fields[key] = int(text)
        except ValueError:
            raise ConfigError(f"--set {key} takes an integer, not {text!r}") from None
    return ArrayConfig.from_dict(config.to_dict() | fields) if fields else config


def array_for(network: "Network", name: str | None, changes: list[str] | None, *,
              linear: str) -> AskedArray:
    """The array that the options ask for, with a default that depends on the network.

    Without ``--config``, it is that of :func:`openeie.core.defaults.default_preset`; ``linear`` is
    the preset for networks of linear layers.
    """
    if name is None:
        name = default_preset(network, linear=linear)
    return asked_array(name, changes)


def asked_array(name: str, changes: list[str] | None) -> AskedArray:
    """The array that the options ask for. Of a preset the compiler may widen the run, unless
    ``--set`` gives one; a file is taken as it is."""
    is_set = any(change.partition("=")[0] == "run_width" for change in changes or ())
    return AskedArray(resolve_config(name, changes),
                      free_run_width=not _is_file(name) and not is_set)


def _is_file(name: str) -> bool:
    """Whether the value of ``--config`` is a file, and not a preset's name."""
    return Path(name).suffix in (".toml", ".json")


def _read_config(name: str) -> ArrayConfig:
    path = Path(name)
    if not _is_file(name):
        return preset(name)
    from ..core.host.untrusted import read_json, read_toml
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


def read_inputs(path: Path) -> "tuple[np.ndarray, np.ndarray | None]":
    """Inputs [batch, n], and labels [batch] or None, from a file.

    A ``.npy`` file holds the inputs, an ``.npz`` file the array ``inputs`` and perhaps ``labels``.

    Raises
    ------
    InputError : the file cannot be read, has no inputs, or its labels are not integers [batch].
    """
    import numpy as np

    from ..sw.data.npz import read_arrays
    arrays = read_arrays(path, "inputs", ("inputs", "labels"))
    if isinstance(arrays, np.ndarray):
        arrays = {"inputs": arrays}

    x = np.atleast_2d(arrays["inputs"])
    if not len(x):
        raise InputError(f"{path} must hold at least one input, not an array of shape "
                         f"{list(x.shape)}")

    labels = arrays.get("labels")
    if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != x.shape[:1]):
        raise InputError(f"{path}: array 'labels' must be integers [{len(x)}], one for each "
                         f"input, not {labels.dtype} {list(labels.shape)}")
    return x, labels


def emit(result: dict, tables: Callable[[], list], *, as_json: bool, quiet: bool,
         out: Path | None = None, failure: OpenEIEError | None = None) -> None:
    """Print a result as JSON or as tables, and write it to ``out`` as JSON.

    Parameters
    ----------
    result : plain values. The entries of a list ``warnings`` in it are printed on stderr as well,
        whatever the other options are.
    tables : makes tables and lines of text; called only if they are printed.
    out : file for the JSON. If it is standard output, nothing else is printed there.
    failure : error that the result shows; it becomes part of the JSON and is raised at the end.
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
        _print_parts(tables())
    for line in result.get("warnings", ()):
        print(f"warning: {line}", file=sys.stderr)
    if failure is not None:
        failure.printed = as_json
        raise failure


def _print_parts(parts: list) -> None:
    """Print lines of text and tables."""
    for part in parts:
        if isinstance(part, str):       # not wrapped, as it may be a command
            print(shown(part))
            continue
        console = _console()
        console.width = _room(part, console)
        console.print(part, crop=False)


def _room(part: "RenderableType", console: "PlainConsole") -> int:
    """Columns for a table: those of the terminal, or more if the numbers need them. A number must
    never lose digits."""
    from rich.measure import Measurement
    options = console.options.update(max_width=_WIDEST)
    return max(console.width, Measurement.get(console, options, part).minimum)


def describe_error(error: OpenEIEError) -> dict[str, str]:
    """An error in the form of the JSON output."""
    return {"type": type(error).__name__, "message": str(error)}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """For scripts: an error is one line on stderr and a non-zero exit code, as for ``openeie``."""
    with guarded_streams():
        try:
            yield
        except OpenEIEError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(error.exit_code)


def _console() -> "PlainConsole":
    """A console with colours on a terminal; elsewhere plain text, wide enough for all tables."""
    from .console import PlainConsole
    if sys.stdout.isatty():
        return PlainConsole()
    return PlainConsole(width=140, color_system=None, highlight=False)


def working(what: str, *, quiet: bool) -> AbstractContextManager:
    """Show on stderr what is going on while the block runs; on a terminal only."""
    from rich.text import Text

    from .console import PlainConsole
    console = PlainConsole(stderr=True)
    if quiet or not console.is_terminal:
        return nullcontext()
    return console.status(Text(shown(what)))


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, on a terminal only; yields ``update(done, total)``."""
    from rich.progress import Progress, TextColumn

    from .console import PlainConsole
    console = PlainConsole(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), *Progress.get_default_columns()[1:])
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal,
                  transient=True) as bar:
        task = bar.add_task(shown(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
