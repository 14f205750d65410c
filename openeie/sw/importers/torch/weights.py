# SPDX-License-Identifier: Apache-2.0
"""Weights from files into a module: all names and shapes are checked at once, and nothing but
tensors is unpickled."""
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from ....core.errors import InputError, UntrustedError
from ....core.host.untrusted import check_regular
from ...data.npz import read_named
from ...float.plain_weights import ADVICE, plain_tensors
from .file import load_tensors

__all__ = ["SUFFIXES", "read_weights", "load_weights", "check_finite"]

#: Suffixes of files that are read.
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz")
#: Suffixes of a layer's arrays in an ``.npz`` file, see :mod:`..caffe.npz_weights`.
_ENDINGS = {"weight": (".weight", "_w", "/weight"), "bias": (".bias", "_b", "/bias")}
#: Suffixes of the tensors that torch computes a weight from.
_COMPUTED = ("weight_orig", "weight_mask", "weight_g", "weight_u",
             "bias_orig", "bias_mask", "bias_g", "bias_u")
_MOST_TOLD = 20                     # problems in one message


def read_weights(path: str | Path, names: list[str]) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Parameters
    ----------
    path : ``.safetensors``; or ``.pt``, ``.pth`` or ``.bin`` with a ``state_dict``, alone or
        under the key ``state_dict``, read with ``weights_only``; or ``.npz``, whose arrays may
        also be called ``<layer>_w`` and ``<layer>_b``.
    names : of the module's tensors; arrays of an ``.npz`` are renamed to these.

    Raises
    ------
    InputError : another kind of file; one that cannot be read, or holds anything but tensors.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"weights must be a file {', '.join(SUFFIXES)}, not {path}")
    if path.suffix == ".npz":
        return _read_npz(path, names)
    held: Any
    try:
        check_regular(path)
        held = safetensors.torch.load_file(path) if path.suffix == ".safetensors" \
            else load_tensors(path)
    except Exception as error:          # damaged pickles raise anything
        raise InputError(f"cannot read weights from {path}: {_reason(path, error)}") from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(
            isinstance(name, str) and isinstance(one, Tensor) for name, one in held.items()):
        raise InputError(f"{path} must hold a state_dict, tensors by name, "
                         f"not {type(held).__name__}")
    return dict(held)


def _reason(path: Path, error: Exception) -> str:
    """Why a file could not be read, and what to do. torch's own message is not used: it advises to
    read the pickle without protection."""
    if isinstance(error, UntrustedError):
        return error.reason
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if path.suffix == ".safetensors":
        return f"{error}; a .safetensors file must be complete"
    what = "it is damaged, or was not written by torch.save"
    if isinstance(error, pickle.UnpicklingError):
        what = "it holds more than tensors, or is damaged"
    return f"{what}; save torch.save(module.state_dict(), file), or a .safetensors file"


def _read_npz(path: Path, names: list[str]) -> dict[str, Tensor]:
    """The arrays of an ``.npz`` file, under the module's names."""
    wanted = {}                                     # array's name -> module's name
    for name in names:
        layer, _, kind = name.rpartition(".")
        for ending in _ENDINGS.get(kind, ()):
            wanted[layer + ending] = name
        wanted[name] = name
    arrays = read_named(path, "weights")
    kinds = {name: array.dtype for name, array in arrays.items() if array.dtype.kind not in "fiub"}
    if kinds:
        raise InputError(f"{path}: arrays must be numbers, not {kinds}")
    sources: dict[str, list[str]] = {}
    for name in arrays:
        sources.setdefault(wanted.get(name, name), []).append(name)
    twice = [f"{' and '.join(given)} are both {name}" for name, given in sources.items()
             if len(given) > 1]
    if twice:
        raise InputError(f"{path} must have one array for each tensor; {'; '.join(twice)}")
    return {wanted.get(name, name): torch.from_numpy(_native(array))
            for name, array in arrays.items()}


def _native(array: np.ndarray) -> np.ndarray:
    """A copy in this machine's byte order, of a type that torch knows."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return np.array(array, dtype)


def load_weights(module: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Load a file's weights into ``module``, in place.

    A prefix ``module.`` of all names, which ``DataParallel`` adds, is removed, and batch counters
    may be missing. Instead of a weight the file may hold the tensors from which torch's pruning or
    weight norm computes it.

    Returns
    -------
    Names of the layers whose weights the file holds with masks of ``torch.nn.utils.prune``.

    Raises
    ------
    InputError : the file cannot be read; tensors are missing, unknown, of another shape or not
        finite, listed at once. The module is then unchanged.
    """
    own = module.state_dict()
    tensors = read_weights(path, list(own))
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): one for name, one in tensors.items()}
    tensors, masked = plain_tensors(tensors, own)
    problems = [f"{name} is missing, {list(one.shape)}" for name, one in own.items()
                if name not in tensors and not name.endswith("num_batches_tracked")]
    for name, one in tensors.items():
        problem = _problem(name, one, own.get(name))
        if problem:
            problems.append(problem)
    if problems:
        lines = [f"{path} does not fit {type(module).__name__}:", *problems[:_MOST_TOLD]]
        if len(problems) > _MOST_TOLD:
            lines.append(f"and {len(problems) - _MOST_TOLD} more")
        raise InputError("\n  ".join(lines))
    module.load_state_dict({name: tensors.get(name, one) for name, one in own.items()})
    return masked


def _problem(name: str, one: Tensor, own: Tensor | None) -> str:
    """What is wrong with a file's tensor, or ""; ``own`` is the module's of that name."""
    if one.is_meta:
        return (f"{name} is on the meta device, which keeps no numbers; save the state_dict of a "
                f"module that has its weights")
    if own is None:
        return f"{name} is unknown, {list(one.shape)}{_computed(name)}"
    if one.shape != own.shape:
        return f"{name} must be {list(own.shape)}, not {list(one.shape)}"
    if own.is_floating_point() != one.is_floating_point():
        return f"{name} must be {own.dtype}, not {one.dtype}"
    if one.layout != torch.strided:
        return f"{name} must be a dense tensor, not {one.layout}"
    wrong = int((~torch.isfinite(one.to(own.dtype))).sum())
    if wrong:
        return f"{name} must be finite numbers, and {wrong} of {one.numel()} are not"
    return ""


def _computed(name: str) -> str:
    """Advice for a tensor from which torch computes a weight."""
    if ".parametrizations." in f".{name}" or name.endswith(_COMPUTED):
        return f"; {ADVICE}, before they are saved"
    return ""


def check_finite(module: nn.Module) -> None:
    """Refuse a module with weights that are not finite numbers.

    Raises
    ------
    InputError : names all tensors with such weights.
    """
    wrong = [f"{name} ({int((~torch.isfinite(one)).sum())} of {one.numel()})"
             for name, one in module.state_dict().items() if not torch.isfinite(one).all()]
    if wrong:
        raise InputError(f"weights of {type(module).__name__} must be finite numbers; these have "
                         f"others: {', '.join(wrong)}")
