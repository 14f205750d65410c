# SPDX-License-Identifier: Apache-2.0
"""State that a step of a compression passes to the next one, in memory and in a folder."""
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ...core.errors import ArtefactError, InputError, UntrustedError
from ...core.host.files import replace_file
from ...core.host.untrusted import Limits, check_regular, parse_json, read_regular

__all__ = ["StepState", "Checkpoints", "digest"]

_RUN = "run.json"
#: Limits of a step's notes: numbers of every layer, and of every epoch.
_NOTES = Limits(bytes=1 << 26, values=1 << 22)


@dataclass(frozen=True, kw_only=True, eq=False)
class StepState:
    """The complete result of a step; a run can continue from it in the same or another process.

    Attributes
    ----------
    tensors : by name, on the CPU.
    notes : JSON values by name.
    """
    tensors: dict[str, Tensor] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with ``prefix`` and a slash, under the rest of the name."""
        return {name.removeprefix(f"{prefix}/"): one for name, one in self.tensors.items()
                if name.startswith(f"{prefix}/")}

    def after(self, *, notes: Mapping[str, Any] | None = None,
              **parts: Mapping[str, Tensor]) -> "StepState":
        """The state with notes added, and with the tensors of some prefixes replaced: ``parts`` by
        prefix."""
        tensors = {name: one for name, one in self.tensors.items()
                   if name.partition("/")[0] not in parts}
        for prefix, part in parts.items():
            for name, one in part.items():
                tensors[f"{prefix}/{name}"] = one.detach().cpu().clone().contiguous()
        return StepState(tensors=tensors, notes=self.notes | dict(notes or {}))


class Checkpoints:
    """A folder of checkpoints: ``run.json``, which identifies the run, and a file for each finished
    step. Files are written atomically.

    The name of a step's file contains a digest of everything that its result depends on. Runs of
    several recipes therefore share the steps that they have in common, and never replace each
    other's files.

    Parameters
    ----------
    folder : created if it does not exist.
    run : what the results of all steps depend on, as JSON values.
    keys : for each step, in order, what else its result and all later ones depend on.

    Raises
    ------
    InputError : the folder has checkpoints of another run, or cannot be written.
    """
    def __init__(self, folder: Path, run: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
        self.folder = folder
        text = json.dumps(run, indent=1, sort_keys=True)
        self._digests: dict[str, str] = {}
        before = text
        for name, key in keys.items():
            before = hashlib.sha256(f"{before}\0{name}\0{json.dumps(key, sort_keys=True)}"
                                    .encode()).hexdigest()
            self._digests[name] = before
        try:
            there = self._claim(text)
        except OSError as error:
            raise InputError(f"cannot keep checkpoints in {folder}: {error.strerror}") from error
        if there != text:
            raise InputError(
                f"{folder} has checkpoints of another run: {_differences(there, run)}; give "
                f"another folder, or remove this one. Nothing in it was changed")

    def _claim(self, text: str) -> str:
        """The text of ``run.json``, which is written if the folder is new."""
        path = self.folder / _RUN
        self.folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return _read_run(path)
        strange = sorted(self.folder.glob("*.safetensors"))
        if strange:
            raise InputError(f"{self.folder} has no {_RUN} but {strange[0].name}: it is no folder "
                             f"of checkpoints; give another one")
        replace_file(path, text.encode())
        return text

    def _path(self, number: int, name: str) -> Path:
        return self.folder / f"{number:02}-{name}-{self._digests[name][:12]}.safetensors"

    def load(self, number: int, name: str) -> StepState | None:
        """The result of step ``number``, or None if it has not finished.

        Raises
        ------
        ArtefactError : the file is damaged, or was copied from another run.
        """
        path = self._path(number, name)
        if not path.exists():
            return None
        try:
            check_regular(path)
            with safetensors.safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            notes = parse_json(metadata["notes"], "its notes", _NOTES)
            state = StepState(tensors=tensors, notes=notes)
            sound = metadata["digest"] == self._stamp(name, state)
        except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
            raise ArtefactError(f"checkpoint {path} cannot be read: {error}; remove it, and the "
                                f"step is done again") from error
        if not sound:
            raise ArtefactError(f"checkpoint {path} is damaged, or of another run; remove it, and "
                                f"the step is done again")
        return state

    def save(self, number: int, name: str, state: StepState) -> None:
        """Write the result of step ``number``.

        Raises
        ------
        InputError : the folder cannot be written.
        """
        metadata = {"notes": json.dumps(state.notes, sort_keys=True),
                    "digest": self._stamp(name, state)}
        try:
            replace_file(self._path(number, name), safetensors.torch.save(state.tensors, metadata))
        except OSError as error:
            raise InputError(f"cannot keep checkpoints in {self.folder}: "
                             f"{error.strerror}") from error

    def _stamp(self, name: str, state: StepState) -> str:
        """SHA-256 over everything that a step depends on, and over its state."""
        return digest(state.tensors, self._digests[name], json.dumps(state.notes, sort_keys=True))


def digest(tensors: Mapping[str, Tensor], *texts: str) -> str:
    """SHA-256 over tensors with their names, and over texts, hex."""
    total = hashlib.sha256("\0".join(texts).encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        if flat.numel():
            total.update(flat.view(torch.uint8).numpy().data)
    return total.hexdigest()


def _read_run(path: Path) -> str:
    """The text of ``run.json``.

    Raises
    ------
    InputError : the file cannot be read.
    """
    try:
        return read_regular(path, Limits().bytes).decode()
    except UntrustedError as error:
        raise InputError(f"cannot read {error}; give another folder. Nothing in it was "
                         f"changed") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged, no text in UTF-8; give another folder, or remove "
                         f"this one. Nothing in it was changed") from error


def _differences(there: str, run: Mapping[str, Any]) -> str:
    """The differences between two runs, for the message."""
    try:
        other = parse_json(there, _RUN)
        parts = [f"{name} is {_short(run[name])}, and was {_short(other.get(name))}"
                 for name in run if run[name] != other.get(name)]
    except (ValueError, AttributeError):
        return f"its {_RUN} cannot be read"
    return "; ".join(parts) or f"its {_RUN} is of another version"


def _short(value: Any) -> str:
    """A value as text, cut if it is long."""
    text = str(value)
    return f"{text[:12]}..." if len(text) > 40 else text
