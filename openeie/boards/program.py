# SPDX-License-Identifier: Apache-2.0
"""Loading a bitstream into a board with openFPGALoader."""
import hashlib
import re
import tempfile
from pathlib import Path
from typing import Any

from ..core.errors import InputError, LinkError, ToolError, UntrustedError
from ..core.host.untrusted import read_json
from .board import Board
from .build import REPORT, slower_build
from .tools import run_tool

__all__ = ["program", "check_bitstream"]

#: Messages of openFPGALoader about permissions, about a missing device, and of the loader.
_PERMISSION = re.compile(r"permission denied|LIBUSB_ERROR_ACCESS|access denied|insufficient perm"
                         r"|usb_open\(\) failed", re.IGNORECASE)
_ABSENT = re.compile(r"device not found|no device found|no such device|unable to open ftdi"
                     r"|unable to open device|fail(ed)? to open|no (usb )?(cable|dfu)|not found",
                     re.IGNORECASE)
#: Fields that are read of a build's report, and their types.
_REPORTED: dict[str, tuple[type, ...]] = {
    "board": (str,), "sha256": (str,), "met": (bool,), "fmax_mhz": (int, float),
    "target_mhz": (int, float)}
_LIBRARY = re.compile(r"error while loading shared libraries: (\S+?):")


def program(board: Board, bitstream: Path | None = None, *, flash: bool = False,
            cable: str | None = None, force: bool = False, openeie: str = "openeie") -> str:
    """Load a bitstream into a board; returns what openFPGALoader printed.

    Parameters
    ----------
    bitstream : the file; None takes the one in ``build/BOARD``.
    flash : write the board's flash, so that the bitstream is loaded at power-up.
    cable : openFPGALoader's name of the JTAG cable, for boards without a programmer.
    force : load a bitstream even if it missed its clock.
    openeie : how the ``openeie`` command is typed, for messages.

    Raises
    ------
    InputError : there is no such file, it was built for another board, or it missed its clock.
    ToolError : openFPGALoader is missing or failed.
    LinkError : no board is connected, or the user may not use it.
    """
    path = bitstream or Path("build") / board.name / board.family.bitstream_name
    check_bitstream(board, path, force=force, openeie=openeie)
    if board.needs_cable and cable is None:
        raise InputError(f"{board.name} has no programmer of its own; name your JTAG cable, for "
                         f"example --cable ft232")

    arguments = list(board.loader)
    if cable:
        arguments += ["--cable", cable]
    if flash:
        arguments.append("--write-flash")
    arguments.append(str(path.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        code, log = run_tool("openfpgaloader-cli", arguments, Path(folder), "program.log")
    if code:
        _refuse(board, log.partition("\n")[2])
    return log


def check_bitstream(board: Board, path: Path, *, force: bool = False,
                    openeie: str = "openeie") -> None:
    """Check that a bitstream exists, is for this board, and has met its clock.

    All but the first is taken from the build's report in the same folder. A bitstream without a
    report was built elsewhere, and is accepted: the board's identity tells what it is.

    Raises
    ------
    InputError : the check fails; the message says why, and how to build the bitstream.
    """
    rebuild = f"{openeie} build -b {board.name}"
    if not path.is_file():
        raise InputError(f"there is no bitstream {path}; build it: {rebuild}")
    if path.suffix != Path(board.family.bitstream_name).suffix:
        raise InputError(f"a bitstream for {board.name} is a *"
                         f"{Path(board.family.bitstream_name).suffix} file, not {path}")
    try:
        report = _read_report(path.parent / REPORT)
    except UntrustedError as error:
        raise InputError(f"cannot read {error}; build again: {rebuild}") from error
    if report is None:
        return

    if report["board"] != board.name:
        raise InputError(f"{path} was built for {report['board']}, not {board.name}; build it: "
                         f"{rebuild}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != report["sha256"]:
        raise InputError(f"{path} is not the file that {path.parent / REPORT} describes; build "
                         f"again: {rebuild}")
    if not report["met"] and not force:
        options = [] if path.parent == Path("build") / board.name else ["-o", str(path.parent)]
        slower = slower_build(board, report["fmax_mhz"], options, program=openeie)
        raise InputError(f"{path} missed its clock, {report['fmax_mhz']} of "
                         f"{report['target_mhz']} MHz, and would not be reliable; {slower}, with "
                         f"the other options of that build; or load it with --force")


def _read_report(path: Path) -> dict[str, Any] | None:
    """The report of a build, or None if there is no such file.

    Raises
    ------
    UntrustedError : it cannot be read, or a field is missing or of the wrong type.
    """
    try:
        report = read_json(path)
    except UntrustedError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    if not isinstance(report, dict):
        raise UntrustedError(str(path), "it must be a table")
    for name, kinds in _REPORTED.items():
        value = report.get(name)
        if type(value) not in kinds:
            rule = f"{name!r} must be of the type {' or '.join(kind.__name__ for kind in kinds)}"
            raise UntrustedError(str(path), rule, f"{value!r:.60}")
    return report


def _refuse(board: Board, log: str) -> None:
    """Raise the error that says why openFPGALoader failed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = lines[-1] if lines else "it printed nothing"
    if missing := _LIBRARY.search(log):
        raise ToolError(f"openFPGALoader needs the library {missing[1]} (Debian: apt install "
                        f"libusb-1.0-0 libftdi1-2 libhidapi-hidraw0 libhidapi-libusb0)")
    if _PERMISSION.search(log):
        raise LinkError(f"no permission to use {board.name}'s USB device ({said}): install "
                        f"openFPGALoader's udev rules (99-openfpgaloader.rules) and join the "
                        f"group plugdev, or run as root")
    if _ABSENT.search(log):
        raise LinkError(f"no {board.name} found ({said}): check its USB cable and power, and that "
                        f"no other program uses it")
    raise ToolError(f"openFPGALoader failed on {board.name}: {said}")
