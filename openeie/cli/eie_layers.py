# SPDX-License-Identifier: Apache-2.0
"""The layers that ``openeie bench eie`` runs: those of EIE's paper, or a user's own."""
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import InputError, did_you_mean
from ..sw.data.npz import read_arrays

if TYPE_CHECKING:
    from ..sim.study.workload import Workload

__all__ = ["own_layers", "paper_layers"]


def paper_layers(names: Sequence[str], seed: int) -> "list[Workload]":
    """The paper's layers, or only those that are named.

    Raises
    ------
    InputError : there is no such layer, or the seed is negative.
    """
    from ..sim.study.eie import PAPER, paper_workloads
    if seed < 0:
        raise InputError(f"--seed must not be negative, not {seed}")
    known = [row.name for row in PAPER]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"no layer {unknown[0]!r} in EIE's Table III; "
                         f"{did_you_mean(unknown[0], known)}there are: {', '.join(known)}")
    return [one for one in paper_workloads(seed) if not names or one.name in names]


def own_layers(files: Sequence[Path]) -> "tuple[list[Workload], dict[str, dict[str, float]]]":
    """The layers in files, which are called like them.

    Returns
    -------
    The layers; and by name what one unit of their arrays of floats stands for, see
    :func:`openeie.sim.study.arrays.units_of`.

    Raises
    ------
    InputError : two files have one name, or one cannot be read or holds no layer.
    """
    from ..sim.study.arrays import units_of, workload_of
    stems = [path.stem for path in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice:
        raise InputError(f"two files are called {twice!r}, which is the name of their layers; "
                         f"rename one")
    layers = []
    units = {}
    for path in files:
        arrays = _read(path)
        layers.append(workload_of(arrays, path.stem))
        units[path.stem] = units_of(arrays)
    return layers, units


def _read(path: Path) -> dict:
    """The arrays in the file of a layer."""
    from ..sim.study.arrays import ARRAYS
    arrays = read_arrays(path, "a layer", ARRAYS)
    if not isinstance(arrays, dict):
        raise InputError(f"{path} holds one array; a layer needs an .npz file with acts and "
                         f"weights")
    return arrays
