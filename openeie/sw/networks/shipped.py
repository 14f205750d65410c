# SPDX-License-Identifier: Apache-2.0
"""Where the artefacts are that come with the package."""
from importlib.resources import files
from pathlib import Path

from ...core.errors import InputError, did_you_mean

__all__ = ["shipped"]


def shipped(name: str) -> Path:
    """Path of an artefact that comes with the package: ``"lenet-300-100"`` or ``"lenet-5"``.

    Raises
    ------
    InputError : no artefact of this name comes with the package.
    """
    folder = Path(str(files("openeie.sw"))) / "assets"
    path = folder / f"{name}.eie"
    if not path.is_file():
        names = sorted(path.stem for path in folder.glob("*.eie"))
        raise InputError(f"no artefact {name!r} comes with the package; "
                         f"{did_you_mean(name, names)}there are: {', '.join(names) or 'none'}")
    return path
