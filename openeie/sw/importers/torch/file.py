# SPDX-License-Identifier: Apache-2.0
"""Reader of files that ``torch.save`` wrote; nothing in them is executed."""
import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

__all__ = ["load_tensors"]

_MOST_NAME = 1000                   # characters of the name of a class or function
_ZIP = b"PK\3\4"
_BEFORE_ZIP = 5                     # pickles in a file of torch's format before zip files


def load_tensors(path: Path) -> Any:
    """The result of ``torch.load`` with ``weights_only``, on the CPU.

    Raises
    ------
    Exception : of any type; torch and pickle raise many for a damaged or hostile file.
    """
    with path.open("rb") as file:
        _check_names(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # torch warns of the pickles' versions
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_names(file: IO[bytes]) -> None:
    """Refuse very long names. torch refuses them too, but then searches its own message in a time
    that grows with the square of the length."""
    if file.read(len(_ZIP)) == _ZIP:
        with zipfile.ZipFile(file) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(member) as stream:
                _check_pickle(stream)
        return
    file.seek(0)
    for _ in range(_BEFORE_ZIP):
        _check_pickle(file)


def _check_pickle(stream: IO[bytes]) -> None:
    """Refuse a pickle with a very long name; reads up to its end."""
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name == "GLOBAL" and len(argument) > _MOST_NAME:
            raise pickle.UnpicklingError(f"a name of {len(argument):,} characters")
