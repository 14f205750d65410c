# SPDX-License-Identifier: Apache-2.0
"""A workload from a user's arrays: dense weights, or entries and pointers as in EIE."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...core.entries.encoding import Entries, decode_entries
from ...core.errors import EncodingError, InputError
from ...core.numbers.sparse import SparseWeights
from .integers import integers, unit_of
from .workload import Workload

__all__ = ["ARRAYS", "units_of", "workload_of"]

#: Names of arrays: ``acts``, and either ``weights`` or the others.
ARRAYS = ("acts", "weights", "pointers", "runs", "codes", "codebook", "outputs")
#: Arrays of which none may lack without ``weights``.
_ENTRIES = ("pointers", "runs", "codes", "codebook")
#: Those of them that count or number something.
_INDICES = ("pointers", "runs", "codes", "outputs")
#: Arrays that may hold floats.
_VALUES = ("acts", "weights", "codebook")
_MOST_OUTPUTS = 1 << 24
_MOST_RUN = 255


def workload_of(arrays: Mapping[str, np.ndarray], name: str) -> Workload:
    """A layer of activations and weights.

    Parameters
    ----------
    arrays : ``acts`` [n] or [vectors, n], and the matrix in one of two forms. Activations,
        weights and codebook may be integers of 16 bits, which stay as they are, or floats, which
        are scaled so that the largest becomes 32767, and rounded; only 0 becomes 0.

        Dense: ``weights`` [m, n].

        As EIE holds it (section III): ``pointers`` [PEs, n + 1], where column j of PE k has the
        entries ``pointers[k, j]:pointers[k, j + 1]`` of that PE; ``runs`` and ``codes`` [entries],
        all entries of the first PE, then of the next; ``codebook`` [K], with 0 in slot 0. An entry
        of code 0 is a filler and must have the longest run that occurs. ``outputs`` is m; without
        it, m is the last row with a weight, plus 1.
    name : of the layer.

    Raises
    ------
    InputError : an array is missing, superfluous, or contradicts another.
    """
    if "acts" not in arrays:
        raise InputError(f"layer {name!r} has no array 'acts'; it has: "
                         f"{', '.join(arrays) or 'none'}")
    entries = [key for key in (*_ENTRIES, "outputs") if key in arrays]
    if "weights" in arrays:
        if entries:
            raise InputError(f"layer {name!r} has both 'weights' and {entries[0]!r}; give its "
                             f"matrix one way")
        return Workload.from_dense(arrays["weights"], arrays["acts"], name=name)
    missing = [key for key in _ENTRIES if key not in arrays]
    if missing:
        raise InputError(f"layer {name!r} lacks {missing[0]!r}: its matrix is either 'weights' or "
                         f"{', '.join(_ENTRIES)}")
    for key in _INDICES:
        dtype = np.asarray(arrays.get(key, 0)).dtype
        if dtype.kind not in "iu":
            raise InputError(f"layer {name!r}: {key} must be integers, not {dtype}")
    parts = {key: np.asarray(arrays[key], np.int64) for key in ("pointers", "runs", "codes")}
    weights = _matrix(name, **parts, codebook=_codebook(name, arrays["codebook"]),
                      outputs=arrays.get("outputs"))
    return Workload(name=name, weights=weights, acts=integers(name, "acts", arrays["acts"]))


def units_of(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What one unit of the integers stands for, of each array of floats among ``arrays``; integers
    stand for themselves and are not in it."""
    units = {key: unit_of(np.asarray(arrays[key])) for key in _VALUES if key in arrays}
    return {key: unit for key, unit in units.items() if unit is not None}


def _matrix(name: str, pointers: np.ndarray, runs: np.ndarray, codes: np.ndarray,
            codebook: np.ndarray, outputs: Any) -> SparseWeights:
    """The weights that the entries of layer ``name`` stand for."""
    count = _counts(name, pointers, runs, codes)
    for key, values, most in (("runs", runs, _MOST_RUN), ("codes", codes, len(codebook) - 1)):
        if len(values) and not 0 <= values.min() <= values.max() <= most:
            raise InputError(f"layer {name!r}: {key} must be in 0 .. {most}, "
                             f"not {values.min()} .. {values.max()}")
    filler = codes == 0
    longest = runs.max(initial=0)
    if np.any(runs[filler] != longest):
        raise InputError(f"layer {name!r}: an entry of code 0 is a filler, and must have the "
                         f"longest run {longest}, not {runs[filler].min()}")
    entries = Entries(count=count, run=runs.astype(np.uint8), filler=filler,
                      value=codebook[codes].astype(np.int16))
    m = _outputs(entries) if outputs is None else _given_outputs(name, outputs)
    if not 1 <= m <= _MOST_OUTPUTS:
        raise InputError(f"layer {name!r}: outputs must be in 1 .. {_MOST_OUTPUTS}, not {m}")
    try:
        return decode_entries(entries, m)
    except EncodingError as error:
        raise InputError(f"layer {name!r}, outputs {m}: {error}") from error


def _codebook(name: str, values: Any) -> np.ndarray:
    """The codebook of layer ``name`` as integers."""
    codebook = np.asarray(values)
    if codebook.ndim != 1 or not 1 <= len(codebook) <= 256 or codebook[0] != 0 \
            or not np.all(codebook[1:]):
        raise InputError(f"layer {name!r}: codebook must be [1 .. 256], slot 0 and no other "
                         f"holding 0")
    return integers(name, "codebook", codebook)


def _outputs(entries: Entries) -> int:
    """The fewest outputs that hold all weights."""
    pes = len(entries.count)
    pe = np.repeat(np.arange(pes), entries.count.sum(axis=1))
    rows = entries.rows * pes + pe
    return int(rows[~entries.filler].max(initial=0)) + 1


def _given_outputs(name: str, outputs: Any) -> int:
    if np.size(outputs) != 1:
        raise InputError(f"layer {name!r}: outputs must be one number, not {np.shape(outputs)}")
    return int(np.asarray(outputs).item())


def _counts(name: str, pointers: np.ndarray, runs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Entries of each PE and column, int32 [PEs, n]."""
    if pointers.ndim != 2 or pointers.shape[1] < 2 or not len(pointers):
        raise InputError(f"layer {name!r}: pointers must be [PEs, n + 1], "
                         f"not {list(pointers.shape)}")
    count = np.diff(pointers, axis=1)
    if np.any(pointers[:, 0]) or np.any(count < 0):
        raise InputError(f"layer {name!r}: each PE's pointers must begin at 0 and never fall")
    total = sum(pointers[:, -1].tolist())       # Python's integers cannot overflow
    for key, values in (("runs", runs), ("codes", codes)):
        if values.shape != (total,):
            raise InputError(f"layer {name!r}: the pointers end after {total} entries in all PEs, "
                             f"but {key} has {list(values.shape)}")
    return count.astype(np.int32)
