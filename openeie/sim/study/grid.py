# SPDX-License-Identifier: Apache-2.0
"""The description of a sweep: a grid over the array's fields, and layers and networks to run."""
import itertools
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core.array.config import ArrayConfig, check_keys, preset
from ...core.array.limits import NAMES
from ...core.errors import ConfigError, InputError, UntrustedError, did_you_mean
from ...core.host.untrusted import read_toml

__all__ = ["RandomLayer", "Sweep", "read_sweep"]

#: More points would need too much memory.
_MOST_POINTS = 1_000_000
#: Non-zero weights, and activations, of a random layer; each takes about 20 bytes.
_MOST_WEIGHTS = 1 << 28


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RandomLayer(_Strict):
    """A random layer; see :func:`openeie.sim.study.workload.random_workload`.

    ``vectors`` is the number of its input vectors per launch.
    """
    name: str = Field(min_length=1)
    inputs: int = Field(ge=1, le=1 << 24)
    outputs: int = Field(ge=1, le=1 << 24)
    weight_density: float = Field(ge=0, le=1)
    act_density: float = Field(ge=0, le=1)
    vectors: int = Field(default=1, ge=1, le=65535)


class Sweep(_Strict):
    """A design space.

    Attributes
    ----------
    base : name of the preset that all arrays are derived from.
    set : fields that are changed in all arrays.
    grid : the values of each swept field; the last field changes fastest.
    layer : random layers to run.
    networks : names of networks, or paths of ``*.eie`` files.
    images : number of inputs for each network, from MNIST or random ones; None: 10.
    input : file with the networks' inputs instead; all of them are run.
    seed : of random layers and inputs.
    mhz : clock frequency that turns cycles into time.
    """
    base: str = "EIE64"
    set: dict[str, Any] = {}
    grid: dict[str, list[Any]] = {}
    layer: list[RandomLayer] = []
    networks: list[str] = []
    images: int | None = Field(default=None, ge=1)
    input: str | None = Field(default=None, min_length=1)
    seed: int = Field(default=1, ge=0)
    mhz: float = Field(default=800, gt=0, allow_inf_nan=False)

    def check(self) -> None:
        """Refuse a sweep that cannot be run.

        Raises
        ------
        InputError : it is empty, too large, or has unknown fields or values.
        ConfigError : there is no such base, or no array with the fields in ``set``.
        """
        self._check_grid()
        self._check_names()
        self._check_size()
        preset(self.base).replace(**{name: tuple(value) if name in NAMES else value
                                     for name, value in self.set.items()})

    def _check_grid(self) -> None:
        for name, value in self.set.items():
            check_keys([name])
            _check_value(name, value, "set")
        for name, values in self.grid.items():
            check_keys([name])
            if not values:
                raise InputError(f"grid.{name} has no values; give at least one")
            for value in values:
                _check_value(name, value, "grid")
            if len({json.dumps(value) for value in values}) != len(values):
                raise InputError(f"grid.{name} has a value twice: {values}")
            if name in self.set:
                raise InputError(f"{name} is swept by the grid and set for all points; choose one")
        if not self.grid:
            raise InputError("the grid is empty; sweep a field: --grid queue_depth=1,2,4,8, or "
                             "[grid] in the file")

    def _check_names(self) -> None:
        names = [layer.name for layer in self.layer] + self.networks
        if not names:
            raise InputError("there is nothing to run; name layers (--layer, [[layer]]) or "
                             "networks (--network, networks)")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise InputError(f"{twice!r} is swept twice; names must differ")
        if self.input is not None and self.images is not None:
            raise InputError(f"images {self.images} counts MNIST's images or drawn inputs, but "
                             f"input {self.input} brings others; give one of the two")
        if self.input is not None and not self.networks:
            raise InputError(f"input {self.input} is for networks, and the sweep has none; the "
                             f"activations of layers are random; leave it out")

    def _check_size(self) -> None:
        names = len(self.layer) + len(self.networks)
        count = names * math.prod(map(len, self.grid.values()))
        if count > _MOST_POINTS:
            raise InputError(f"the sweep has {count:,} points, and may have {_MOST_POINTS:,}")
        for layer in self.layer:
            size = layer.inputs * layer.outputs * layer.weight_density
            if max(size, layer.inputs * layer.vectors) > _MOST_WEIGHTS:
                raise InputError(f"layer {layer.name!r} would have {size:,.0f} weights and "
                                 f"{layer.inputs * layer.vectors:,} activations; each may be "
                                 f"{_MOST_WEIGHTS:,}")

    def points(self) -> Iterable[dict[str, Any]]:
        """The swept fields of each point, in order."""
        return (dict(zip(self.grid, values))
                for values in itertools.product(*self.grid.values()))

    def config(self, point: dict[str, Any]) -> ArrayConfig:
        """The array of a point.

        Raises
        ------
        ConfigError : there is no such array.
        """
        fields = preset(self.base).to_dict() | self.set | point
        try:
            return ArrayConfig.from_dict(fields)
        except TypeError as error:
            raise ConfigError(str(error)) from None


def _check_value(name: str, value: Any, where: str) -> None:
    """Integers must fit the table's 64 bits; some fields are lists of names."""
    if name in NAMES:
        if not (isinstance(value, (list, tuple)) and value
                and all(isinstance(one, str) for one in value)):
            raise InputError(f"{where}.{name} takes lists of names out of "
                             f"{', '.join(NAMES[name])}, not {value!r}")
    elif not isinstance(value, int) or isinstance(value, bool) or not -1 << 63 <= value < 1 << 63:
        raise InputError(f"{where}.{name} takes integers of 64 bits, not {value!r}")


def read_sweep(path: Path | None, changes: dict[str, Any]) -> Sweep:
    """The sweep in a TOML file, with ``changes`` applied.

    Changes that are lists or tables are added to the file's; others replace the file's values.

    path : of the file; None: the changes alone describe the sweep.

    Raises
    ------
    InputError : the file cannot be read, a key is unknown, or a value is out of range.
    InputError, ConfigError : see :meth:`Sweep.check`.
    """
    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = read_toml(path)
        except UntrustedError as error:
            raise InputError(f"cannot read the sweep {error}") from error
        _validated(fields, str(path))       # so that lists and tables are such below
    for name, value in changes.items():
        if isinstance(value, dict):
            fields[name] = fields.get(name, {}) | value
        elif isinstance(value, list):
            fields[name] = fields.get(name, []) + value
        else:
            fields[name] = value
    sweep = _validated(fields, str(path or "the sweep"))
    sweep.check()
    return sweep


def _validated(fields: dict[str, Any], source: str) -> Sweep:
    """``source``: the file that an error names."""
    try:
        return Sweep(**fields)
    except ValidationError as error:
        raise InputError(f"{source}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """The first error: where, what, and which value. Unknown keys come first, since a misspelt key
    can cause other errors."""
    problem = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = RandomLayer.model_fields if where.startswith("layer") else Sweep.model_fields
        return f"unknown key {where!r}; {did_you_mean(str(problem['loc'][-1]), known)}the keys " \
               f"are {', '.join(known)}"
    return f"{where}: {problem['msg']}, not {problem['input']!r}"
