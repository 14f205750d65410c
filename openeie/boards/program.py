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

#: What openFPGALoader prints, and what it means.
_PERMISSION = re.compile(r"permission denied|LIBUSB_ERROR_ACCESS|access denied|insufficient perm"
                         r"|usb_open\(\) failed", re.IGNORECASE)
_ABSENT = re.compile(r"device not found|no device found|no such device|unable to open ftdi"
                     r"|unable to open device|fail(ed)? to open|no (usb )?(cable|dfu)|not found",
                     re.IGNORECASE)
#: What is believed of a build's report, and its types.
_REPORTED: dict[str, tuple[type, ...]] = {
    "board": (str,), "sha256": (str,), "met": (bool,), "fmax_mhz": (int, float),
    "target_mhz": (int, float)}
_LIBRARY = re.compile(r"error while loading shared libraries: (\S+?):")


def program(board: Board, bitstream: Path | None = None, *, flash: bool = False,
            cable: str | None = None, force: bool = False) -> str:
    """Load a bitstream; returns what openFPGALoader printed.

    Parameters
    ----------
    bitstream : ``build/BOARD/...`` if None.
    flash : write the board's flash, so that the bitstream is there after power-up, too.
    cable : openFPGALoader's name of the JTAG cable, for boards without a programmer.
    force : load a bitstream that missed its clock, too.

    Raises
    ------
    InputError : no such file, or it was built for another board, or missed its clock.
    ToolError : openFPGALoader is missing, or failed.
    LinkError : no board, or no permission to use it.
    """
    path = bitstream or Path("build") / board.name / board.family.bitstream_name
    check_bitstream(board, path, force=force)
    if board.needs_cable and cable is None:
        raise InputError(f"{board.name} has no programmer of its own; name your JTAG cable, for "
                         f"example --cable ft232")
    arguments = [*board.loader, *(["--cable", cable] if cable else []),
                 *(["--write-flash"] if flash else []), str(path.resolve())]
    with tempfile.TemporaryDirectory() as folder:
        code, log = run_tool("openfpgaloader-cli", arguments, Path(folder), "program.log")
    if code:
        _refuse(board, log.partition("\n")[2])
    return log


def check_bitstream(board: Board, path: Path, *, force: bool = False) -> None:
    """The file must be there, whole, and for this board, as far as the report beside it says.

    Raises
    ------
    InputError : with what is wrong.
    """
    if not path.is_file():
        raise InputError(f"there is no bitstream {path}; build it: openeie build -b {board.name}")
    if path.suffix != Path(board.family.bitstream_name).suffix:
        raise InputError(f"a bitstream for {board.name} is a *"
                         f"{Path(board.family.bitstream_name).suffix} file, not {path}")
    try:
        report = _read_report(path.parent / REPORT)
    except UntrustedError as error:
        raise InputError(f"cannot read {error}; build anew: openeie build -b "
                         f"{board.name}") from error
    if report is None:
        return                          # built elsewhere; the board's identity will tell
    built_for, digest, met = report["board"], report["sha256"], report["met"]
    reached, wanted = report["fmax_mhz"], report["target_mhz"]
    if built_for != board.name:
        raise InputError(f"{path} was built for {built_for}, not {board.name}; build it: "
                         f"openeie build -b {board.name}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise InputError(f"{path} is not the file that {path.parent / REPORT} describes; build "
                         f"anew: openeie build -b {board.name}")
    if not met and not force:
        options = [] if path.parent == Path("build") / board.name else ["-o", str(path.parent)]
        raise InputError(f"{path} missed its clock, {reached} of {wanted} MHz, and would not be "
                         f"reliable; {slower_build(board, reached, options)}, and the options that "
                         f"it was built with; or load it with --force")


def _read_report(path: Path) -> dict[str, Any] | None:
    """What a build said of its bitstream, or None if there is no such file.

    Raises
    ------
    UntrustedError : it cannot be read, or lacks what is believed of it.
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
