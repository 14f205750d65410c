# SPDX-License-Identifier: Apache-2.0
"""A workload from arrays that a user brings: dense weights, or EIE's own entries and pointers."""
from collections.abc import Mapping

import numpy as np

from ...core.entries.encoding import Entries, decode_entries
from ...core.errors import EncodingError, InputError
from .workload import Workload

__all__ = ["ARRAYS", "workload_of"]

#: Arrays that are understood; ``acts`` must be there, and either ``weights`` or the others.
ARRAYS = ("acts", "weights", "pointers", "runs", "codes", "codebook", "outputs")
_ENTRIES = ("pointers", "runs", "codes", "codebook")
_MOST_OUTPUTS = 1 << 24


def workload_of(arrays: Mapping[str, np.ndarray], name: str) -> Workload:
    """A layer of activations and weights.

    Parameters
    ----------
    arrays : ``acts`` [n] or [vectors, n], and either ``weights`` [m, n], integers or floats (see
        :meth:`Workload.from_dense`); or the matrix as EIE holds it (section III): ``pointers``
        [PEs, n + 1], where column j of PE k has the entries ``pointers[k, j]:pointers[k, j + 1]``
        of that PE's; ``runs`` and ``codes`` [entries], all entries of the first PE, then of the
        next; ``codebook`` [K], slot 0 holding 0. An entry of code 0 is a filler, which must have
        the longest run that occurs. ``outputs`` m; otherwise the last row that has a weight.

    Raises
    ------
    InputError : an array that is missing, too much, or contradicts another.
    """
    if "acts" not in arrays:
        raise InputError(f"layer {name!r} has no array 'acts'; it has: "
                         f"{', '.join(arrays) or 'none'}")
    entries = [key for key in _ENTRIES if key in arrays]
    if "weights" in arrays:
        more = [*entries, *(key for key in ("outputs",) if key in arrays)]
        if more:
            raise InputError(f"layer {name!r} has both 'weights' and {more[0]!r}; give its "
                             f"matrix one way")
        return Workload.from_dense(arrays["weights"], arrays["acts"], name=name)
    missing = [key for key in _ENTRIES if key not in arrays]
    if missing:
        raise InputError(f"layer {name!r} lacks {missing[0]!r}: its matrix is either 'weights' or "
                         f"{', '.join(_ENTRIES)}")
    for key in (*_ENTRIES, "acts", *(key for key in ("outputs",) if key in arrays)):
        if np.asarray(arrays[key]).dtype.kind not in "iu":
            raise InputError(f"layer {name!r}: {key} must be integers, "
                             f"not {np.asarray(arrays[key]).dtype}")
    parts = [np.asarray(arrays[key], np.int64) for key in _ENTRIES]
    return Workload(name=name, acts=arrays["acts"],
                    weights=_matrix(name, parts, arrays.get("outputs")))


def _matrix(name: str, parts, outputs):
    """The weights that the entries stand for; parts as in :data:`_ENTRIES`."""
    pointers, runs, codes, codebook = parts
    if codebook.ndim != 1 or not 1 <= len(codebook) <= 256 or codebook[0] != 0 \
            or np.any(codebook[1:] == 0) or codebook.min() < -32768 or codebook.max() > 32767:
        raise InputError(f"layer {name!r}: codebook must be [1 .. 256] of 16 bits, slot 0 and no "
                         f"other holding 0")
    count = _counts(name, pointers, runs, codes)
    for key, values, most in (("runs", runs, 255), ("codes", codes, len(codebook) - 1)):
        if len(values) and not 0 <= values.min() <= values.max() <= most:
            raise InputError(f"layer {name!r}: {key} must be in 0 .. {most}, "
                             f"not {values.min()} .. {values.max()}")
    filler, longest = codes == 0, runs.max(initial=0)
    if np.any(runs[filler] != longest):
        raise InputError(f"layer {name!r}: an entry of code 0 is a filler, and must have the "
                         f"longest run {longest}, not {runs[filler].min()}")
    entries = Entries(count=count, run=runs.astype(np.uint8), filler=filler,
                      value=codebook[codes].astype(np.int16))
    rows = entries.rows * len(count) + np.repeat(np.arange(len(count)), count.sum(axis=1))
    least = int(rows[~filler].max(initial=0)) + 1
    if outputs is not None and np.size(outputs) != 1:
        raise InputError(f"layer {name!r}: outputs must be one number, not {np.shape(outputs)}")
    m = least if outputs is None else int(np.asarray(outputs).item())
    if not 1 <= m <= _MOST_OUTPUTS:
        raise InputError(f"layer {name!r}: outputs must be in 1 .. {_MOST_OUTPUTS}, not {m}")
    try:
        return decode_entries(entries, m)
    except EncodingError as error:
        raise InputError(f"layer {name!r}, outputs {m}: {error}") from error


def _counts(name: str, pointers, runs, codes) -> np.ndarray:
    """Entries of each PE and column, int32 [PEs, n]."""
    if pointers.ndim != 2 or pointers.shape[1] < 2 or not len(pointers):
        raise InputError(f"layer {name!r}: pointers must be [PEs, n + 1], "
                         f"not {list(pointers.shape)}")
    count = np.diff(pointers, axis=1)
    if np.any(pointers[:, 0]) or np.any(count < 0):
        raise InputError(f"layer {name!r}: each PE's pointers must begin at 0 and never fall")
    total = sum(pointers[:, -1].tolist())       # of Python: they may be as large as they like
    for key, values in (("runs", runs), ("codes", codes)):
        if values.shape != (total,):
            raise InputError(f"layer {name!r}: the pointers end after {total} entries in all PEs, "
                             f"but {key} has {list(values.shape)}")
    return count.astype(np.int32)
