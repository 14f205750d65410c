# SPDX-License-Identifier: Apache-2.0
"""What a sweep asks: a grid over the array's fields, and the layers and networks to run on it."""
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

#: More points than a table can hold in a person's memory, or this program in the machine's.
_MOST_POINTS = 1_000_000
#: Non-zero weights, or activations, of a random layer: they take some 20 bytes each.
_MOST_WEIGHTS = 1 << 28


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RandomLayer(_Strict):
    """A random layer; see :func:`openeie.sim.study.workload.random_workload`."""
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
    base : preset from which every array of the sweep starts.
    set : fields of it that are changed for all points.
    grid : values of each field that is swept; the last one changes fastest.
    layer : random layers.
    networks : names of networks, or paths of ``*.eie`` files.
    images : inputs of each network, MNIST's or drawn ones; None: 10.
    input : file with the inputs of the networks instead, all of which are run.
    seed : of layers and inputs.
    mhz : clock, which makes time of cycles.
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
        """Refuse a sweep of nothing, of unknown fields, or of a base that does not exist.

        Raises
        ------
        InputError, ConfigError
        """
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
            raise InputError(f"input {self.input} is of networks, and the sweep has none: the "
                             f"activations of a layer are drawn; leave it out")
        count = len(names) * math.prod(map(len, self.grid.values()))
        if count > _MOST_POINTS:
            raise InputError(f"the sweep has {count:,} points, and may have {_MOST_POINTS:,}")
        for layer in self.layer:
            size = layer.inputs * layer.outputs * layer.weight_density
            if max(size, layer.inputs * layer.vectors) > _MOST_WEIGHTS:
                raise InputError(f"layer {layer.name!r} would have {size:,.0f} weights and "
                                 f"{layer.inputs * layer.vectors:,} activations; each may be "
                                 f"{_MOST_WEIGHTS:,}")
        preset(self.base).replace(**{name: tuple(value) if name in NAMES else value
                                     for name, value in self.set.items()})

    def points(self) -> Iterable[dict[str, Any]]:
        """Fields of each point of the grid, in order."""
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
    """Integers as the table can hold them; lists of names for the fields that are such."""
    if name in NAMES:
        if not (isinstance(value, (list, tuple)) and value
                and all(isinstance(one, str) for one in value)):
            raise InputError(f"{where}.{name} takes lists of names out of "
                             f"{', '.join(NAMES[name])}, not {value!r}")
    elif not isinstance(value, int) or isinstance(value, bool) or not -1 << 63 <= value < 1 << 63:
        raise InputError(f"{where}.{name} takes integers of 64 bits, not {value!r}")


def read_sweep(path: Path | None, changes: dict[str, Any]) -> Sweep:
    """The sweep of a TOML file, with ``changes`` over it; lists and tables are added to the
    file's.

    Raises
    ------
    InputError : the file cannot be read, a key is unknown or a value out of range, or
        :meth:`Sweep.check` finds something.
    """
    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = read_toml(path)
        except UntrustedError as error:
            raise InputError(f"cannot read the sweep {error}") from error
        _validated(fields, str(path))       # before options are added to what is no list or table
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
    try:
        return Sweep(**fields)
    except ValidationError as error:
        raise InputError(f"{source}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """What is wrong, where, and with which value: an unknown key before what it may have hidden."""
    problem = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = RandomLayer.model_fields if where.startswith("layer") else Sweep.model_fields
        return f"unknown key {where!r}; {did_you_mean(str(problem['loc'][-1]), known)}the keys " \
               f"are {', '.join(known)}"
    return f"{where}: {problem['msg']}, not {problem['input']!r}"
