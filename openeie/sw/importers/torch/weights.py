# SPDX-License-Identifier: Apache-2.0
"""Weights from files into a module: names and shapes checked all at once; nothing is unpickled
but tensors."""
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from ....core.errors import InputError, UntrustedError
from ....core.host.untrusted import check_regular
from ...data.npz import read_arrays
from ...float.plain_weights import ADVICE, plain_tensors
from .file import load_tensors

__all__ = ["SUFFIXES", "read_weights", "load_weights", "check_finite"]

#: What is read, by the file's name.
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz")
#: How an ``.npz`` file may call a layer's arrays, see :mod:`.caffe_npz`.
_ENDINGS = {"weight": (".weight", "_w", "/weight"), "bias": (".bias", "_b", "/bias")}
#: What torch calls the tensors that a weight is computed from.
_COMPUTED = tuple(f"{kind}_{part}" for kind in ("weight", "bias")
                  for part in ("orig", "mask", "g", "u"))
_MOST_TOLD = 20


def read_weights(path: str | Path, names: list[str]) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Parameters
    ----------
    path : ``.safetensors``; ``.pt``, ``.pth`` or ``.bin``, a ``state_dict`` alone or under the
        key ``state_dict``, read with ``weights_only``; or ``.npz``, whose arrays may be called
        ``<layer>_w`` and ``<layer>_b`` as Caffe's are.
    names : of the module's tensors, to which those of an ``.npz`` are turned.

    Raises
    ------
    InputError : another file, or one that cannot be read or holds anything but tensors.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"weights must be a file {', '.join(SUFFIXES)}, not {path}")
    if path.suffix == ".npz":
        return _read_npz(path, names)
    try:
        check_regular(path)
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(path)
        else:
            tensors = load_tensors(path)
    except Exception as error:          # whatever damage makes of a pickle's instructions
        raise InputError(f"cannot read weights from {path}: {_reason(path, error)}") from error
    if isinstance(tensors, Mapping) and isinstance(tensors.get("state_dict"), Mapping):
        tensors = tensors["state_dict"]
    if not isinstance(tensors, Mapping) or not all(
            isinstance(name, str) and isinstance(one, Tensor) for name, one in tensors.items()):
        raise InputError(f"{path} must hold a state_dict, tensors by name, "
                         f"not {type(tensors).__name__}")
    return dict(tensors)


def _reason(path: Path, error: Exception) -> str:
    """Why a file could not be read, and what to do; not as torch says it, whose advice is to read
    the pickle without protection."""
    if isinstance(error, UntrustedError):
        return error.reason
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if path.suffix == ".safetensors":
        return f"{error}; a .safetensors file must be complete"
    what = "it holds more than tensors, or is damaged" if isinstance(
        error, pickle.UnpicklingError) else "it is damaged, or no file of torch.save"
    return f"{what}; save torch.save(module.state_dict(), file), or a .safetensors file"


def _read_npz(path: Path, names: list[str]) -> dict[str, Tensor]:
    wanted = {}                                     # an array's name -> the module's
    for name in names:
        layer, _, kind = name.rpartition(".")
        for ending in _ENDINGS.get(kind, ()):
            wanted[layer + ending] = name
        wanted[name] = name
    arrays = read_arrays(path, "weights")
    if not isinstance(arrays, dict):
        raise InputError(f"{path} holds one array; weights need one for each tensor")
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
    """A copy in this machine's byte order, of a type that torch has."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return np.array(array, dtype)


def load_weights(module: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Give ``module`` a file's weights, in place.

    A prefix ``module.`` of all names, of ``DataParallel``, is taken off; batch counters may be
    missing. A weight may be in the file as what torch's own pruning or weight norm compute it
    from.

    Returns
    -------
    Names of the layers whose weights the file has with masks, of ``torch.nn.utils.prune``.

    Raises
    ------
    InputError : the file cannot be read; tensors that are missing, unknown, of another shape or
        not finite numbers, all at once. The module is then as it was.
    """
    own = module.state_dict()
    tensors = read_weights(path, list(own))
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): one for name, one in tensors.items()}
    tensors, masked = plain_tensors(tensors, own)
    problems = [f"{name} is missing, {list(one.shape)}" for name, one in own.items()
                if name not in tensors and not name.endswith("num_batches_tracked")]
    for name, one in tensors.items():
        if one.is_meta:
            problems.append(f"{name} is on the meta device, which keeps no numbers; save the "
                            f"state_dict of a module that has its weights")
        elif name not in own:
            problems.append(f"{name} is unknown, {list(one.shape)}{_computed(name)}")
        elif one.shape != own[name].shape:
            problems.append(f"{name} must be {list(own[name].shape)}, not {list(one.shape)}")
        elif own[name].is_floating_point() != one.is_floating_point():
            problems.append(f"{name} must be {own[name].dtype}, not {one.dtype}")
        elif one.layout != torch.strided:
            problems.append(f"{name} must be a dense tensor, not {one.layout}")
        else:
            problems += _not_finite(name, one.to(own[name].dtype))
    if problems:
        more = len(problems) - _MOST_TOLD
        raise InputError("\n  ".join([f"{path} does not fit {type(module).__name__}:",
                                      *problems[:_MOST_TOLD]]
                                     + ([f"and {more} more"] if more > 0 else [])))
    module.load_state_dict({name: tensors.get(name, one) for name, one in own.items()})
    return masked


def _computed(name: str) -> str:
    """What to do with a tensor that a weight is computed from."""
    return f"; {ADVICE}, before they are saved" \
        if ".parametrizations." in f".{name}" or name.endswith(_COMPUTED) else ""


def _not_finite(name: str, one: Tensor) -> list[str]:
    """What is wrong with a tensor as the module would have it."""
    wrong = int((~torch.isfinite(one)).sum())
    return [f"{name} must be finite numbers, and {wrong} of {one.numel()} are not"] if wrong else []


def check_finite(module: nn.Module) -> None:
    """Refuse a module with weights that are not finite numbers.

    Raises
    ------
    InputError : names all tensors that have such weights.
    """
    wrong = [f"{name} ({int((~torch.isfinite(one)).sum())} of {one.numel()})"
             for name, one in module.state_dict().items() if not torch.isfinite(one).all()]
    if wrong:
        raise InputError(f"weights of {type(module).__name__} must be finite numbers; these have "
                         f"others: {', '.join(wrong)}")
