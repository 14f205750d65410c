# SPDX-License-Identifier: Apache-2.0
"""Where results are written: files, devices, pipes, folders, and standard output (``-``)."""
import sys
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError
from ..core.host.files import check_file, is_stream, replace_file
from .streams import is_stdout, write_stdout

__all__ = ["make_folder", "check_folder", "check_format", "check_writable", "write_atomically"]


def make_folder(path: Path) -> None:
    """Make a folder for results, and its parents, unless they exist.

    Raises
    ------
    InputError : it cannot be made, or is ``-``.
    """
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error


def check_folder(path: Path | None) -> None:
    """Refuse ``-``, which is standard output, as a folder.

    Raises
    ------
    InputError
    """
    if path is not None and str(path) == "-":
        raise InputError("-o - is standard output, but several files are written; name a folder "
                         "(./- if that is its name)")


def check_format(path: Path, formats: Sequence[str], *, text: bool = True) -> str:
    """The format of a result, by the suffix of its name.

    Standard output, devices and pipes need no suffix; without one they get the last format.

    Parameters
    ----------
    formats : known suffixes, in lower case and with the dot.
    text : True if the last format is text, which a terminal can show.

    Raises
    ------
    InputError : the suffix is unknown, or a terminal would get a binary format.
    """
    suffix = path.suffix.lower()
    if suffix in formats:
        return suffix
    if is_stdout(path) and not text and sys.stdout.isatty():
        raise InputError(f"-o {path}: a {formats[-1]} file is not for a terminal; name a file, or "
                         f"redirect the output: -o - | ..., -o - > FILE")
    if is_stdout(path) or is_stream(path) and not suffix:
        return formats[-1]
    raise InputError(f"the name of the output file must end in {' or '.join(formats)}, not "
                     f"{path.name!r}")


def check_writable(*paths: Path | None, as_json: bool = False) -> None:
    """Check before the work that its results can be written.

    Parameters
    ----------
    paths : results of one command; None for one that was not asked for.
    as_json : True if standard output is used for the command's JSON.

    Raises
    ------
    InputError : one cannot be written, or two would go to standard output.
    """
    printed = ["--json"] * as_json + [str(path) for path in paths if is_stdout(path)]
    if len(printed) > 1:
        raise InputError(f"standard output takes one result, not {' and '.join(printed)}; name a "
                         f"file for the other")

    for path in paths:
        if path is None or is_stdout(path):
            continue
        try:
            check_file(path)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a result. A file appears complete or not at all; ``-`` is standard output.

    Raises
    ------
    InputError : it cannot be written.
    """
    if is_stdout(path):
        write_stdout(data)
        return
    try:
        replace_file(path, data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
