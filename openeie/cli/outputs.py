# SPDX-License-Identifier: Apache-2.0
"""Where results go: files, devices and pipes, folders, and standard output as ``-``."""
import sys
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError
from ..core.host.files import check_file, is_stream, replace_file
from .streams import is_stdout, write_stdout

__all__ = ["make_folder", "check_folder", "check_format", "check_writable", "write_atomically"]


def make_folder(path: Path) -> None:
    """Make a folder for results, and those above it, unless it is there."""
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error


def check_folder(path: Path | None) -> None:
    """Refuse ``-`` for a folder, which standard output is not."""
    if path is not None and str(path) == "-":
        raise InputError("-o - is standard output, and several files are written; name a folder "
                         "(./- if it is called so)")


def check_format(path: Path, formats: Sequence[str], *, text: bool = True) -> str:
    """The one of ``formats`` that the name of a result says, refused if it says none.

    Standard output, a device and a pipe need no suffix; without one they get the last format.

    Parameters
    ----------
    formats : suffixes in lower case, with their dot.
    text : whether the last of them is text, so that a terminal can show it.
    """
    suffix = path.suffix.lower()
    if suffix in formats:
        return suffix
    if is_stdout(path) and not text and sys.stdout.isatty():
        raise InputError(f"-o {path}: a file {formats[-1]} is not for a terminal; name a file, "
                         f"or send it on: -o - | ..., -o - > FILE")
    if is_stdout(path) or is_stream(path) and not suffix:
        return formats[-1]
    raise InputError(f"the name of what is written must end in {' or '.join(formats)}, not "
                     f"{path.name!r}")


def check_writable(*paths: Path | None, as_json: bool = False) -> None:
    """Refuse now what could not be written when all the work is done.

    Parameters
    ----------
    paths : the results of one command; None for one that was not asked for.
    as_json : whether standard output has the command's JSON already.
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
    """Write a result: a file appears complete or not at all, ``-`` is standard output."""
    if is_stdout(path):
        write_stdout(data)
        return
    try:
        replace_file(path, data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
