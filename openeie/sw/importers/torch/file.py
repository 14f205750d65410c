# SPDX-License-Identifier: Apache-2.0
"""Files of ``torch.save``: nothing in them is run."""
import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

__all__ = ["load_tensors"]

_MOST_NAME = 1000                   # characters of a class's or function's
_ZIP = b"PK\3\4"
_BEFORE_ZIP = 5                     # pickles in a file of torch's older format


def load_tensors(path: Path) -> Any:
    """What ``torch.load`` gives with ``weights_only``, on the CPU.

    Raises
    ------
    Exception : of any kind that torch and pickle raise for a damaged or hostile file.
    """
    with path.open("rb") as file:
        _check_names(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of pickles' versions
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_names(file: IO[bytes]) -> None:
    """Refuse names without end: torch searches the message in which it refuses them, in a time
    that grows with the square of their length."""
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
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name == "GLOBAL" and len(argument) > _MOST_NAME:
            raise pickle.UnpicklingError(f"a name of {len(argument):,} characters")
